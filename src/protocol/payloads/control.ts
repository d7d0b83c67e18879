/** Control: liveness, acknowledgement, cancel, interrupt, resume, backpressure, checkpoints (RFC 0001 §6.3, §10.4, §10.5). */
import * as z from 'zod';
import {
  bool,
  counter,
  counter32,
  defaulted,
  errorFields,
  nonEmptyText,
  oneOf,
  optional,
  optionalValue,
  text,
  timestamp,
  withKnownCode,
} from '../scalars.js';

/** What `ack`, `nack` and `pong` may name as the message they answer, beside the envelope's `correlation_id`. */
const answered = { ack_for: optional(text), received_at: optional(timestamp) };

export const ping = z.object({ nonce: optional(text) });

export const pong = z.object({ nonce: optional(text), ...answered });

/** `checkpoint_id` and `schedule_id` are additions: what the command that is answered has made. */
export const ack = z.object({
  note: optional(text),
  checkpoint_id: optional(nonEmptyText),
  schedule_id: optional(nonEmptyText),
  /** Between a runtime and an agent that dialled in: this message, and whatever was sent before it, has arrived. */
  received_up_to: optional(nonEmptyText),
  ...answered,
});

export const nack = z.object({ ...errorFields, ack_for: optional(text) }).transform(withKnownCode);

const target = oneOf(['job', 'stream', 'session']);

/** `schedule` is an addition: the occurrences of a schedule that are yet to come. */
const cancelTarget = oneOf(['job', 'stream', 'session', 'schedule']);

/** `target_id` is any text: what does not exist is refused by `cancel.refused`, not by the schema (decision 8). */
export const cancel = z.object({
  target: cancelTarget,
  target_id: nonEmptyText,
  reason: optional(text),
  deadline_ms: optional(counter),
});

export const cancelAccepted = z.object({ target: optional(cancelTarget), target_id: optional(text) });

export const cancelRefused = z.object({ target: optional(cancelTarget), target_id: text, reason: text });

export const interrupt = z.object({
  target,
  target_id: nonEmptyText,
  prompt: defaulted(text, () => ''),
});

export const resume = z.object({
  after_message_id: optional(nonEmptyText),
  checkpoint_id: optional(nonEmptyText),
  include_open_streams: defaulted(bool, () => false),
});

export const backpressure = z.object({
  desired_rate_per_second: optional(counter32),
  buffer_remaining_bytes: optional(counter),
  reason: optional(text),
});

export const checkpointCreate = z.object({ checkpoint_id: optional(nonEmptyText), snapshot: optionalValue });

export const checkpointRestore = z.object({ checkpoint_id: nonEmptyText });
