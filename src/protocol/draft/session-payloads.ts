/** Sessions in the draft: handshake, liveness, acknowledgement, listings, close (draft-1.1 §6). */
import * as z from 'zod';
import {
  bool,
  counter,
  defaulted,
  list,
  nonEmptyText,
  oneOf,
  optional,
  text,
  timestamp,
} from '../scalars.js';
import { JOB_STATES } from '../job-state.js';
import { anyDetails, leaseMap, nullable, seconds } from './fields.js';
import { DRAFT_STATUSES } from './statuses.js';

const resume = z.object({ session_id: nonEmptyText, resume_token: nonEmptyText, last_event_seq: counter });

const names = optional(list(nonEmptyText));

export const sessionHello = z.object({
  client: z.object({
    name: text,
    version: text,
    fingerprint: optional(text),
    principal: optional(text),
  }),
  auth: z.object({ scheme: defaulted(nonEmptyText, () => 'bearer'), token: optional(text) }),
  capabilities: defaulted(z.object({ encodings: names, features: names }), () => ({})),
  /** D02 §6.3; version 1.1 has `session.resume` beside it. */
  resume: optional(resume),
});

const agent = z.object({ name: nonEmptyText, versions: list(nonEmptyText), default: optional(nonEmptyText) });

/** `session_id` and `accepted_at` are for peers that look for them here (Python SDK 1.1.3). */
export const sessionWelcome = z.object({
  session_id: optional(nonEmptyText),
  runtime: z.object({ name: nonEmptyText, version: nonEmptyText, fingerprint: optional(text) }),
  resume_token: nonEmptyText,
  resume_window_sec: counter,
  heartbeat_interval_sec: optional(seconds),
  capabilities: z.object({
    encodings: list(nonEmptyText),
    features: list(nonEmptyText),
    /** Names alone for a client that does not know of versions. */
    agents: list(z.union([nonEmptyText, agent])),
  }),
  accepted_at: optional(timestamp),
});

export const sessionResume = z.object({
  session_id: optional(nonEmptyText),
  resume_token: nonEmptyText,
  last_event_seq: counter,
});

export const sessionError = z.object({
  code: nonEmptyText,
  message: text,
  retryable: optional(bool),
  details: optional(anyDetails),
});

export const sessionPing = z.object({ nonce: text, sent_at: optional(timestamp) });

export const sessionPong = z.object({ ping_nonce: text, received_at: optional(timestamp) });

export const sessionAck = z.object({ last_processed_seq: counter });

/** The native words for states are read too. */
const STATUS_WORDS = [...new Set([...DRAFT_STATUSES, ...JOB_STATES])];

export const sessionListJobs = z.object({
  filter: optional(
    z.object({
      status: optional(list(oneOf(STATUS_WORDS))),
      agent: optional(text),
      created_after: optional(timestamp),
      created_before: optional(timestamp),
    }),
  ),
  limit: optional(counter),
  cursor: optional(text),
});

/** `submitted_at` is `created_at` again, for peers that look for it there (Python SDK 1.1.3). */
const jobListing = z.object({
  job_id: nonEmptyText,
  agent: nonEmptyText,
  status: oneOf(DRAFT_STATUSES),
  lease: leaseMap,
  parent_job_id: nullable(nonEmptyText),
  created_at: timestamp,
  submitted_at: optional(timestamp),
  trace_id: optional(nonEmptyText),
  last_event_seq: counter,
});

export const sessionJobs = z.object({
  request_id: nonEmptyText,
  jobs: list(jobListing),
  next_cursor: nullable(text),
});

/** No payload is shown in draft-1.1 §6.7; the native one's reason is taken. */
export const sessionClose = z.object({ reason: optional(text) });

export const sessionClosed = z.object({ reason: optional(text) });

export const sessionBye = z.object({ reason: optional(text) });
