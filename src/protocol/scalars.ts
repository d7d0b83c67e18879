/**
 * The building blocks of payload schemas.
 *
 * (V1) A typed field holds what every JSON implementation can hold alike: well-formed text, integers within ±(2^53 − 1),
 *      and decimals no larger than that (every double beyond is an integer that may have been rounded). Decision 25.
 * (V2) A free value (`arguments`, `value`, `data`, `details`, …) is taken as JSON gave it, by reference: an own key
 *      `__proto__` and numbers of any size included.
 * (V3) `null` in an optional typed field means absent, as serde reads `Option` (execution.rs).
 */
import * as z from 'zod';
import { isErrorCode, type ErrorCode } from './errors.js';
import { ID_PREFIXES, isId, type Id, type IdKind } from './ids.js';
import { isTimestamp } from './timestamp.js';

const MAX_EXACT = Number.MAX_SAFE_INTEGER;

/** Text without lone surrogates. */
export const text = z.custom<string>(
  (value) => typeof value === 'string' && value.isWellFormed(),
  'expected a string without lone surrogates',
);

export const nonEmptyText = z.custom<string>(
  (value) => typeof value === 'string' && value !== '' && value.isWellFormed(),
  'expected a non-empty string without lone surrogates',
);

export const bool = z.custom<boolean>((value) => typeof value === 'boolean', 'expected true or false');

/** 0 to 2^53 − 1. */
export const counter = z.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  'expected an integer from 0 to 9007199254740991',
);

/** 0 to 2^32 − 1, for the fields that are u32 elsewhere. */
export const counter32 = z.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff,
  'expected an integer from 0 to 4294967295',
);

/** A finite number that a double holds without rounding an integer away. */
export const decimal = z.custom<number>(
  (value) => isExact(value),
  'expected a number between -9007199254740991 and 9007199254740991',
);

/** 0 to 2^53 − 1, fractions allowed. */
export const amount = z.custom<number>(
  (value) => isExact(value) && value >= 0,
  'expected a number from 0 to 9007199254740991',
);

/** More than 0, to 2^53 − 1, fractions allowed. */
export const interval = z.custom<number>(
  (value) => isExact(value) && value > 0,
  'expected a number above 0, to 9007199254740991',
);

export const percentage = z.custom<number>(
  (value) => isExact(value) && value >= 0 && value <= 100,
  'expected a number from 0 to 100',
);

function isExact(value: unknown): value is number {
  return typeof value === 'number' && value >= -MAX_EXACT && value <= MAX_EXACT;
}

/** RFC 3339 date-time with its offset, kept as written. */
export const timestamp = z.custom<string>(
  (value) => typeof value === 'string' && isTimestamp(value),
  'expected an RFC 3339 date-time with offset',
);

/** An id with the prefix of its kind. */
export function id<Kind extends IdKind>(kind: Kind) {
  return z.custom<Id<Kind>>(
    (value) => typeof value === 'string' && isId(kind, value) && value.isWellFormed(),
    `expected an id that begins with ${ID_PREFIXES[kind]}_`,
  );
}

/** Exactly one of the listed words. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  const known = new Set<unknown>(words);
  return z.custom<Words[number]>((value) => known.has(value), `expected one of ${words.join(', ')}`);
}

/** A free value that must be there; `null` is a value. */
export const anyValue = z.custom<unknown>((value) => value !== undefined, 'expected a value');

/** A free value that may be missing. */
export const optionalValue = z.unknown().optional();

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether the value is an object in the sense of JSON: neither `null` nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A free object, its content unchecked. */
export const anyObject = z.custom<JsonObject>(isJsonObject, 'expected an object');

/**
 * A list of `element`s. It is left at its first fault: a frame has room for a million of them, and each would be an
 * object of its own (L7).
 */
export function list<Value>(element: z.ZodType<Value>) {
  return z.custom<readonly unknown[]>(Array.isArray, 'expected an array').transform((items, ctx): Value[] => {
    const read: Value[] = [];
    for (const [index, item] of items.entries()) {
      const result = element.safeParse(item);
      if (!result.success) {
        const [issue] = result.error.issues;
        if (issue !== undefined) {
          ctx.issues.push({ ...issue, path: [index, ...issue.path], input: undefined });
        }
        return z.NEVER;
      }
      read.push(result.data);
    }
    return read;
  });
}

/** The first of several free values that is there at all; `null` is there. */
export function firstPresent(...values: readonly unknown[]): unknown {
  return values.find((value) => value !== undefined);
}

const absent = z.null().transform(() => undefined);

/** A typed field that may be missing or `null` (V3). */
export function optional<Schema extends z.ZodType>(schema: Schema) {
  return z.union([schema, absent]).optional();
}

/** A typed field that stands for `value()` when it is missing or `null`. */
export function defaulted<Value>(schema: z.ZodType<Value>, value: () => NoInfer<Value>) {
  return optional(schema).transform((given) => given ?? value());
}

/** What stands for a code that the table does not know: the codes of other deployments, for example. */
const CODE_ALIASES = new Map<string, ErrorCode>([
  ['RATE_LIMITED', 'RESOURCE_EXHAUSTED'],
  ['INTERNAL_ERROR', 'INTERNAL'],
]);

/** The table's code for a code from the wire: itself, what it is an alias of, or `UNKNOWN`. */
export function knownErrorCode(code: string): ErrorCode {
  return isErrorCode(code) ? code : (CODE_ALIASES.get(code) ?? 'UNKNOWN');
}

/** The fields of an error (RFC 0001 §18.1), to be finished by `withKnownCode`. */
export const errorFields = {
  code: nonEmptyText,
  message: text,
  retryable: optional(bool),
  details: optionalValue,
  cause: optionalValue,
  trace_id: optional(nonEmptyText),
  /** The code as its sender gave it, where the table does not know it. */
  peer_code: optional(nonEmptyText),
};

/** Replaces a code that the table does not know by `UNKNOWN`, and keeps the sender's word in `peer_code`. */
export function withKnownCode<Fields extends { code: string; peer_code?: string | undefined }>(
  fields: Fields,
): Omit<Fields, 'code'> & { code: ErrorCode } {
  const code = knownErrorCode(fields.code);
  if (code === fields.code || code !== 'UNKNOWN') return { ...fields, code };
  return { ...fields, code, peer_code: fields.peer_code ?? fields.code };
}

/** An error payload; extend with `errorFields` where a message carries more than the error. */
export const errorPayload = z.object(errorFields).transform(withKnownCode);
