/** Sessions: handshake, resume, liveness, acknowledgement and job listings (RFC 0001 §8; grafts of the Rust SDK). */
import * as z from 'zod';
import { capabilitiesSchema } from '../capabilities.js';
import { isErrorCode, type ErrorCode } from '../errors.js';
import { identityProof, nonce } from '../identity.js';
import { JOB_STATES } from '../job-state.js';
import { scheduleTime } from './execution.js';
import {
  anyObject,
  bool,
  counter,
  defaulted,
  errorFields,
  errorPayload,
  id,
  knownErrorCode,
  list,
  nonEmptyText,
  oneOf,
  optional,
  text,
  timestamp,
  withKnownCode,
} from '../scalars.js';

const client = z.object({
  kind: text,
  version: text,
  fingerprint: optional(text),
  principal: optional(text),
});

const runtime = z.object({
  kind: text,
  version: text,
  fingerprint: optional(text),
  trust_level: optional(text),
});

const auth = z.object({ scheme: nonEmptyText, token: optional(text) });

export const sessionOpen = z.object({
  auth,
  client,
  capabilities: defaulted(capabilitiesSchema, () => ({})),
  /** An addition: what the runtime is to sign, see `identity.ts`. */
  nonce: optional(nonce),
});

/** An opaque `challenge`, or a `challenge_id` with a `type` and `params`; written with all three words. */
export const sessionChallenge = z
  .object({
    challenge: optional(text),
    challenge_id: optional(text),
    type: optional(text),
    params: z.unknown().optional(),
  })
  .refine(({ challenge, challenge_id }) => challenge !== undefined || challenge_id !== undefined, {
    path: ['challenge'],
    error: 'expected a string without lone surrogates',
  })
  .transform(({ challenge, challenge_id, type, ...rest }) => ({
    ...rest,
    challenge: challenge ?? challenge_id ?? '',
    challenge_id: challenge_id ?? challenge ?? '',
    type: type ?? 'opaque',
  }));

export const sessionAuthenticate = z.object({ response: text, challenge_id: optional(text) });

export const sessionAccepted = z.object({
  session_id: id('session'),
  runtime,
  capabilities: capabilitiesSchema,
  lease: optional(z.object({ expires_at: timestamp })),
  resume_token: optional(nonEmptyText),
  /** An addition: how far the session's principal is trusted (RFC 0001 §15.6). */
  trust_level: optional(text),
  /** An addition: where the client sent a nonce. */
  identity: optional(identityProof),
});

/** `code` and `message`, or only a `reason`; written with all three. */
export const sessionUnauthenticated = z
  .object({ ...errorFields, code: optional(nonEmptyText), message: optional(text), reason: optional(text) })
  .refine(({ message, reason }) => message !== undefined || reason !== undefined, {
    path: ['message'],
    error: 'expected a string without lone surrogates',
  })
  .transform(({ code, message, reason, ...rest }) =>
    withKnownCode({
      ...rest,
      code: code ?? 'UNAUTHENTICATED',
      message: message ?? reason ?? '',
      reason: reason ?? message ?? '',
    }),
  );

export const sessionRejected = errorPayload;

/**
 * When to authenticate again: an instant (`deadline`) in one shape, milliseconds (`deadline_ms`) in the other. Neither
 * follows from the other without a clock, so whoever writes this gives both.
 */
export const sessionRefresh = z
  .object({
    deadline: optional(timestamp),
    deadline_ms: optional(counter),
    challenge: optional(text),
    reason: defaulted(text, () => 'authenticate again'),
  })
  .refine(({ deadline, deadline_ms }) => deadline !== undefined || deadline_ms !== undefined, {
    path: ['deadline'],
    error: 'expected an RFC 3339 date-time with offset, or deadline_ms',
  });

/** `code` and a free `reason`, or a `reason` that is a code and a `message`; written as the latter, with `code`. */
export const sessionEvicted = z
  .object({
    code: optional(nonEmptyText),
    reason: text,
    message: optional(text),
    allow_resume: optional(bool),
  })
  .transform(({ code, reason, message, ...rest }) => {
    const word = reason.toUpperCase();
    const evictedFor: ErrorCode = code === undefined ? knownErrorCode(word) : knownErrorCode(code);
    const said = message ?? (isErrorCode(word) ? undefined : reason);
    return {
      ...rest,
      code: evictedFor,
      reason: evictedFor,
      ...(said === undefined ? {} : { message: said }),
    };
  });

