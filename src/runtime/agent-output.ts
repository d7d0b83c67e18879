/** Checks on what agents hand to the runtime: what is wrong is refused to the agent, never rounded or replaced (decision 25). */
import { ArcpError } from '../protocol/errors.js';
import { nestsDeeperThan } from '../protocol/nesting.js';

/** Refuses NaN, the infinities, and integers that JSON readers would round. */
export function checkNumber(what: string, value: number): void {
  if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new ArcpError('INVALID_ARGUMENT', `${what}: ${value} is not a number that JSON can carry exactly`);
  }
}

/** Refuses what is no text (agents may be plain JavaScript), and text with lone surrogates. */
export function checkText(what: string, text: unknown): void {
  if (typeof text !== 'string')
    throw new ArcpError('INVALID_ARGUMENT', `${what}: a ${typeof text} is no text`);
  if (!text.isWellFormed()) {
    throw new ArcpError('INVALID_ARGUMENT', `${what}: the text has a lone surrogate, so it is not Unicode`);
  }
}

/** Refuses what is no count of milliseconds from 1. */
export function checkDuration(what: string, ms: unknown): void {
  if (Number.isSafeInteger(ms) && (ms as number) >= 1) return;
  throw new ArcpError('INVALID_ARGUMENT', `${what}: expected an integer of milliseconds from 1`);
}

/** `checkText` for what may not be empty either. */
export function checkName(what: string, name: unknown): void {
  checkText(what, name);
  if (name === '') throw new ArcpError('INVALID_ARGUMENT', `${what}: the text is empty`);
}

/** Refuses a word that is none of these. */
export function checkWord(what: string, word: unknown, words: readonly string[]): void {
  if (typeof word === 'string' && words.includes(word)) return;
  throw new ArcpError('INVALID_ARGUMENT', `${what}: expected one of ${words.join(', ')}`);
}

/** Its declared type leaves out that functions and `undefined` have no JSON. */
const stringify: (value: unknown) => string | undefined = JSON.stringify;

/**
 * Turns a value into JSON. Throws INVALID_ARGUMENT for what has no JSON form (a cycle, a BigInt, a function), and for
 * what nests deeper than `maxNesting`, which peers refuse to read.
 */
export function jsonText(value: unknown, maxNesting: number): string {
  let text: string | undefined;
  try {
    text = stringify(value);
  } catch (error) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      `not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (text === undefined) throw new ArcpError('INVALID_ARGUMENT', `not JSON: a ${typeof value}`);
  if (nestsDeeperThan(text, maxNesting)) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      `not readable for peers: it nests deeper than ${maxNesting} levels`,
    );
  }
  return text;
}

/** Refuses a payload that would not fit a frame. */
export function refuseOversize(text: string, what: string, maxBytes: number): void {
  if (text.length * 3 <= maxBytes) return;
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) {
    throw new ArcpError('RESOURCE_EXHAUSTED', `${what} of ${bytes} bytes is over the limit of ${maxBytes}`, {
      retryable: false,
    });
  }
}
