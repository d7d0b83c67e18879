/** Events, logs, metrics and spans (RFC 0001 §17). */
import * as z from 'zod';
import {
  amount,
  anyObject,
  decimal,
  defaulted,
  nonEmptyText,
  oneOf,
  optional,
  optionalValue,
  text,
  timestamp,
} from '../scalars.js';

/** `data` in one shape, `attrs` in the other; written as `data`. */
export const eventEmit = z
  .object({ name: nonEmptyText, data: optionalValue, attrs: optionalValue })
  .transform(({ attrs, ...rest }): typeof rest =>
    rest.data === undefined && attrs !== undefined ? { ...rest, data: attrs } : rest,
  );

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const;

export const log = z.object({ level: oneOf(LOG_LEVELS), message: text, attributes: optional(anyObject) });

export const metric = z.object({
  name: nonEmptyText,
  value: decimal,
  /** A currency where money is meant; empty where there is none. */
  unit: defaulted(text, () => ''),
  dims: optional(anyObject),
  /** Money as an exact decimal, beside the `value` that rounds it. */
  amount: optional(text),
});

/** `end_time` in one shape, `duration_ms` and `status` in the other; written with `end_time`. */
export const traceSpan = z
  .object({
    name: nonEmptyText,
    trace_id: nonEmptyText,
    span_id: nonEmptyText,
    parent_span_id: optional(nonEmptyText),
    start_time: timestamp,
    end_time: optional(timestamp),
    duration_ms: optional(amount),
    status: optional(text),
    attributes: optional(anyObject),
  })
  .transform(({ end_time, ...rest }) => ({
    ...rest,
    end_time: end_time ?? after(rest.start_time, rest.duration_ms ?? 0),
  }));

/** The first and the last instant that RFC 3339 can write, in milliseconds. */
const FIRST_INSTANT = Date.parse('0000-01-01T00:00:00Z');
const LAST_INSTANT = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** The instant `ms` after `start`; `start` itself where there is none that RFC 3339 can write. */
function after(start: string, ms: number): string {
  const end = Date.parse(start) + ms;
  return end >= FIRST_INSTANT && end <= LAST_INSTANT ? new Date(end).toISOString() : start;
}
