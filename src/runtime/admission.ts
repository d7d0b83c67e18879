/**
 * Which jobs run and which wait (decision 24).
 *
 * (D1) So many root jobs of one principal run at once; the rest wait by priority, then in order.
 * (D2) Children run within their root's share, which is taken as long as any job of its tree is unfinished: a parent that
 *      waits for queued children would wait for itself.
 * (D3) Where an agent's places are limited (`AgentPlaces`), a job needs one too, a child included. Whoever waits for a
 *      place holds no share meanwhile, and who waits for a share no place.
 * (D4) A further attempt keeps the share that its job has; it needs a place of its own.
 */
import type { AgentPlaces } from '../agents/agent.js';
import type { ArcpError } from '../protocol/errors.js';
import type { Job } from './job.js';
import type { JobRun } from './job-run.js';
import type { Limits } from './limits.js';
import { byPriority, countOf, first, PlaceLine, type ByPriority } from './place-line.js';

interface Share {
  /** Accepted, but the store has yet to take that. */
  readonly arriving: Set<JobRun>;
  /** Root jobs (D2). */
  readonly running: Set<Job>;
  readonly waiting: ByPriority;
  /** Those that wait for a place with their agent. */
  readonly lined: Set<JobRun>;
  /** Whether places are being filled: a job that ends while it starts frees one without recursion. */
  filling: boolean;
}

export class Admission {
  readonly #limits: Limits;
  readonly #shares = new Map<string, Share>();
  readonly #lines = new WeakMap<AgentPlaces, PlaceLine>();
  readonly #serving = new WeakSet<PlaceLine>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether one more root job of this principal could run or at least wait. */
  hasRoom(quota: string): boolean {
    const share = this.#shares.get(quota);
    if (share === undefined) return true;
    const { maxRunningJobsPerPrincipal, maxQueuedJobsPerPrincipal } = this.#limits;
    const all = share.arriving.size + share.running.size + share.lined.size + countOf(share.waiting);
    return all < maxRunningJobsPerPrincipal + maxQueuedJobsPerPrincipal;
  }

  /** The job was accepted: its place counts from now on. */
  expect(run: JobRun): void {
    if (isRoot(run)) this.#shareOf(run.job).arriving.add(run);
  }

  /** A job of the tree was running when an earlier life of the runtime ended: its share is still its own. */
  hold({ root }: Job): void {
    this.#shareOf(root).running.add(root);
  }

  /** Another attempt at the job begins: this one leaves its place, and the job keeps its share (D4). */
  replaced(run: JobRun): void {
    this.#leavePlace(run);
  }

  /** Starts the job, or queues it. */
  enter(run: JobRun): void {
    const share = isRoot(run) ? this.#shareOf(run.job) : undefined;
    share?.arriving.delete(run);
    if (this.#admit(run, share)) run.start();
    else run.queued();
  }

  /** Starts a further attempt, when there is a place for it (D4). */
  enterAgain(run: JobRun): void {
    if (this.#takePlace(run)) run.start();
  }

  /** The job is over, wherever it was; the next one starts when no other job of its tree is unfinished. */
  leave(run: JobRun): void {
    const { root } = run.job;
    const { quota, priority } = root.origin;
    this.#leavePlace(run);
    const share = this.#shares.get(quota);
    if (share === undefined) return;
    if (root === run.job) {
      share.arriving.delete(run);
      share.lined.delete(run);
      share.waiting[priority].delete(run);
    }
    if (root.hasLeft && !root.hasChildren && share.running.delete(root)) this.#fill(share);
    const isIdle = share.running.size === 0 && share.arriving.size === 0 && share.lined.size === 0;
    if (isIdle && !share.filling) this.#shares.delete(quota);
  }

  #leavePlace(run: JobRun): void {
    const { places } = run;
    if (places === undefined) return;
    this.#lines.get(places)?.remove(run);
    places.leave(run.place);
  }

  #admit(run: JobRun, share: Share | undefined): boolean {
    if (share !== undefined && share.running.size >= this.#limits.maxRunningJobsPerPrincipal) {
      share.waiting[run.job.origin.priority].add(run);
      return false;
    }
    if (this.#takePlace(run)) {
      share?.running.add(run.job);
      return true;
    }
    share?.lined.add(run);
    return false;
  }

  /** Whoever comes does not pass those who wait. */
  #takePlace(run: JobRun): boolean {
    const { places } = run;
    if (places === undefined) return true;
    const line = this.#lineOf(places);
    if (line.isEmpty && places.take(run.place)) return true;
    line.add(run);
    return false;
  }

  #fill(share: Share): void {
    if (share.filling) return;
    share.filling = true;
    while (share.running.size < this.#limits.maxRunningJobsPerPrincipal) {
      const next = first(share.waiting);
      if (next === undefined) break;
      share.waiting[next.job.origin.priority].delete(next);
      if (this.#admit(next, share)) next.start();
    }
    share.filling = false;
  }

  /** An agent has places again. */
  #serve(places: AgentPlaces, line: PlaceLine): void {
    if (this.#serving.has(line)) return;
    this.#serving.add(line);
    for (let run = line.next(); run !== undefined; run = line.next()) {
      const share = isRoot(run) ? this.#shareOf(run.job) : undefined;
      const holdsShare = share === undefined || share.running.has(run.job);
      if (!holdsShare && share.running.size >= this.#limits.maxRunningJobsPerPrincipal) {
        line.served(run);
        share.lined.delete(run);
        share.waiting[run.job.origin.priority].add(run);
        continue;
      }
      if (!places.take(run.place)) break;
      line.served(run);
      share?.lined.delete(run);
      share?.running.add(run.job);
      run.start();
    }
    this.#serving.delete(line);
  }

  #lineOf(places: AgentPlaces): PlaceLine {
    const known = this.#lines.get(places);
    if (known !== undefined) return known;
    const line = new PlaceLine();
    this.#lines.set(places, line);
    places.watch({
      room: () => {
        this.#serve(places, line);
      },
      closed: (error: ArcpError) => {
        for (const run of [...line.all()]) run.stop({ kind: 'fail', error });
      },
    });
    return line;
  }

  #shareOf({ origin: { quota } }: Job): Share {
    let share = this.#shares.get(quota);
    if (share === undefined) {
      share = {
        arriving: new Set(),
        running: new Set(),
        waiting: byPriority(),
        lined: new Set(),
        filling: false,
      };
      this.#shares.set(quota, share);
    }
    return share;
  }
}

function isRoot({ job }: JobRun): boolean {
  return job.origin.parent === undefined;
}
