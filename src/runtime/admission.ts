/**
 * How many root jobs of one principal run at once; the rest wait by priority, then in order (decision 24).
 * Children run within their root's place: a parent that waits for queued children would wait for itself.
 */
import { PRIORITIES, type Priority } from '../protocol/priority.js';
import type { Job } from './job.js';
import type { JobRun } from './job-run.js';
import type { Limits } from './limits.js';

type Queue = Record<Priority, Set<JobRun>>;

interface Share {
  /** Accepted, but the store has yet to take that. */
  readonly arriving: Set<JobRun>;
  /** A root job's place is its tree's: it is taken as long as any job of it is unfinished. */
  readonly running: Set<Job>;
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
    if (run.job.origin.parent === undefined) this.#shareOf(run.job).arriving.add(run);
  }

  /** A job of the tree was running when an earlier life of the runtime ended: its place is still its own. */
  hold({ root }: Job): void {
    this.#shareOf(root).running.add(root);
  }

  /** Starts the job, or queues it. */
  enter(run: JobRun): void {
    if (run.job.origin.parent !== undefined) {
      run.start();
      return;
    }
    const share = this.#shareOf(run.job);
    share.arriving.delete(run);
    if (share.running.size < this.#limits.maxRunningJobsPerPrincipal) {
      share.running.add(run.job);
      run.start();
    } else {
      share.waiting[run.job.origin.priority].add(run);
      run.queued();
    }
  }

  /** The job is over, wherever it was; the next one starts when no other job of its tree is unfinished. */
  leave(run: JobRun): void {
    const { root } = run.job;
    const { quota, priority } = root.origin;
    const share = this.#shares.get(quota);
    if (share === undefined) return;
    if (root === run.job) {
      share.arriving.delete(run);
      share.waiting[priority].delete(run);
    }
    if (root.hasLeft && !root.hasChildren && share.running.delete(root)) this.#fill(share);
    if (share.running.size === 0 && share.arriving.size === 0 && !share.filling) this.#shares.delete(quota);
  }

  #fill(share: Share): void {
    if (share.filling) return;
    share.filling = true;
    while (share.running.size < this.#limits.maxRunningJobsPerPrincipal) {
      const next = takeNext(share.waiting);
      if (next === undefined) break;
      share.running.add(next.job);
      next.start();
    }
    share.filling = false;
  }

  #shareOf({ origin: { quota } }: Job): Share {
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
