/**
 * What is said in a job, by its agent and by clients that send into it, within the limits of one job (law L7).
 * What is too much of an agent stops its job; what is too much of a client is refused to the client, and the job goes on.
 */
import { ArcpError } from '../protocol/errors.js';
import type { MessageType } from '../protocol/messages.js';
import { refuseOversize } from './agent-output.js';
import type { EnvelopeFields, LogEvent } from './event-log.js';
import type { Job } from './job.js';
import type { Limits } from './limits.js';

export class JobSpeech {
  readonly #job: Job;
  readonly #limits: Limits;
  readonly #stop: (error: ArcpError) => void;

  /** @param stop stops the job whose agent says too much */
  constructor(job: Job, limits: Limits, stop: (error: ArcpError) => void) {
    this.#job = job;
    this.#limits = limits;
    this.#stop = stop;
  }

  /**
   * Appends what the agent says.
   * Throws RESOURCE_EXHAUSTED when it is too large, BACKPRESSURE_OVERFLOW when too much waits for the store.
   */
  say(
    type: MessageType,
    text: string,
    maxBytes = this.#limits.maxEventBytes,
    fields?: EnvelopeFields,
  ): LogEvent {
    const { pending, pendingSize, size } = this.#job.log;
    if (this.#isBehind) {
      const message = `${pending} events of ${pendingSize} bytes wait for the store: await ctx.flushed() between bursts`;
      throw this.#stopped(new ArcpError('BACKPRESSURE_OVERFLOW', message));
    }
    refuseOversize(text, type, maxBytes);
    const { maxJobLogBytes } = this.#limits;
    if (size > maxJobLogBytes) {
      const message = `the events of ${this.#job.agent} are over the limit of ${maxJobLogBytes} bytes`;
      throw this.#stopped(new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false }));
    }
    return this.#job.emitText(type, text, undefined, fields);
  }

  /** Appends what a client sends into the job. Throws RESOURCE_EXHAUSTED or BACKPRESSURE_OVERFLOW. */
  hear(type: MessageType, text: string, fields: EnvelopeFields): LogEvent {
    const { maxJobLogBytes, maxEventBytes } = this.#limits;
    if (this.#isBehind)
      throw new ArcpError('BACKPRESSURE_OVERFLOW', 'too many events of the job wait for the store');
    if (this.#job.log.size > maxJobLogBytes)
      throw new ArcpError(
        'RESOURCE_EXHAUSTED',
        `the events of the job are over the limit of ${maxJobLogBytes} bytes`,
      );
    refuseOversize(text, type, maxEventBytes);
    return this.#job.emitText(type, text, undefined, fields);
  }

  get #isBehind(): boolean {
    const { pending, pendingSize } = this.#job.log;
    return pending >= this.#limits.maxPendingEvents || pendingSize >= this.#limits.maxPendingBytes;
  }

  #stopped(error: ArcpError): ArcpError {
    this.#stop(error);
    return error;
  }
}
