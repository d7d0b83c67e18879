/** Jobs in the draft: submission, cancellation, subscription, and how jobs end (draft-1.1 §7, §8.4). */
import * as z from 'zod';
import {
  bool,
  counter,
  defaulted,
  list,
  nonEmptyText,
  oneOf,
  optional,
  optionalValue,
  text,
  timestamp,
} from '../scalars.js';
import { amounts, anyDetails, leaseConstraints, leaseMap, nullable, seconds } from './fields.js';
import { DRAFT_STATUSES } from './statuses.js';

/** Longest idempotency key, in UTF-16 units. */
const MAX_KEY_LENGTH = 256;

const key = z.custom<string>(
  (value) =>
    typeof value === 'string' && value !== '' && value.length <= MAX_KEY_LENGTH && value.isWellFormed(),
  `expected a non-empty string of at most ${MAX_KEY_LENGTH} characters, without lone surrogates`,
);

/** `parent_job_id` and `delegate_id` make it a child of a job that runs (Python SDK 1.1.3). */
export const jobSubmit = z.object({
  agent: text,
  input: optionalValue,
  lease_request: optional(leaseMap),
  lease_constraints: optional(leaseConstraints),
  idempotency_key: optional(key),
  max_runtime_sec: optional(seconds),
  parent_job_id: optional(nonEmptyText),
  delegate_id: optional(nonEmptyText),
});

const credential = z.object({
  id: text,
  scheme: text,
  value: text,
  endpoint: text,
  profile: optional(text),
  constraints: optionalValue,
});

/** What a job may do, as far as whoever reads this may know. */
const authority = {
  lease: leaseMap,
  lease_constraints: optional(leaseConstraints),
  budget: optional(amounts),
  credentials: optional(list(credential)),
};

/** `request_id` is the id of the `job.submit` that is answered: an addition, which older peers pass over. */
export const jobAccepted = z.object({
  request_id: optional(nonEmptyText),
  job_id: nonEmptyText,
  agent: optional(nonEmptyText),
  ...authority,
  parent_job_id: optional(nonEmptyText),
  delegate_id: optional(nonEmptyText),
  trace_id: optional(nonEmptyText),
  accepted_at: timestamp,
});

/** The job is named in the envelope (D02 §7.4); by some in the payload. */
export const jobCancel = z.object({ reason: optional(text), job_id: optional(nonEmptyText) });

/** The cancel is taken; the job's end follows as `job.error`. */
export const jobCancelled = z.object({ request_id: optional(nonEmptyText), reason: optional(text) });

/** `result` where the result is inline, `result_id` where it was streamed: never both. */
export const jobResult = z.object({
  final_status: oneOf(['success']),
  result: optionalValue,
  result_id: optional(nonEmptyText),
  result_size: optional(counter),
  summary: optional(text),
  completed_at: optional(timestamp),
});

export const jobError = z.object({
  final_status: oneOf(['error', 'cancelled', 'timed_out']),
  code: nonEmptyText,
  message: text,
  retryable: bool,
  details: optional(anyDetails),
  completed_at: optional(timestamp),
});

export const jobSubscribe = z.object({
  job_id: nonEmptyText,
  from_event_seq: optional(counter),
  history: defaulted(bool, () => false),
});

export const jobSubscribed = z.object({
  request_id: optional(nonEmptyText),
  job_id: nonEmptyText,
  current_status: oneOf(DRAFT_STATUSES),
  agent: nonEmptyText,
  ...authority,
  parent_job_id: nullable(nonEmptyText),
  trace_id: optional(nonEmptyText),
  subscribed_from: counter,
  replayed: bool,
});

export const jobUnsubscribe = z.object({ job_id: nonEmptyText });
