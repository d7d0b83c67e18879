/** How deep a JSON text nests, found without recursion and before anything is built from it (L7). */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** `[` and `{`, and `]` and `}`, are one bit apart. */
const CASE_BIT = 0x20;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Strings longer than this are skipped by searching for their end, which costs less per character and more per string. */
const SHORT_STRING = 48;

/** Whether arrays and objects nest deeper than `limit`. On text that is not JSON the answer means nothing. */
export function nestsDeeperThan(text: string, limit: number): boolean {
  const length = text.length;
  if (length <= 2 * limit || opensAtMost(text, limit)) return false;
  let depth = 0;
  for (let i = 0; i < length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i = endOfString(text, i + 1);
    } else if ((unit | CASE_BIT) === OPEN) {
      depth += 1;
      if (depth > limit) return true;
    } else if ((unit | CASE_BIT) === CLOSE) {
      depth -= 1;
    }
  }
  return false;
}

/** Whether the text has no more than `limit` opening brackets, those in strings included: the quick way out. */
function opensAtMost(text: string, limit: number): boolean {
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      count += 1;
      if (count > limit) return false;
    }
  }
  return true;
}

/** The index of the quote that ends the string whose content begins at `from`, or the text's length. */
function endOfString(text: string, from: number): number {
  const length = text.length;
  const short = Math.min(length, from + SHORT_STRING);
  let i = from;
  while (i < short) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) return i;
    i += unit === BACKSLASH ? 2 : 1;
  }
  for (;;) {
    const quote = text.indexOf('"', i);
    if (quote < 0) return length;
    let escapes = quote;
    while (escapes > i && text.charCodeAt(escapes - 1) === BACKSLASH) escapes -= 1;
    if ((quote - escapes) % 2 === 0) return quote;
    i = quote + 1;
  }
}
