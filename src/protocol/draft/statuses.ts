/** The draft's job states, which sum up the native ones (draft-1.1 §7.3). */
import { JOB_STATES, type JobState } from '../job-state.js';

export const DRAFT_STATUSES = ['pending', 'running', 'success', 'error', 'cancelled', 'timed_out'] as const;
export type DraftStatus = (typeof DRAFT_STATUSES)[number];

const STATUS_OF = {
  accepted: 'pending',
  queued: 'pending',
  running: 'running',
  blocked: 'running',
  paused: 'running',
  completed: 'success',
  failed: 'error',
  cancelled: 'cancelled',
} as const satisfies Record<JobState, DraftStatus>;

/** Native codes of a failure that is a timeout here. */
const TIMEOUTS: ReadonlySet<string> = new Set(['TIMEOUT', 'DEADLINE_EXCEEDED']);

/** @param failure the native code of a job that failed */
export function draftStatus(state: JobState, failure?: string): DraftStatus {
  const status = STATUS_OF[state];
  return status === 'error' && failure !== undefined && TIMEOUTS.has(failure) ? 'timed_out' : status;
}

/** The native states that a draft word sums up; the word itself where it takes a reason to tell. */
export function statesOf(status: DraftStatus): readonly (JobState | DraftStatus)[] {
  if (status === 'error' || status === 'timed_out') return [status];
  return JOB_STATES.filter((state) => STATUS_OF[state] === status);
}
