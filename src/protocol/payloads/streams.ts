/** Streams (RFC 0001 §11). */
import * as z from 'zod';
import {
  bool,
  counter,
  defaulted,
  errorPayload,
  firstPresent,
  id,
  optional,
  optionalValue,
  text,
} from '../scalars.js';

export const STREAM_KINDS = ['text', 'binary', 'event', 'log', 'metric', 'thought'] as const;
export type StreamKind = (typeof STREAM_KINDS)[number];

function knownKind(kind: string): StreamKind {
  return STREAM_KINDS.find((known) => known === kind) ?? 'event';
}

/** A kind that is not known is an `event` (RFC 0001 §11). */
export const streamOpen = z.object({
  kind: text.transform(knownKind),
  content_type: optional(text),
  encoding: optional(text),
  related_job_id: optional(id('job')),
});

/**
 * What the chunk carries is `data` in one shape, and in the other a field named after the stream's kind. Written with
 * `data` always, beside the kind's own field where that is known.
 */
export const streamChunk = z
  .object({
    sequence: counter,
    data: optionalValue,
    event: optionalValue,
    log: optionalValue,
    metric: optionalValue,
    content: optionalValue,
    role: optional(text),
    content_type: optional(text),
    sha256: optional(text),
    redacted: defaulted(bool, () => false),
  })
  .transform(({ data, content, ...rest }, ctx): Chunk<typeof rest> => {
    const blank = rest.redacted ? '' : undefined;
    const carried = firstPresent(data, content, rest.event, rest.log, rest.metric, blank);
    if (carried === undefined) {
      ctx.issues.push({ code: 'custom', path: ['data'], message: 'expected a value', input: undefined });
      return z.NEVER;
    }
    const spoken = firstPresent(content, rest.role === undefined ? undefined : carried);
    return { ...rest, data: carried, ...(spoken === undefined ? {} : { content: spoken }) };
  });

type Chunk<Rest> = Rest & { data: unknown; content?: unknown };

export const streamClose = z.object({
  final_sequence: optional(counter),
  total_chunks: optional(counter),
  reason: optional(text),
});

export const streamError = errorPayload;
