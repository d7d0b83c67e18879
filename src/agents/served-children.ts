/**
 * The children of an agent in a worker thread, on the runtime's side: the real ones, by the numbers that they got here.
 * One is let go of when the thread holds it no more.
 */
import { ArcpError } from '../protocol/errors.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { ChildJob, ChildOutcome, JobContext, StreamedResult } from './agent.js';
import type { Place } from './thread-places.js';
import type { ChildEnded, PlainOutcome } from './worker-messages.js';
import type { NumberedChildren } from './numbered-children.js';

interface Served {
  readonly job: ChildJob;
  result: StreamedResult | undefined;
}

export class ServedChildren implements NumberedChildren {
  readonly #ctx: Pick<JobContext, 'delegate'>;
  readonly #place: Place;
  readonly #tell: (message: ChildEnded) => void;
  readonly #children = new Map<number, Served>();
  readonly #readers = new Map<number, AsyncIterator<JobEvent, undefined>>();
  #next = 1;

  constructor(ctx: Pick<JobContext, 'delegate'>, place: Place, tell: (message: ChildEnded) => void) {
    this.#ctx = ctx;
    this.#place = place;
    this.#tell = tell;
  }

  /** A delegation in the foreground waits for its child, so that the place is lent before it is asked for (P1). */
  async delegate(...args: Parameters<JobContext['delegate']>): Promise<{ number: number; jobId: string }> {
    this.#place.lend();
    try {
      const job = await this.#ctx.delegate(...args);
      const number = this.#next++;
      const served: Served = { job, result: undefined };
      this.#children.set(number, served);
      void job.outcome.then((outcome) => {
        this.#place.takeBack();
        if (outcome.status === 'completed') served.result = outcome.result;
        this.#tell({ kind: 'outcome', child: number, outcome: plain(outcome) });
      });
      return { number, jobId: job.jobId };
    } catch (error) {
      this.#place.takeBack();
      throw error;
    }
  }

  cancel(number: number, reason: string | undefined): void {
    this.#children.get(number)?.job.cancel(reason);
  }

  /** What it streamed of its result. */
  bytes(number: number): Promise<Uint8Array> {
    const result = this.#children.get(number)?.result;
    if (result === undefined) throw new ArcpError('NOT_FOUND', 'that child has streamed nothing');
    return result.bytes();
  }

  forget(number: number): void {
    this.#children.delete(number);
  }

  /** Somebody begins to read its events. */
  read(number: number, reader: number): void {
    const child = this.#children.get(number);
    if (child !== undefined) this.#readers.set(reader, child.job.events[Symbol.asyncIterator]());
  }

  async next(reader: number): Promise<IteratorResult<JobEvent, undefined>> {
    const step = await this.#readers.get(reader)?.next();
    if (step?.done !== false) this.#readers.delete(reader);
    return step ?? { done: true, value: undefined };
  }

  /** It waits for nothing: the iterator itself may be waiting for its child. */
  leave(reader: number): void {
    void this.#readers.get(reader)?.return?.();
    this.#readers.delete(reader);
  }
}

function plain(outcome: ChildOutcome): PlainOutcome {
  if (outcome.status !== 'completed') return outcome;
  const { result, ...rest } = outcome;
  return { ...rest, result: result && { resultId: result.resultId, size: result.size } };
}
