/**
 * How many root jobs of one principal run at once; the rest wait by priority, then in order (decision 24).
 * Children run within their root's place: a parent that waits for queued children would wait for itself.
 */
import { PRIORITIES, type Priority } from '../protocol/priority.js';
import type { JobRun } from './job-run.js';
import type { Limits } from './limits.js';

type Queue = Record<Priority, Set<JobRun>>;

interface Share {
  /** Accepted, but the store has yet to take that. */
  readonly arriving: Set<JobRun>;
  readonly running: Set<JobRun>;
  readonly waiting: Queue;
  /** Whether places are being filled: a job that ends while it starts frees one without recursion. */
  filling: boolean;
}

export class Admission {
  readonly #limits: Limits;
  readonly #shares = new Map<string, Share>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether one more root job of this principal could run or at least wait. */
  hasRoom(quota: string): boolean {
    const share = this.#shares.get(quota);
    if (share === undefined) return true;
    const { maxRunningJobsPerPrincipal, maxQueuedJobsPerPrincipal } = this.#limits;
    const waiting = PRIORITIES.reduce((sum, priority) => sum + share.waiting[priority].size, 0);
    const all = share.arriving.size + share.running.size + waiting;
    return all < maxRunningJobsPerPrincipal + maxQueuedJobsPerPrincipal;
  }

  /** The job was accepted: its place counts from now on. */
  expect(run: JobRun): void {
    if (run.job.origin.parent === undefined) this.#shareOf(run).arriving.add(run);
  }

  /** The job was running when an earlier life of the runtime ended: its place is still its own. */
  hold(run: JobRun): void {
    if (run.job.origin.parent === undefined) this.#shareOf(run).running.add(run);
  }

  /** Another attempt at the same job takes the place of this one. */
  replace(run: JobRun, next: JobRun): void {
    if (this.#shares.get(run.job.origin.quota)?.running.delete(run) === true) this.hold(next);
  }

  /** Starts the job, or queues it. */
  enter(run: JobRun): void {
    if (run.job.origin.parent !== undefined) {
      run.start();
      return;
    }
    const share = this.#shareOf(run);
    share.arriving.delete(run);
    if (share.running.size < this.#limits.maxRunningJobsPerPrincipal) {
      share.running.add(run);
      run.start();
    } else {
      share.waiting[run.job.origin.priority].add(run);
      run.queued();
    }
  }

  /** The job is over, wherever it was; the next one starts. */
  leave(run: JobRun): void {
    const { parent, quota, priority } = run.job.origin;
    const share = parent === undefined ? this.#shares.get(quota) : undefined;
    if (share === undefined) return;
    share.arriving.delete(run);
    share.waiting[priority].delete(run);
    if (share.running.delete(run)) this.#fill(share);
    if (share.running.size === 0 && share.arriving.size === 0 && !share.filling) this.#shares.delete(quota);
  }

  #fill(share: Share): void {
    if (share.filling) return;
    share.filling = true;
    while (share.running.size < this.#limits.maxRunningJobsPerPrincipal) {
      const next = takeNext(share.waiting);
      if (next === undefined) break;
      share.running.add(next);
      next.start();
    }
    share.filling = false;
  }

  #shareOf(run: JobRun): Share {
    const { quota } = run.job.origin;
    let share = this.#shares.get(quota);
    if (share === undefined) {
      share = { arriving: new Set(), running: new Set(), waiting: newQueue(), filling: false };
      this.#shares.set(quota, share);
    }
    return share;
  }
}

function newQueue(): Queue {
  return { critical: new Set(), high: new Set(), normal: new Set(), low: new Set() };
}

const BY_URGENCY = ['critical', 'high', 'normal', 'low'] as const satisfies readonly Priority[];

function takeNext(waiting: Queue): JobRun | undefined {
  for (const priority of BY_URGENCY) {
    for (const run of waiting[priority]) {
      waiting[priority].delete(run);
      return run;
    }
  }
  return undefined;
}
