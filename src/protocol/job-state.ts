/**
 * The states of a job (RFC 0001 §10.2) and the one table of the steps between them (decision 6).
 * 1. A job starts as `accepted`, and everybody who folds its log goes by this table (L1).
 * 2. No step leaves a terminal state.
 * The names are the wire's own (execution.rs `JobState::wire_str`).
 */
import { ArcpError } from './errors.js';

export const JOB_STATES = [
  'accepted',
  'queued',
  'running',
  'blocked',
  'paused',
  'completed',
  'failed',
  'cancelled',
] as const;

export type JobState = (typeof JOB_STATES)[number];

export const JOB_TRANSITIONS = {
  accepted: ['queued', 'running', 'failed', 'cancelled'],
  queued: ['running', 'failed', 'cancelled'],
  running: ['blocked', 'paused', 'completed', 'failed', 'cancelled'],
  blocked: ['running', 'failed', 'cancelled'],
  paused: ['running', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
} as const satisfies Record<JobState, readonly JobState[]>;

export type TerminalState = {
  [State in JobState]: (typeof JOB_TRANSITIONS)[State] extends readonly [] ? State : never;
}[JobState];

/** Whether `text` is one of the states on the wire. */
export function isJobState(text: string): text is JobState {
  return Object.hasOwn(JOB_TRANSITIONS, text);
}

/** Whether a job in this state has ended for good. */
export function isTerminal(state: JobState): state is TerminalState {
  return JOB_TRANSITIONS[state].length === 0;
}

/** Whether the one transition table allows it (decision 6). A state does not lead to itself. */
export function canTransition(from: JobState, to: JobState): boolean {
  const next: readonly JobState[] = JOB_TRANSITIONS[from];
  return next.includes(to);
}

/** @throws ArcpError FAILED_PRECONDITION when the table has no step from `from` to `to`. */
export function assertTransition(from: JobState, to: JobState): void {
  if (canTransition(from, to)) return;
  throw new ArcpError(
    'FAILED_PRECONDITION',
    isTerminal(from)
      ? `a job that is ${from} has ended and cannot become ${to}`
      : `a job that is ${from} cannot become ${to}`,
    { details: { from, to } },
  );
}
