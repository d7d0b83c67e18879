/** The building blocks of the draft's payload schemas, beside those that it shares with the native ones (`scalars.ts`). */
import * as z from 'zod';
import { isJsonObject, list, nonEmptyText, optional, type JsonObject } from '../scalars.js';
import { isTimestamp } from '../timestamp.js';

/** From 1 to the largest number of seconds that is exact in milliseconds. */
export const seconds = z.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_SECONDS,
  'expected an integer from 1 to 9007199254740',
);
const MAX_SECONDS = Math.floor(Number.MAX_SAFE_INTEGER / 1000);

/** RFC 3339 in UTC (draft-1.1 §9.5). */
export const utcTimestamp = z.custom<string>(
  (value) => typeof value === 'string' && isTimestamp(value) && /(?:[Zz]|[+-]00:00)$/.test(value),
  'expected an RFC 3339 date-time in UTC, with Z',
);

/** Capabilities with their patterns: a lease as it is asked for, and as it is granted. */
export const leaseMap = z
  .custom<JsonObject>(isJsonObject, 'expected an object')
  .transform((given, ctx): Readonly<Record<string, readonly string[]>> => {
    for (const [capability, patterns] of Object.entries(given)) {
      if (patterns === null || PATTERNS.safeParse(patterns).success) continue;
      ctx.issues.push({
        code: 'custom',
        path: [capability],
        message: 'expected a list of non-empty strings',
        input: undefined,
      });
      return z.NEVER;
    }
    return given as Readonly<Record<string, readonly string[]>>;
  });
const PATTERNS = list(nonEmptyText);

export const leaseConstraints = z.object({ expires_at: optional(utcTimestamp) });

/** By currency. */
export const amounts = z.custom<Readonly<Record<string, number>>>(
  (value) => isJsonObject(value) && Object.values(value).every((amount) => typeof amount === 'number'),
  'expected numbers by currency',
);

/** `null` stays `null`: some fields say so that there is nothing. */
export function nullable<Schema extends z.ZodType>(schema: Schema) {
  return z.union([schema, z.null()]).optional();
}

/** Values that are carried on as they are. */
export const anyDetails = z.custom<JsonObject>(isJsonObject, 'expected an object');
