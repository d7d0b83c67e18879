/**
 * The kinds of `job.event` (draft-1.1 §8.2) with their bodies. Further keys of a body are kept as they came.
 * A kind that is not among them belongs to a vendor, `x-vendor.<vendor>.<name>`, and receivers pass it over.
 */
import * as z from 'zod';
import {
  amount,
  anyObject,
  bool,
  counter,
  decimal,
  nonEmptyText,
  oneOf,
  optional,
  optionalValue,
  text,
  timestamp,
} from '../scalars.js';
import { LOG_LEVELS } from '../payloads/telemetry.js';
import { anyDetails, leaseConstraints, leaseMap } from './fields.js';
import type { DraftFeature } from './features.js';

const error = z.looseObject({
  code: nonEmptyText,
  message: text,
  retryable: bool,
  details: optional(anyDetails),
});

interface KindRule {
  readonly body: z.ZodType;
  /** Which both sides must have agreed on. */
  readonly feature?: DraftFeature;
}

export const EVENT_KINDS = {
  log: {
    body: z.looseObject({ level: oneOf(LOG_LEVELS), message: text, attributes: optional(anyObject) }),
  },
  thought: { body: z.looseObject({ text }) },
  tool_call: {
    body: z.looseObject({ tool: nonEmptyText, args: optional(anyObject), call_id: nonEmptyText }),
  },
  tool_result: {
    body: z
      .looseObject({ call_id: nonEmptyText, result: optionalValue, error: optional(error) })
      .refine(
        (body) => body.result === undefined || body.error === undefined,
        'expected a result or an error',
      ),
  },
  status: { body: z.looseObject({ phase: nonEmptyText, message: optional(text) }) },
  /** `dims` is `dimensions` by another name, for peers that look for it there (TypeScript SDK). */
  metric: {
    body: z.looseObject({
      name: nonEmptyText,
      value: decimal,
      unit: optional(text),
      dimensions: optional(anyObject),
      dims: optional(anyObject),
    }),
  },
  artifact_ref: {
    body: z.looseObject({
      uri: nonEmptyText,
      content_type: nonEmptyText,
      byte_size: optional(counter),
      sha256: optional(text),
    }),
  },
  delegate: {
    body: z.looseObject({
      delegate_id: nonEmptyText,
      agent: nonEmptyText,
      input: optionalValue,
      lease_request: optional(leaseMap),
      lease_constraints: optional(leaseConstraints),
    }),
  },
  progress: {
    body: z.looseObject({
      current: amount,
      total: optional(amount),
      units: optional(text),
      message: optional(text),
    }),
    feature: 'progress',
  },
  result_chunk: {
    body: z.looseObject({
      result_id: nonEmptyText,
      chunk_seq: counter,
      data: text,
      encoding: oneOf(['utf8', 'base64']),
      more: bool,
    }),
    feature: 'result_chunk',
  },
} as const satisfies Record<string, KindRule>;

export type EventKind = keyof typeof EVENT_KINDS;

export const EVENT_KIND_NAMES = Object.keys(EVENT_KINDS) as [EventKind, ...EventKind[]];

const BODIES: ReadonlyMap<string, z.ZodType> = new Map(
  Object.entries(EVENT_KINDS).map(([kind, { body }]) => [kind, body]),
);

export const jobEvent = z
  .object({ kind: nonEmptyText, ts: timestamp, body: optionalValue })
  .transform((event, ctx) => {
    const read = BODIES.get(event.kind)?.safeParse(event.body);
    if (read === undefined) return event;
    if (read.success) return { ...event, body: read.data };
    const [issue] = read.error.issues;
    if (issue !== undefined) {
      ctx.issues.push({ ...issue, path: ['body', ...issue.path], input: undefined });
    }
    return z.NEVER;
  });
