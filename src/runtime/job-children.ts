/**
 * The unfinished jobs below a running one: its end takes them along.
 *
 * (H1) A job ends after its children: it stops those that still run and waits for their ends, so that the deepest end
 *      first.
 * (H2) An attempt that takes the place of another finds again what was begun under a key. What was not, nobody would
 *      ask for any more: it is stopped.
 */
import type { JobId } from '../protocol/ids.js';
import type { Job } from './job.js';
import type { JobRun } from './job-run.js';

export class JobChildren {
  readonly #job: Job;
  readonly #runs: ReadonlyMap<JobId, JobRun>;

  constructor(job: Job, runs: ReadonlyMap<JobId, JobRun>) {
    this.#job = job;
    this.#runs = runs;
  }

  /** Whether the job has to wait for any before it ends (H1). */
  get any(): boolean {
    return this.#job.hasChildren;
  }

  /** (H1) */
  stop(reason: string, deadlineMs?: number): void {
    for (const child of this.#all()) this.#runs.get(child.id)?.stop({ kind: 'cancel', reason }, deadlineMs);
  }

  /** (H2) */
  stopUnkeyed(): void {
    const reason = 'its parent was started again';
    for (const child of this.#all())
      if (child.origin.delegation === undefined) this.#runs.get(child.id)?.stop({ kind: 'cancel', reason });
  }

  /** Stopping one may take it away. */
  #all(): readonly Job[] {
    return this.#job.hasChildren ? [...this.#job.children] : [];
  }
}
