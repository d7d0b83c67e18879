/**
 * What the patterns of all kinds have in common.
 * `*` stands for one segment when it is alone in it (and then for at least one character), and for any run of its
 * characters, also none, beside others. `**` stands alone, for any number of segments, also none.
 */
import { ArcpError } from '../errors.js';
import type { ProgramWriter } from '../pattern-program.js';

/** Most characters of a target (L7). */
export const MAX_TARGET_LENGTH = 8_192;

export const DEEP = '**';

export function malformed(what: string): never {
  throw new ArcpError('INVALID_ARGUMENT', what);
}

/** Throws INVALID_ARGUMENT for what no kind of target can be. */
export function checkTarget(target: string): void {
  if (target === '' || target.length > MAX_TARGET_LENGTH)
    malformed(`expected a target of 1 to ${MAX_TARGET_LENGTH} characters`);
  if (!target.isWellFormed() || target.includes('\0'))
    malformed('expected a target without lone surrogates and NUL');
}

/** Adds one segment, whose wildcards stand for characters that are not among `not`. */
export function writeSegment(
  writer: ProgramWriter,
  segment: string,
  not: string,
  literal: (text: string) => string = (text) => text,
): void {
  if (segment === '*') {
    writer.one(not).run(not);
    return;
  }
  if (segment.includes(DEEP)) malformed('** stands alone between separators');
  for (const [index, piece] of segment.split('*').entries()) {
    if (index > 0) writer.run(not);
    writer.chars(literal(piece));
  }
}

/** Adds `**` behind a separator: nothing, or the separator and all that follows. `not` is what it does not reach over. */
export function writeDeep(writer: ProgramWriter, separator: string, not = ''): void {
  writer.optional((inner) => inner.chars(separator).run(not));
}

/**
 * Adds what begins with a segment and not with a separator: `a.*`, `**.b`, `**`.
 * @param separators each is one character
 * @param not what no wildcard stands for, beside separators where it stands for one segment
 */
export function writeSegments(writer: ProgramWriter, text: string, separators: string, not: string): void {
  let before = '';
  for (let from = 0; ;) {
    let end = from;
    while (end < text.length && !separators.includes(text.charAt(end))) end += 1;
    const segment = text.slice(from, end);
    const after = text.charAt(end);
    if (segment !== DEEP) {
      writer.chars(before);
      writeSegment(writer, segment, separators + not);
      before = after;
    } else if (before !== '') {
      writeDeep(writer, before, not);
      before = after;
    } else if (after === '') {
      writer.run(not);
    } else {
      // Nothing, or all that ends with the separator, which the next segment then does without.
      writer.optional((inner) => inner.run(not).chars(after));
    }
    if (after === '') return;
    from = end + 1;
  }
}
