/**
 * Exact decimal amounts, for money and everything else that budgets count (decision 15).
 * Text is `digits[.digits]`, 1 to 18 digits on either side, without sign or exponent.
 * A value is a bigint in units of 10^-18, so that sums and differences are exact.
 */
import { ArcpError } from './errors.js';

/** An amount in units of 10^-18. */
export type Amount = bigint;

export const AMOUNT_DIGITS = 18;
/** One, as an `Amount`. */
export const AMOUNT_UNIT: Amount = 10n ** BigInt(AMOUNT_DIGITS);

/** The largest amount that text can stand for. */
export const MAX_AMOUNT: Amount = AMOUNT_UNIT * AMOUNT_UNIT - 1n;

const AMOUNT = /^(\d{1,18})(?:\.(\d{1,18}))?$/;

function malformed(text: string): ArcpError {
  const shown = text.length <= 64 ? text : `${text.slice(0, 64)}…`;
  return new ArcpError(
    'INVALID_ARGUMENT',
    `not an amount: ${JSON.stringify(shown)}; expected digits[.digits], at most ${AMOUNT_DIGITS} on either side`,
  );
}

/**
 * The amount that decimal text stands for.
 * @throws ArcpError INVALID_ARGUMENT
 */
export function parseAmount(text: string): Amount {
  const match = AMOUNT.exec(text);
  if (match === null) throw malformed(text);
  const [, whole = '', fraction = ''] = match;
  return BigInt(whole) * AMOUNT_UNIT + BigInt(fraction.padEnd(AMOUNT_DIGITS, '0'));
}

/** The shortest decimal text of the amount; the remainder of an overdrawn budget has a minus sign. */
export function formatAmount(amount: Amount): string {
  if (amount < 0n) return `-${formatAmount(-amount)}`;
  const digits = amount.toString().padStart(AMOUNT_DIGITS + 1, '0');
  const whole = digits.slice(0, -AMOUNT_DIGITS);
  let end = AMOUNT_DIGITS;
  while (end > 0 && digits.charCodeAt(whole.length + end - 1) === 0x30) end--;
  return end === 0 ? whole : `${whole}.${digits.slice(whole.length, whole.length + end)}`;
}

/**
 * The decimal text of a JSON number: the shortest that reads back as the same number, which is what was written for
 * every number of up to 15 significant digits. An exponent is written out.
 * @throws ArcpError INVALID_ARGUMENT where the number is negative, not finite, or needs more digits than an amount has.
 */
export function amountFromNumber(value: number): string {
  const [mantissa = '', exponent = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const shift = Number(exponent);
  if (!(value >= 0 && value < 1e18) || shift < -AMOUNT_DIGITS) throw malformed(String(value));
  const text = shift === 0 ? mantissa : `0.${'0'.repeat(-shift - 1)}${whole}${fraction}`;
  parseAmount(text);
  return text;
}
