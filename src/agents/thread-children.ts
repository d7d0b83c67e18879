/** The children of an agent in a worker thread, on the thread's side. The runtime's side is told when one is held no more. */
import type { JobEvent } from '../protocol/job-event.js';
import type { ChildJob, ChildOutcome, DelegateOptions } from './agent.js';
import { resultOf } from './child-result.js';
import { handledSteps } from './handled.js';
import type { ChildCall, ChildEnded, PlainOutcome } from './worker-messages.js';

type Call = (method: ChildCall, ...args: readonly unknown[]) => Promise<unknown>;

/** A child by its number: what is made of it holds this, so that it is known when nobody holds any of it. */
interface Held {
  readonly number: number;
}

export class ThreadChildren {
  readonly #call: Call;
  readonly #running = new Map<number, (outcome: PlainOutcome) => void>();
  /** Outcomes that came before anybody had heard of the child. */
  readonly #early = new Map<number, PlainOutcome>();
  readonly #held: FinalizationRegistry<number>;
  #nextReader = 1;

  constructor(call: Call) {
    this.#call = call;
    this.#held = new FinalizationRegistry((number) => void call('childForget', number));
  }

  async delegate(target: string, options: DelegateOptions = {}): Promise<ChildJob> {
    const { signal, ...plain } = options;
    signal?.throwIfAborted();
    const { number, jobId } = (await this.#call('delegate', target, plain)) as {
      number: number;
      jobId: string;
    };
    const held: Held = { number };
    this.#held.register(held, number);
    const cancel = (reason?: string): void => {
      void this.#call('childCancel', held.number, reason);
    };
    const abort = (): void => {
      cancel('the delegation was aborted');
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    const outcome = this.#endOf(number).then((end) => {
      signal?.removeEventListener('abort', abort);
      return this.#withResult(held, end);
    });
    return {
      jobId,
      outcome,
      events: { [Symbol.asyncIterator]: () => handledSteps(this.#events(held)) },
      result: () => resultOf(jobId, outcome),
      cancel,
    };
  }

  ended({ child, outcome }: ChildEnded): void {
    const settle = this.#running.get(child);
    if (settle === undefined) this.#early.set(child, outcome);
    else settle(outcome);
    this.#running.delete(child);
  }

  #endOf(number: number): Promise<PlainOutcome> {
    const early = this.#early.get(number);
    this.#early.delete(number);
    return early === undefined
      ? new Promise((resolve) => this.#running.set(number, resolve))
      : Promise.resolve(early);
  }

  #withResult(held: Held, outcome: PlainOutcome): ChildOutcome {
    if (outcome.status !== 'completed') return outcome;
    const { result, ...rest } = outcome;
    if (result === undefined) return { ...rest, result };
    const bytes = async (): Promise<Uint8Array> =>
      (await this.#call('childBytes', held.number)) as Uint8Array;
    const text = async (): Promise<string> =>
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await bytes());
    return { ...rest, result: { ...result, bytes, text } };
  }

  async *#events(held: Held): AsyncGenerator<JobEvent, undefined> {
    const reader = this.#nextReader++;
    let isOver = false;
    await this.#call('childRead', held.number, reader);
    try {
      for (;;) {
        const step = (await this.#call('childNext', reader)) as IteratorResult<JobEvent, undefined>;
        isOver = step.done === true;
        if (step.done === true) return undefined;
        yield step.value;
      }
    } finally {
      if (!isOver) void this.#call('childLeave', reader);
    }
  }
}
