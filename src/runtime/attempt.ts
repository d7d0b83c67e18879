/** One of the attempts at a job: most jobs have one. */
import type { ResultSoFar } from '../agents/replayed-result.js';
import type { ResumePoint } from '../agents/agent.js';

/**
 * The event that begins a further attempt at a job. Classic has no message for it, so that it is an `event.emit` of this
 * name; its `data` is a `Restarted`.
 */
export const JOB_RESTARTED = 'job.restarted';

export interface Restarted {
  readonly attempt: number;
  /** The runtime was restarted, a client asked for it by `checkpoint.restore`, or whoever did the one before was lost. */
  readonly reason: 'recovery' | 'restore' | 'moved';
  /** What it resumes from; without one it begins with the job's arguments. */
  readonly checkpoint_id?: string;
}

export interface Attempt {
  /** From 1. */
  readonly number: number;
  readonly resumedFrom?: ResumePoint | undefined;
  /** What the attempts before streamed of the result. */
  readonly result?: ResultSoFar | undefined;
}

export const FIRST_ATTEMPT: Attempt = { number: 1 };
