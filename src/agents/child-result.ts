/** What a child gave, for those who want that and nothing else. */
import { ArcpError } from '../protocol/errors.js';
import { knownErrorCode } from '../protocol/scalars.js';
import type { ChildOutcome } from './agent.js';
import { handled } from './handled.js';

/** Of a child that streamed its result the bytes, of one that kept it as an artifact the reference, else the value. */
export function resultOf(jobId: string, outcome: Promise<ChildOutcome>): Promise<unknown> {
  return handled(outcome.then((how) => unwrapped(jobId, how)));
}

function unwrapped(jobId: string, outcome: ChildOutcome): unknown {
  switch (outcome.status) {
    case 'completed':
      return outcome.result?.bytes() ?? outcome.resultRef ?? outcome.value;
    case 'failed': {
      const { code, message, retryable } = outcome;
      throw new ArcpError(knownErrorCode(code), message, { retryable, details: { job_id: jobId } });
    }
    case 'cancelled':
      throw new ArcpError('CANCELLED', outcome.reason ?? `job ${jobId} was cancelled`, {
        details: { job_id: jobId },
      });
  }
}
