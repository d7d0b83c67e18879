/**
 * Jobs that an agent delegates. `agent.delegate` is answered by the child's `job.accepted`, or by `nack`, and later by the
 * child's end: both with the child's id as `job_id` and the delegation's as `correlation_id` (decisions 4 and 5). What a
 * child streamed of its result is sent when it is asked for, by `job.subscribe` after its end, as base64; its events are
 * sent page by page, by `job.subscribe` with a `limit`, as `subscribe.event`.
 *
 * (C1) Only children of this job can be asked for: whatever else is named is NOT_FOUND.
 * (C2) A page is read from the store when it is asked for, and no faster than the way takes it: an agent that asks for none
 *      costs nothing, one that reads slowly holds one page.
 * (C3) Ended children are remembered until the agent has no more use for them (`job.unsubscribe`), but no more than
 *      `MAX_ENDED` of them (L7).
 */
import type { Envelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { JobId } from '../../protocol/ids.js';
import type { JobEvent } from '../../protocol/job-event.js';
import { ResultChunker } from '../../protocol/result-chunks.js';
import { isJsonObject, knownErrorCode } from '../../protocol/scalars.js';
import type { ChildJob, ChildOutcome, DelegateOptions, StreamedResult } from '../agent.js';
import type { JobConversation } from './conversation.js';

interface Child {
  readonly job: ChildJob;
  readonly target: string;
  /** What it streamed, once it has completed. */
  result: StreamedResult | undefined;
  hasEnded: boolean;
  /** Where the last page of its events ended. */
  cursor: Cursor | undefined;
}

interface Cursor {
  readonly steps: AsyncIterator<JobEvent, undefined>;
  /** The number of the event that comes next, from 1. */
  next: number;
}

const PIECE_BYTES = 262_144;
/** Ended children of one job that are remembered; the oldest are forgotten first. */
const MAX_ENDED = 1_024;

export class RemoteChildren {
  readonly #children = new Map<string, Child>();
  /** Those that have ended, the oldest first. */
  readonly #ended = new Set<Child>();
  #waiting = 0;
  #changed: () => void = () => undefined;

  /** Whether there are delegations of which the agent has not heard the end. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Calls `changed` when `isWaiting` may have changed. */
  watch(changed: () => void): void {
    this.#changed = changed;
  }

  delegate(job: JobConversation, envelope: Envelope<'agent.delegate'>): void {
    const { id, payload } = envelope;
    const options = optionsOf(envelope);
    this.#wait(1);
    try {
      job.act(envelope, {
        kind: 'long',
        work: () => job.ctx.delegate(payload.target, options),
        done: (child) => {
          const jobId = child.jobId as JobId;
          const known: Child = {
            job: child,
            target: payload.target,
            result: undefined,
            hasEnded: false,
            cursor: undefined,
          };
          this.#children.set(child.jobId, known);
          const accepted = { job_id: jobId, parent_job_id: job.jobId, agent: payload.target };
          job.say('job.accepted', accepted, { jobId, correlationId: id });
          void child.outcome.then((outcome) => {
            this.#wait(-1);
            this.#noteEnd(known, outcome);
            if (!job.isOver) tellEnd(job, envelope, jobId, outcome);
          });
        },
        refused: (error) => {
          this.#wait(-1);
          job.nack(envelope, error);
        },
      });
    } catch (error) {
      this.#wait(-1);
      throw error;
    }
  }

  /** Whether this was a child of the agent's that had not ended. */
  cancel(jobId: string, reason: string | undefined): 'accepted' | 'already_terminal' | 'not_found' {
    const child = this.#children.get(jobId);
    if (child === undefined) return 'not_found';
    if (child.hasEnded) return 'already_terminal';
    child.job.cancel(reason);
    return 'accepted';
  }

  /** Sends what a child streamed: once, since it is let go of then. */
  sendResult(job: JobConversation, envelope: Envelope<'job.subscribe'>): void {
    const { job_id: jobId } = envelope.payload;
    const child = this.#children.get(jobId);
    if (child?.result === undefined) {
      const message = `${jobId} is no child of this job that has completed with a streamed result`;
      throw new ArcpError('NOT_FOUND', message);
    }
    const { result, target } = child;
    job.act(envelope, {
      kind: 'long',
      work: async () => {
        const bytes = await result.bytes();
        const correlationId = envelope.id;
        const subscribed = { job_id: jobId, current_status: 'completed', agent: target } as const;
        job.say('job.subscribed', { ...subscribed, subscribed_from: 0, replayed: true }, { correlationId });
        const chunker = new ResultChunker({
          resultId: result.resultId,
          encoding: 'base64',
          maxChunkBytes: PIECE_BYTES,
        });
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          for (const chunk of chunker.write(bytes.subarray(at, at + PIECE_BYTES))) {
            await job.link.ready();
            if (job.isOver) return;
            job.say('job.result_chunk', chunk, { jobId, correlationId });
          }
        }
        for (const chunk of chunker.end()) job.say('job.result_chunk', chunk, { jobId, correlationId });
      },
      done: () => undefined,
    });
  }

  /** Sends a page of a child's events: as many as are asked for, as they are committed, or all up to its end (C2). */
  sendEvents(job: JobConversation, envelope: Envelope<'job.subscribe'>): void {
    const { job_id: jobId, from_event_seq: from = 1, limit = 1 } = envelope.payload;
    const child = this.#children.get(jobId);
    if (child === undefined) throw new ArcpError('NOT_FOUND', `${jobId} is no child of this job`);
    if (from < 1 || limit < 1)
      throw new ArcpError('INVALID_ARGUMENT', 'from_event_seq, limit: expected a number from 1');
    const about = { jobId, correlationId: envelope.id };
    job.act(envelope, {
      kind: 'long',
      work: async () => {
        const cursor = await cursorAt(child, from);
        for (let count = 0; count < limit; count += 1) {
          await job.link.ready();
          const step = await cursor.steps.next();
          if (step.done === true || job.isOver) return;
          cursor.next += 1;
          job.say('subscribe.event', { event: step.value as never }, about);
        }
        // Another reader of the same child may have begun meanwhile.
        child.cursor ??= cursor;
      },
      done: () => undefined,
    });
  }

  /** The agent asks for nothing of this child any more; of one that runs it is still told the end. */
  forget(jobId: string): void {
    const child = this.#children.get(jobId);
    if (child === undefined) return;
    child.cursor = undefined;
    if (child.hasEnded) this.#drop(child);
  }

  leave(): void {
    this.#children.clear();
    this.#ended.clear();
    this.#changed = () => undefined;
  }

  #wait(by: number): void {
    this.#waiting += by;
    this.#changed();
  }

  /** (C3) */
  #noteEnd(child: Child, outcome: ChildOutcome): void {
    child.hasEnded = true;
    if (outcome.status === 'completed') child.result = outcome.result;
    if (!this.#children.has(child.job.jobId)) return;
    this.#ended.add(child);
    const [oldest] = this.#ended;
    if (this.#ended.size > MAX_ENDED && oldest !== undefined) this.#drop(oldest);
  }

  #drop(child: Child): void {
    this.#ended.delete(child);
    this.#children.delete(child.job.jobId);
  }
}

