/** Ids and names: what may name a folder, a log line or a column on a terminal. */
import type { Problems } from '../../documents/problems.js';

const ID = /^[A-Za-z0-9._-]{1,128}$/;

const MAX_NAME_BYTES = 256;

/** `.` and `..` would match, but an id names a folder. */
export function isFleetId(id: string): boolean {
  return ID.test(id) && id !== '.' && id !== '..';
}

export function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** What is wrong with a name, or `undefined`. */
export function nameFault(name: string): string | undefined {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `a name has at most ${MAX_NAME_BYTES} bytes`;
  return /\p{Cc}/u.test(name) ? 'a name has no control characters' : undefined;
}

/** The rules that tasks and workers share. */
export function nameRules(
  { id, name }: { readonly id: string; readonly name: string },
  path: readonly PropertyKey[],
  problems: Problems,
): void {
  if (!isFleetId(id)) {
    problems.error([...path, 'id'], 'expected 1 to 128 of A-Z a-z 0-9 . _ -');
  }
  const fault = nameFault(name);
  if (fault !== undefined) problems.error([...path, 'name'], fault);
}

/** The places of those that stood there before. */
export function repeated(words: readonly string[]): number[] {
  const seen = new Set<string>();
  return words.flatMap((word, index) => {
    if (seen.has(word)) return [index];
    seen.add(word);
    return [];
  });
}
