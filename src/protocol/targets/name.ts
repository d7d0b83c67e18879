/**
 * Names: of tools and of what vendors guard, and `name@version` of agents. Nothing of them is changed.
 * Segments end at `.` and at `/`: `web.*` is `web.search` and not `web.search.images`. (The TypeScript SDK ends them at
 * `/` only; ours are the narrower.)
 */
import { ProgramWriter, type Program } from '../pattern-program.js';
import { checkTarget, DEEP, writeSegments } from './segments.js';

const SEPARATORS = './';

/** Throws INVALID_ARGUMENT for what is no name. */
export function canonicalName(name: string): string {
  checkTarget(name);
  return name;
}

export function namePattern(pattern: string): Program {
  const writer = new ProgramWriter();
  if (pattern === DEEP) return writer.run('').done();
  writeSegments(writer, pattern, SEPARATORS, '');
  return writer.done();
}

/** Without `@version` every version is meant; with one, `*` in it is any run of characters: `report@1.*`. */
export function agentPattern(pattern: string): Program {
  const writer = new ProgramWriter();
  if (pattern === DEEP) return writer.run('').done();
  const at = pattern.indexOf('@');
  writeSegments(writer, at === -1 ? pattern : pattern.slice(0, at), SEPARATORS, '@');
  if (at === -1) return writer.optional((inner) => inner.chars('@').run('')).done();
  writer.chars('@');
  for (const [index, piece] of pattern
    .slice(at + 1)
    .split('*')
    .entries()) {
    if (index > 0) writer.run('');
    writer.chars(piece);
  }
  return writer.done();
}