/** Takes the place in a child's events where the last page ended, or goes there from the beginning. */
async function cursorAt(child: Child, from: number): Promise<Cursor> {
  const { cursor } = child;
  child.cursor = undefined;
  if (cursor?.next === from) return cursor;
  const fresh: Cursor = { steps: child.job.events[Symbol.asyncIterator](), next: 1 };
  for (; fresh.next < from; fresh.next += 1) if ((await fresh.steps.next()).done === true) break;
  return fresh;
}

function tellEnd(
  job: JobConversation,
  { id: correlationId }: Envelope<'agent.delegate'>,
  jobId: JobId,
  outcome: ChildOutcome,
): void {
  const about = { jobId, correlationId };
  switch (outcome.status) {
    case 'completed': {
      const { value, summary, result, resultRef } = outcome;
      const streamed = result && { result_id: result.resultId, result_size: result.size };
      job.say('job.completed', { value, summary, ...streamed, result_ref: resultRef }, about);
      return;
    }
    case 'failed': {
      const { message, retryable } = outcome;
      job.say('job.failed', { code: knownErrorCode(outcome.code), message, retryable }, about);
      return;
    }
    case 'cancelled':
      job.say('job.cancelled', { reason: outcome.reason }, about);
  }
}

/** Throws INVALID_ARGUMENT. The key, under which a child is found again, is the envelope's `idempotency_key`. */
function optionsOf({ payload, idempotency_key: key }: Envelope<'agent.delegate'>): DelegateOptions {
  const { task, context, cost_budget: budget, lease_request: leaseRequest, profile } = payload;
  const { max_runtime_ms: maxRuntimeMs, on_parent_end: onParentEnd, again } = payload;
  if (context !== undefined && !isJsonObject(context))
    throw new ArcpError('INVALID_ARGUMENT', 'context: expected an object');
  const { arguments: args, ...rest } = context ?? {};
  const isBare = context === undefined || (args !== undefined && Object.keys(rest).length === 0);
  return {
    task,
    ...(isBare ? {} : { context: args === undefined ? context : rest }),
    ...(args === undefined ? {} : { arguments: args }),
    ...(budget === undefined ? {} : { budget }),
    ...(leaseRequest === undefined ? {} : { leaseRequest }),
    ...(profile === undefined ? {} : { profile: profile as NonNullable<DelegateOptions['profile']> }),
    ...(maxRuntimeMs === undefined ? {} : { maxRuntimeMs }),
    ...(onParentEnd === undefined ? {} : { onParentEnd }),
    ...(again === undefined ? {} : { again }),
    ...(key === undefined ? {} : { key }),
  };
}
