/**
 * RFC 3339 timestamps, which always have an offset here, checked against the calendar.
 * A leap second (`:60`) is not taken: JavaScript's clocks have no name for it.
 * Read by hand and not by a regular expression, since every frame has one.
 */

/** Digits of a fraction of a second, at most. */
const MAX_FRACTION = 18;

const ZERO = 0x30;

/** Whether `text` is an RFC 3339 date-time with its offset. */
export function isTimestamp(text: string): boolean {
  return parseTimestamp(text) !== undefined;
}

/** Milliseconds since 1970-01-01T00:00:00Z, what is finer cut off; `undefined` where the text is no timestamp. */
export function parseTimestamp(text: string): number | undefined {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return undefined;
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':') return undefined;
  if (text[10] !== 'T' && text[10] !== 't') return undefined;

  let at = 19;
  if (text[at] === '.') {
    at += 1;
    while (isDigit(text.charCodeAt(at))) at += 1;
    if (at === 20 || at > 20 + MAX_FRACTION) return undefined;
  }
  const offset = offsetMinutes(text, at);
  if (offset === undefined) return undefined;

  const minutes = (daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute - offset;
  return (minutes * 60 + second) * 1_000 + fractionMilliseconds(text);
}

/** Minutes east of UTC of the offset that the rest of the text is. */
function offsetMinutes(text: string, at: number): number | undefined {
  const sign = text[at];
  if (sign === 'Z' || sign === 'z') return text.length === at + 1 ? 0 : undefined;
  if ((sign !== '+' && sign !== '-') || text.length !== at + 6 || text[at + 3] !== ':') return undefined;
  const hours = digits(text, at + 1, 2);
  const minutes = digits(text, at + 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  const offset = hours * 60 + minutes;
  return sign === '-' ? -offset : offset;
}

function fractionMilliseconds(text: string): number {
  if (text[19] !== '.') return 0;
  let value = 0;
  let ended = false;
  for (let i = 20; i < 23; i += 1) {
    const code = text.charCodeAt(i);
    ended ||= !isDigit(code);
    value = value * 10 + (ended ? 0 : code - ZERO);
  }
  return value;
}

/** The number that `count` digits from `at` make, or -1. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i += 1) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return -1;
    value = value * 10 + code - ZERO;
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar, with years that begin in March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leapDays + dayOfYear - 719_468;
}
