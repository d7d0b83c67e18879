/** Jobs that the agent delegates, over the wire: their beginning, their events, their end, and what they streamed of their results. */
import type { ChildOutcome, DelegateOptions } from '../agents/agent.js';
import type { PlainOutcome } from '../agents/worker-messages.js';
import type { AnyEnvelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { Payload } from '../protocol/messages.js';
import { DEFAULT_RESULT_CHUNK_LIMITS, ResultChunkSequence } from '../protocol/result-chunks.js';
import { decodeBase64 } from '../protocol/base64.js';
import { ChildReader } from './child-reader.js';
import type { JobWire } from './job-wire.js';
import type { NumberedChildren } from '../agents/numbered-children.js';

/** How a child ended, by the number that `delegate` gave it. */
export type ChildEnded = (number: number, outcome: PlainOutcome) => void;

export class WireChildren implements NumberedChildren {
  readonly #wire: JobWire;
  readonly #ended: ChildEnded;
  readonly #children = new Map<number, JobId>();
  readonly #readers = new Map<number, ChildReader>();
  #next = 1;

  constructor(wire: JobWire, ended: ChildEnded) {
    this.#wire = wire;
    this.#ended = ended;
  }

  async delegate(
    target: string,
    options: DelegateOptions = {},
  ): Promise<{ readonly number: number; readonly jobId: string }> {
    const number = this.#next++;
    const { key } = options;
    const jobId = await this.#wire.ask(
      'long',
      'agent.delegate',
      delegation(target, options),
      (answer) => {
        if (answer.type === 'job.accepted') return { value: answer.payload.job_id };
        if (answer.type === 'job.failed') throw ArcpError.fromPayload(answer.payload);
        return undefined;
      },
      {
        ...(key === undefined ? {} : { idempotency_key: key }),
        follow: (answer) => {
          const outcome = outcomeOf(answer);
          if (outcome !== undefined) this.#ended(number, outcome);
          return outcome !== undefined;
        },
      },
    );
    this.#children.set(number, jobId);
    return { number, jobId };
  }

  cancel(number: number, reason: string | undefined): void {
    const jobId = this.#children.get(number);
    if (jobId !== undefined) this.#wire.say('cancel', { target: 'job', target_id: jobId, reason });
  }

  /** Nobody holds it any more. */
  forget(number: number): void {
    const jobId = this.#children.get(number);
    if (jobId === undefined || !this.#children.delete(number)) return;
    this.#wire.say('job.unsubscribe', { job_id: jobId });
  }

  /** Somebody, who has this number, begins to read its events. */
  read(number: number, reader: number): void {
    const jobId = this.#children.get(number);
    if (jobId !== undefined) this.#readers.set(reader, new ChildReader(this.#wire, jobId));
  }

  async next(reader: number): Promise<IteratorResult<JobEvent, undefined>> {
    const step = await this.#readers.get(reader)?.next();
    if (step?.done !== false) this.#readers.delete(reader);
    return step ?? { done: true, value: undefined };
  }

  leave(reader: number): void {
    this.#readers.delete(reader);
  }

  /** What the child streamed of its result; the runtime gives it once. */
  async bytes(number: number): Promise<Uint8Array> {
    const jobId = this.#children.get(number);
    if (jobId === undefined) throw new ArcpError('NOT_FOUND', 'no such child');
    const sequence = new ResultChunkSequence(DEFAULT_RESULT_CHUNK_LIMITS);
    const parts: Uint8Array[] = [];
    await this.#wire.ask('brief', 'job.subscribe', { job_id: jobId, history: true }, (answer) => {
      if (answer.type !== 'job.result_chunk') return undefined;
      sequence.push(answer.payload);
      parts.push(decodeBase64(answer.payload.data));
      return answer.payload.more ? undefined : { value: undefined };
    });
    return Buffer.concat(parts);
  }
}

function delegation(target: string, options: DelegateOptions): Payload<'agent.delegate'> {
  const { task = '', context, budget, leaseRequest, expiresAt, profile } = options;
  const { maxRuntimeMs, onParentEnd, again } = options;
  const args = options.arguments;
  const given = args === undefined ? context : { ...context, arguments: args };
  const lease =
    expiresAt === undefined
      ? leaseRequest
      : { ...leaseRequest, expires_at: leaseRequest?.['expires_at'] ?? expiresAt };
  return {
    target,
    task,
    ...(given === undefined ? {} : { context: given }),
    ...(lease === undefined ? {} : { lease_request: lease }),
    ...(budget === undefined ? {} : { cost_budget: [...budget] }),
    ...(profile === undefined ? {} : { profile }),
    ...(maxRuntimeMs === undefined ? {} : { max_runtime_ms: maxRuntimeMs }),
    ...(onParentEnd === undefined ? {} : { on_parent_end: onParentEnd }),
    ...(again === undefined ? {} : { again }),
  };
}

function outcomeOf(end: AnyEnvelope): PlainOutcome | undefined {
  switch (end.type) {
    case 'job.completed': {
      const {
        value,
        summary,
        result_id: resultId,
        result_size: size = 0,
        result_ref: resultRef,
      } = end.payload;
      const result = resultId === undefined ? undefined : { resultId, size };
      return { status: 'completed', value, summary, result, resultRef };
    }
    case 'job.failed': {
      const { code, message, retryable } = ArcpError.fromPayload(end.payload);
      return { status: 'failed', code, message, retryable } satisfies ChildOutcome;
    }
    case 'job.cancelled':
      return { status: 'cancelled', reason: end.payload.reason };
    case 'nack': {
      const { code, message, retryable } = ArcpError.fromPayload(end.payload);
      return { status: 'failed', code, message, retryable };
    }
    default:
      return undefined;
  }
}
