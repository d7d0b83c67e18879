/**
 * Paths of files: absolute, with `/` between segments; `.`, `..` and doubled slashes are resolved. Nothing is
 * percent-decoded: to a file system `%2e` is a name like any other. Symbolic links are for whoever has a file system.
 */
import { ProgramWriter, type Program } from '../pattern-program.js';
import { checkTarget, DEEP, malformed, writeDeep, writeSegment } from './segments.js';

/** The canonical form of an absolute path. Throws INVALID_ARGUMENT. */
export function canonicalPath(path: string): string {
  checkTarget(path);
  if (!path.startsWith('/')) malformed('expected an absolute path');
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}

/** `/data/**` is the folder and all that is in it. Throws INVALID_ARGUMENT. */
export function pathPattern(pattern: string): Program {
  const writer = new ProgramWriter();
  if (pattern === DEEP) return writer.chars('/').run('').done();
  if (!pattern.startsWith('/')) malformed('expected an absolute path, or ** for every path');
  const segments = pattern.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) malformed('.. is not taken in a pattern');
  if (segments.length === 0) return writer.chars('/').done();
  for (const segment of segments) {
    if (segment === DEEP) writeDeep(writer, '/');
    else writeSegment(writer.chars('/'), segment, '/');
  }
  return writer.done();
}
