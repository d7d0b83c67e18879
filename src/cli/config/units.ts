/** Quantities as a config file writes them: a number in the limit's own unit, or text with a unit. */
import * as z from 'zod';
import { DEFAULT_LIMITS, LIMITS, type LimitName } from '../../runtime/limits.js';
import { parseDuration } from '../options.js';

const SIZES: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1_024],
  ['MiB', 1_048_576],
  ['GiB', 1_073_741_824],
]);

/** `64MiB`, in bytes. */
function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?(B|KiB|MiB|GiB)$/.exec(text);
  const unit = SIZES.get(match?.[2] ?? '');
  return match?.[1] === undefined || unit === undefined ? undefined : Math.round(Number(match[1]) * unit);
}

function durationOf(text: string): number | undefined {
  try {
    return parseDuration(text);
  } catch {
    return undefined;
  }
}

/** A schema from a reader, which gives `undefined` for what it does not take. */
export function readAs<T>(read: (value: unknown) => T | undefined, expected: string) {
  return z.unknown().transform((value, ctx): T => {
    const found = read(value);
    if (found !== undefined) return found;
    ctx.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}

/** Milliseconds. */
export const duration = readAs<number>((value) => {
  const ms = typeof value === 'string' ? durationOf(value) : value;
  return typeof ms === 'number' && Number.isSafeInteger(ms) && ms >= 0 ? ms : undefined;
}, 'a duration such as "30s", or milliseconds');

type Unit = (typeof LIMITS)[LimitName]['unit'];

const EXPECTED: Readonly<Record<Unit, string>> = {
  bytes: 'a size such as "64MiB", or bytes',
  ms: 'a duration such as "30s", or milliseconds',
  count: 'a whole number: this limit counts',
  levels: 'a whole number: this limit counts levels',
  percent: 'a whole number of percent, from 1 to 100',
};

/** The value of one limit. 0 only where that is the default, and means none. */
export function limit(name: LimitName) {
  const { unit } = LIMITS[name];
  const isNone = DEFAULT_LIMITS[name] === 0;
  return readAs<number>(
    (given) => {
      const value = typeof given === 'string' ? textOf(unit, given) : given;
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return undefined;
      if (value < (isNone ? 0 : 1) || (unit === 'percent' && value > 100)) return undefined;
      return value;
    },
    `${EXPECTED[unit]}${isNone ? '; 0 is none' : ', above 0'}`,
  );
}

function textOf(unit: Unit, text: string): number | undefined {
  switch (unit) {
    case 'bytes':
      return parseSize(text);
    case 'ms':
      return durationOf(text);
    case 'count':
    case 'levels':
    case 'percent':
      return undefined;
  }
}
