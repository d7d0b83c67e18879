/**
 * The answers of the runtime in the draft's words. They belong to one connection and carry no number.
 *
 * (P1) A refused command is answered with `session.error`, which names the frame in `details.request_id`. A refused
 *      submission is not: it becomes an event of the session, see `draft.ts`.
 * (P2) A cancel that comes too late is taken like any other: the job has ended, as its client wished.
 * (P3) The draft knows no second authentication within a connection: one that is asked for it ends, and its session is
 *      resumed by a `session.hello` with the new token.
 */
import { toDraftError } from '../../protocol/draft/errors.js';
import type { DraftMessageType, DraftPayload } from '../../protocol/draft/messages.js';
import { draftStatus } from '../../protocol/draft/statuses.js';
import type { ErrorCode, ErrorPayload } from '../../protocol/errors.js';
import type { MessageType } from '../../protocol/messages.js';
import type { JsonObject } from '../../protocol/scalars.js';
import type { Engine } from '../../runtime/engine.js';
import type { Reply } from '../../runtime/peer.js';
import { amountsOf, draftLease } from './authority.js';
import { fromMessageId } from './message-ids.js';
import { draftTraceId } from './trace-ids.js';
import { welcome } from './welcome.js';

export interface DraftReply<T extends DraftMessageType = DraftMessageType> {
  readonly type: T;
  readonly payload: DraftPayload<T>;
  readonly jobId?: string | undefined;
  readonly traceId?: string | undefined;
  /** Whether the connection ends with it (draft-02 §6.1, §6.3). */
  readonly isLast?: boolean;
}

export interface ReplyContext {
  readonly engine: Engine;
  readonly features: readonly string[];
}

/** Nothing where the draft has no such answer. */
export function draftReply(reply: Reply, context: ReplyContext): DraftReply | undefined {
  return (REPLIES.get(reply.type) as Render<MessageType> | undefined)?.(reply, context);
}

type Render<T extends MessageType> = (reply: Reply<T>, context: ReplyContext) => DraftReply | undefined;

/** The id of the draft's frame that is answered. */
function requestOf({ correlationId }: Reply): string | undefined {
  return correlationId === undefined ? undefined : fromMessageId(correlationId);
}

function sessionError(
  reply: Reply,
  { code, message, retryable, details }: ErrorPayload,
  isLast: boolean,
): DraftReply {
  const request = requestOf(reply);
  const { jobId } = reply.refused ?? {};
  const more: JsonObject = {
    ...(request === undefined ? {} : { request_id: request }),
    ...(jobId === undefined ? {} : { job_id: jobId }),
  };
  return {
    type: 'session.error',
    payload: toDraftError({ code, message, retryable, details }, more),
    isLast,
  };
}

const welcomed: Render<'session.accepted' | 'session.resumed'> = (reply, { engine, features }) => {
  const { session_id: sessionId, resume_token: token = '' } = reply.payload;
  return { type: 'session.welcome', payload: welcome(engine, sessionId, token, features) };
};

const rejected: Render<'session.rejected' | 'session.unauthenticated'> = (reply) =>
  sessionError(reply, reply.payload, true);

/** A challenge is for those who can answer it: here that is nobody. */
const challenged: Render<'session.challenge'> = (reply) => {
  const message = 'that credential is to be proven by an answer, which this dialect has no message for';
  return sessionError(reply, { code: 'UNAUTHENTICATED', message }, true);
};

const pong: Render<'session.pong'> = ({ payload }) => ({ type: 'session.pong', payload });

const jobs: Render<'session.jobs'> = (reply, { engine }) => {
  const { jobs: listed, next_cursor } = reply.payload;
  const payload: DraftPayload<'session.jobs'> = {
    request_id: requestOf(reply) ?? '',
    jobs: listed.map(({ job_id, agent, status, parent_job_id, created_at, trace_id, last_event_seq }) => {
      const job = engine.jobs.find(job_id);
      return {
        job_id,
        agent,
        status: draftStatus(status, job?.shownFailure),
        lease: draftLease(job?.origin.lease).lease,
        parent_job_id: parent_job_id ?? null,
        created_at,
        submitted_at: created_at,
        trace_id: trace_id === undefined ? undefined : draftTraceId(trace_id),
        last_event_seq,
      };
    }),
    next_cursor,
  };
  return { type: 'session.jobs', payload };
};

