/**
 * The jobs below a running one: its end takes them along, but for those that were delegated to live on.
 *
 * (H1) A job ends after its children: it stops those that still run and waits for their ends, so that the deepest end
 *      first. A child that is to be detached is neither stopped nor waited for.
 * (H2) An attempt that takes the place of another finds again what was begun under a key. What was not, nobody would
 *      ask for any more: it is stopped, to be detached or not, since the new attempt will begin it anew.
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
    if (!this.#job.hasChildren) return false;
    for (const child of this.#job.children) if (isAttached(child) && !child.hasLeft) return true;
    return false;
  }

  /** (H1) */
  stop(reason: string, deadlineMs?: number): void {
    for (const child of this.#all())
      if (isAttached(child)) this.#runs.get(child.id)?.stop({ kind: 'cancel', reason }, deadlineMs);
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

function isAttached({ origin }: Job): boolean {
  return origin.onParentEnd === 'cancel';
}