export const sessionClose = z.object({
  reason: optional(text),
  /** `cancel` ends the session's jobs; otherwise they go on (decision 21). */
  dispose_jobs: optional(oneOf(['cancel', 'detach'])),
  /** An addition: while jobs of the session run it can be resumed, as after a drop (draft-1.1 §6.7). */
  allow_resume: optional(bool),
});

export const sessionClosed = z.object({ reason: optional(text) });

/** With `auth`, an addition to the Rust SDK's shape, the session must be that principal's. `nonce` is one too. */
export const sessionResume = z.object({
  resume_token: nonEmptyText,
  last_event_seq: counter,
  auth: optional(auth),
  nonce: optional(nonce),
});

export const sessionResumed = z.object({
  session_id: id('session'),
  resume_token: nonEmptyText,
  replayed_from: counter,
  replayed: bool,
  identity: optional(identityProof),
});

export const sessionPing = z.object({ nonce: text, sent_at: timestamp });

export const sessionPong = z.object({ ping_nonce: text, received_at: timestamp });

export const sessionAck = z.object({ last_processed_seq: counter });

/** Filters take the words of draft-1.1 too. `running` and `cancelled` are words of both. */
const STATUS_WORDS = [...JOB_STATES, 'pending', 'success', 'error', 'timed_out'] as const;

export const sessionListJobs = z.object({
  filter: optional(
    z.object({
      status: optional(list(oneOf(STATUS_WORDS))),
      agent: optional(text),
      created_after: optional(timestamp),
      created_before: optional(timestamp),
      /** Whether questions of the job wait for an answer. */
      waiting: optional(bool),
    }),
  ),
  limit: optional(counter),
  cursor: optional(text),
});

/** A question that waits for an answer: the message that asks it. */
const openQuestion = z.object({
  id: id('message'),
  type: oneOf(['human.input.request', 'human.choice.request', 'permission.request']),
  payload: anyObject,
});

const jobListing = z.object({
  job_id: id('job'),
  agent: text,
  status: oneOf(JOB_STATES),
  parent_job_id: optional(id('job')),
  /** Of a job that was delegated: its delegation, the job at the top, and how far below that it is. Ours. */
  delegate_id: optional(text),
  root_job_id: optional(id('job')),
  depth: optional(counter),
  created_at: timestamp,
  trace_id: optional(nonEmptyText),
  last_event_seq: counter,
  waiting_for: optional(list(openQuestion)),
  schedule_id: optional(id('schedule')),
  /** An addition: what its worker profile says of it. */
  profile: optional(anyObject),
});

/** `next_cursor` is always there, `null` on the last page. */
export const sessionJobs = z.object({
  request_id: text,
  jobs: list(jobListing),
  next_cursor: optional(text).transform((cursor) => cursor ?? null),
});

/** `session.list_schedules` and its answer are additions: RFC 0001 §10.6 leaves open how schedules are seen again. */
export const sessionListSchedules = z.object({ limit: optional(counter), cursor: optional(text) });

export const SCHEDULE_STATES = ['active', 'done', 'cancelled'] as const;

const scheduleListing = z.object({
  schedule_id: id('schedule'),
  status: oneOf(SCHEDULE_STATES),
  /** Of the command that is given at each occurrence, and whom it asks. */
  type: text,
  agent: text,
  when: scheduleTime,
  created_at: timestamp,
  idempotency_key: optional(nonEmptyText),
  /** While it is active. */
  next_at: optional(timestamp),
  last_at: optional(timestamp),
  last_job_id: optional(id('job')),
  /** Why the last occurrence has no job. */
  last_error: optional(errorPayload),
});

export const sessionSchedules = z.object({
  request_id: text,
  schedules: list(scheduleListing),
  next_cursor: optional(text).transform((cursor) => cursor ?? null),
});