/** The descriptor says what the job may do, and what is left of its budget. Credentials are for its submitter. */
const subscribed: Render<'job.subscribed'> = (reply, { engine }) => {
  const { job_id, current_status, agent, parent_job_id, trace_id, subscribed_from, replayed } = reply.payload;
  const job = engine.jobs.find(job_id);
  const { lease } = draftLease(job?.origin.lease);
  const expiresAt = job?.origin.bounds.expiresAt;
  const left = job?.origin.budget.remainders();
  const traceId = trace_id === undefined ? undefined : draftTraceId(trace_id);
  return {
    type: 'job.subscribed',
    jobId: job_id,
    traceId,
    payload: {
      request_id: requestOf(reply),
      job_id,
      current_status: draftStatus(current_status, job?.shownFailure),
      agent,
      lease,
      ...(expiresAt === undefined
        ? {}
        : { lease_constraints: { expires_at: new Date(expiresAt).toISOString() } }),
      ...(left === undefined || left.size === 0 ? {} : { budget: amountsOf(left) }),
      parent_job_id: parent_job_id ?? null,
      trace_id: traceId,
      subscribed_from,
      replayed,
    },
  };
};

const cancelTaken: Render<'cancel.accepted'> = (reply) => ({
  type: 'job.cancelled',
  jobId: reply.payload.target_id,
  payload: { request_id: requestOf(reply) },
});

/** (P2) */
const cancelRefused: Render<'cancel.refused'> = (reply) => {
  const { target_id: jobId, reason } = reply.payload;
  const code = CANCEL_REFUSALS.get(reason);
  if (code === undefined) {
    return { type: 'job.cancelled', jobId, payload: { request_id: requestOf(reply), reason } };
  }
  const message = code === 'NOT_FOUND' ? 'there is no such job' : 'the job belongs to another principal';
  return sessionError(
    { ...reply, refused: { type: 'cancel' } },
    { code, message, details: { job_id: jobId } },
    false,
  );
};

const CANCEL_REFUSALS: ReadonlyMap<string, ErrorCode> = new Map([
  ['not_found', 'NOT_FOUND'],
  ['permission_denied', 'PERMISSION_DENIED'],
]);

const nacked: Render<'nack'> = (reply) => sessionError(reply, reply.payload, false);

const closed: Render<'session.closed'> = () => ({ type: 'session.closed', payload: {} });

/** Who is not let in any more is told so like somebody who is not let in. */
const evicted: Render<'session.evicted'> = (reply) => {
  const { code, reason, message = reason } = reply.payload;
  if (code === 'UNAUTHENTICATED') return sessionError(reply, { code, message }, true);
  return { type: 'session.bye', payload: { reason: message } };
};

/** (P3) */
const refresh: Render<'session.refresh'> = (reply) => {
  const message = `${reply.payload.reason}: resume the session with the new one`;
  return sessionError(reply, { code: 'UNAUTHENTICATED', message }, true);
};

const REPLIES: ReadonlyMap<MessageType, Render<never>> = new Map<MessageType, Render<never>>([
  ['session.accepted', welcomed],
  ['session.resumed', welcomed],
  ['session.rejected', rejected],
  ['session.unauthenticated', rejected],
  ['session.challenge', challenged],
  ['session.pong', pong],
  ['session.jobs', jobs],
  ['session.closed', closed],
  ['session.evicted', evicted],
  ['session.refresh', refresh],
  ['job.subscribed', subscribed],
  ['cancel.accepted', cancelTaken],
  ['cancel.refused', cancelRefused],
  ['nack', nacked],
]);
