/**
 * The events of a child, for the agent that delegated to it: read from the store as they are asked for, so that what nobody
 * reads costs nothing, and who reads slowly holds one page (L7).
 *
 * (F1) A reader begins with the first event and ends after the terminal one. Nothing is left out: what the store no longer
 *      has is DATA_LOSS.
 * (F2) It sees what the store has committed (L2), and waits for the rest until the job that reads is stopped.
 */
import { handledSteps } from '../agents/handled.js';
import { ArcpError } from '../protocol/errors.js';
import { PROTOCOL_VERSION } from '../protocol/envelope.js';
import { isTerminal, type JobEvent } from '../protocol/job-event.js';
import type { Store } from '../store/store.js';
import type { EventObserver } from './event-log.js';
import type { Job } from './job.js';

/** An event has 1.5 MiB at most, a page of them 24. */
const PAGE = 16;

export class ChildEvents implements AsyncIterable<JobEvent, undefined> {
  readonly #job: Job;
  /** Of the job that reads. */
  readonly #signal: () => AbortSignal;
  readonly #store: Store;
  /** Readers that wait for more, to be woken at the end, also where the store lost that. */
  #waiting: Set<() => void> | undefined;

  constructor(job: Job, signal: () => AbortSignal, store: Store) {
    this.#job = job;
    this.#signal = signal;
    this.#store = store;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<JobEvent, undefined> {
    return handledSteps(this.#read());
  }

  async *#read(): AsyncGenerator<JobEvent, undefined> {
    const { log, id } = this.#job;
    for (let after = 0; ;) {
      const isThere = log.committedSeq > after || this.#job.ending !== undefined;
      const page = await this.#store.read(id, after, PAGE);
      for (const { body } of page) {
        const event = JSON.parse(`{"arcp":"${PROTOCOL_VERSION}",${body}`) as JobEvent;
        yield event;
        if (isTerminal(event)) return undefined;
      }
      after += page.length;
      if (page.length > 0) continue;
      if (isThere)
        throw new ArcpError('DATA_LOSS', `what followed event ${after} of job ${id} is no longer kept`);
      if (log.committedSeq === after) await this.#more();
    }
  }

  /** Resolves at the next commit, or when nothing more will come. Rejects with the signal's reason. */
  #more(): Promise<void> {
    const signal = this.#signal();
    signal.throwIfAborted();
    const { log } = this.#job;
    const waiting = this.#wokenAtEnd();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        log.unobserve(observer);
        waiting.delete(wake);
        signal.removeEventListener('abort', stop);
      };
      const wake = (): void => {
        leave();
        resolve();
      };
      const stop = (): void => {
        leave();
        reject(ArcpError.from(signal.reason));
      };
      const observer: EventObserver = { onEvent: wake };
      log.observe(observer);
      waiting.add(wake);
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  #wokenAtEnd(): Set<() => void> {
    if (this.#waiting !== undefined) return this.#waiting;
    const waiting = (this.#waiting = new Set<() => void>());
    this.#job.whenEnded(() => {
      for (const wake of [...waiting]) wake();
    });
    return waiting;
  }
}
