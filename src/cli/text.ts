/** Text on a terminal: how wide it is, and what of it may be shown. */

/**
 * Agents choose names and messages, so nothing of theirs reaches a terminal that it would obey: control characters
 * (C0, DEL, C1), line separators and bidirectional overrides become spaces.
 */
export function printable(text: string): string {
  let shown = '';
  for (const character of text) shown += isUnsafe(character.codePointAt(0) ?? 0) ? ' ' : character;
  return shown;
}

function isUnsafe(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    code === 0xfeff ||
    (code >= 0xd800 && code <= 0xdfff)
  );
}

/** Columns that printable text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += columnsOf(character.codePointAt(0) ?? 0);
  return width;
}

/** Cuts printable text to `columns`, with an ellipsis where something is missing. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  if (columns <= 0) return '';
  let kept = '';
  let width = 0;
  for (const character of text) {
    width += columnsOf(character.codePointAt(0) ?? 0);
    if (width > columns - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** The ranges that terminals draw two columns wide (East Asian Wide and emoji), and combining marks that take none. */
function columnsOf(code: number): number {
  if (code < 0x300) return 1;
  if (code <= 0x36f || (code >= 0xfe00 && code <= 0xfe0f)) return 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}
