/** For whoever embeds a runtime: the events of one of its jobs, without a session. */
import { ArcpError } from '../protocol/errors.js';
import type { MessageType } from '../protocol/messages.js';
import type { EventObserver, LogEvent } from './event-log.js';
import { payloadOf } from './job-history.js';
import type { JobTable } from './job-table.js';
import type { Logger } from './logger.js';

export interface ObservedEvent {
  /** Its place in the job's log, from 1. */
  readonly seq: number;
  readonly type: MessageType;
  readonly payload: unknown;
}

/** Throws NOT_FOUND. What `told` throws is its own affair and stops nothing. */
export function observeJob(
  { jobs, logger }: { readonly jobs: JobTable; readonly logger: Logger },
  jobId: string,
  told: (event: ObservedEvent) => void,
): () => void {
  const job = jobs.find(jobId);
  if (job === undefined) throw new ArcpError('NOT_FOUND', 'there is no such job');
  const observer = new Listener(told, logger);
  job.log.observe(observer);
  return () => {
    observer.isClosed = true;
    job.log.unobserve(observer);
  };
}

class Listener implements EventObserver {
  isClosed = false;
  readonly #told: (event: ObservedEvent) => void;

  readonly #logger: Logger;

  constructor(told: (event: ObservedEvent) => void, logger: Logger) {
    this.#told = told;
    this.#logger = logger;
  }

  onEvent(event: LogEvent): void {
    const { seq, type } = event;
    try {
      this.#told({ seq, type, payload: payloadOf(event) });
    } catch (error) {
      // A log tells many; one of them must not keep it from the others.
      this.#logger.error({ job: event.log, reason: String(error) }, 'an observer of a job threw');
    }
  }
}
