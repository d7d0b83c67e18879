/**
 * One call of an agent, and the end of the job that comes of it: of what it returns, once the result and the streams that
 * it opened are settled, or of what it throws (`job-run.ts`, R5).
 */
import type { Agent } from '../agents/agent.js';
import type { ResultLedger } from '../agents/result-ledger.js';
import { completed, failed, type Ending, type Room } from './ending.js';
import type { JobStreams } from './job-streams.js';
import type { Limits } from './limits.js';

/** The job, as far as its agent has brought it. */
export interface Called {
  /** Whether nothing has stopped it: what a stopped agent returns is not waited for any more. */
  readonly isRunning: boolean;
  readonly streamsSoFar: JobStreams | undefined;
  readonly resultSoFar: ResultLedger | undefined;
  readonly summary: string | undefined;
}

export class AgentCall {
  readonly #job: Called;
  readonly #limits: Limits;
  readonly #room: Room;
  readonly #end: (ending: () => Ending, thrown?: unknown) => void;

  /** @param end is told that the agent is done, what would come of it, and what it threw, if that */
  constructor(
    job: Called,
    limits: Limits,
    room: Room,
    end: (ending: () => Ending, thrown?: unknown) => void,
  ) {
    this.#job = job;
    this.#limits = limits;
    this.#room = room;
    this.#end = end;
  }

  /** @param call calls the agent */
  begin(call: () => ReturnType<Agent['run']>): void {
    try {
      const returned = call();
      if (isThenable(returned)) Promise.resolve(returned).then(this.#returned, this.#threw);
      else this.#returned(returned);
    } catch (error) {
      this.#threw(error);
    }
  }

  readonly #returned = (value: unknown): void => {
    const complete = (): Ending => this.#completion(value);
    if (!this.#job.isRunning) {
      this.#end(complete);
      return;
    }
    const streams = this.#job.streamsSoFar?.settled();
    if (streams !== undefined) {
      void streams.then(() => {
        this.#returned(value);
      });
      return;
    }
    const result = this.#job.resultSoFar;
    if (result === undefined) {
      this.#end(complete);
      return;
    }
    result.whenSettled((error) => {
      this.#end(error === undefined ? complete : () => failed(error));
    });
  };

  readonly #threw = (error: unknown): void => {
    this.#end(() => failed(error), error);
  };

  #completion(value: unknown): Ending {
    try {
      const streamed = this.#job.resultSoFar?.completion();
      return completed({ value, summary: this.#job.summary, streamed }, this.#limits, this.#room);
    } catch (error) {
      return failed(error);
    }
  }
}

/** Promises of any make count. Throws what looking at the value throws. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value instanceof Promise ||
    (typeof value === 'object' &&
      value !== null &&
      typeof (value as { readonly then?: unknown }).then === 'function')
  );
}
