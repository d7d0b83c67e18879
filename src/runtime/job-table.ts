/**
 * The jobs of a runtime: those that run, and those that ended lately and can still be asked about (law L7).
 */
import type { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import type { Clock, Timer } from '../clock.js';
import type { Job } from './job.js';
import type { JobRun, StopReason } from './job-run.js';
import { ForgottenEvents } from './forgotten-events.js';
import type { Limits } from './limits.js';
import { OldestFirst } from './oldest-first.js';
import type { OpenQuestion } from './questions/job-questions.js';

interface Finished {
  readonly job: Job;
  readonly until: number;
  /** Of its log, when it was complete. */
  readonly size: number;
}

/** Jobs are gone at the latest this fraction of their time later. */
const SWEEPS_PER_TTL = 24;

export class JobTable {
  readonly runs = new Map<JobId, JobRun>();
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #drop: (jobs: readonly Job[]) => void;
  /**
   * Neither running nor finished: over, but the store has yet to take their end, or jobs that are unfinished need them;
   * or being taken up after a restart.
   */
  readonly #between = new Map<string, Job>();
  /** Oldest first. */
  readonly #finished = new Map<string, Finished>();
  readonly #oldest = new OldestFirst(this.#finished);
  #finishedSize = 0;
  #sweep: Timer | undefined;
  #idle: (() => void)[] = [];
  readonly #forgotten = new ForgottenEvents();
  #forgottenPosition = 0;

  /** @param drop forgets the logs of jobs */
  constructor(clock: Clock, limits: Limits, drop: (jobs: readonly Job[]) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#drop = drop;
  }

  find(id: string): Job | undefined {
    return this.runs.get(id as JobId)?.job ?? this.#between.get(id) ?? this.#finished.get(id)?.job;
  }

  /** Every job that is kept, whether it runs or not. */
  *all(): Generator<Job> {
    for (const { job } of this.runs.values()) yield job;
    yield* this.#between.values();
    for (const { job } of this.#finished.values()) yield job;
  }

  /** What a job waits for people for. */
  waitingFor(job: Job): readonly OpenQuestion[] {
    return [...(this.run(job)?.askedQuestions?.open() ?? [])];
  }

  /** The latest commit of a job of this principal that is no longer kept; 0 when all are. */
  forgottenUpTo(principal: string): number {
    return this.#forgotten.upTo(principal);
  }

  /** The latest commit of any job that is no longer kept. */
  get forgottenPosition(): number {
    return this.#forgottenPosition;
  }

  /** An earlier life may have forgotten jobs up to this commit. */
  startAfter(position: number): void {
    this.#forgottenPosition = position;
    this.#forgotten.noteAll(position);
  }

  run(job: Job): JobRun | undefined {
    return this.runs.get(job.id);
  }

  /** Whether a job that came through a session is not over. */
  runsAnyOf(session: { readonly id: string }): boolean {
    for (const { job } of this.runs.values()) if (job.origin.sessionId === session.id) return true;
    return false;
  }

  /** Stops the root jobs that came through a session, and what was to outlive them; the others follow. */
  stopAllOf(session: { readonly id: string }, reason: StopReason, deadlineMs?: number): void {
    for (const run of this.runs.values()) {
      const { sessionId, parent, onParentEnd } = run.job.origin;
      const follows = parent !== undefined && onParentEnd === 'cancel';
      if (sessionId === session.id && !follows) run.stop(reason, deadlineMs);
    }
  }

  /** Stops every job, but lets go of those that a later life of the runtime will start again. */
  stopAll(error: ArcpError, comesBack: (run: JobRun) => boolean): void {
    const runs = [...this.runs.values()].map((run) => ({ run, letsGo: comesBack(run) }));
    for (const { run, letsGo } of runs) {
      if (letsGo) {
        run.letGo(error);
        this.runs.delete(run.job.id);
      } else {
        run.stop({ kind: 'fail', error });
      }
    }
    this.#tellIdle();
  }

  /** Resolves when no job runs. */
  idle(): Promise<void> {
    if (this.runs.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  began(run: JobRun): void {
    this.#between.delete(run.job.id);
    this.runs.set(run.job.id, run);
  }

  /** The job is over, and is kept for a while once its end is committed. */
  finished(job: Job): void {
    this.runs.delete(job.id);
    this.#keepOnceEnded(job);
    this.#tellIdle();
  }

  /** A job of an earlier life, of which it is not settled yet how it goes on. */
  found(job: Job): void {
    this.#between.set(job.id, job);
  }

  /** A job that had ended before a restart, at this moment. */
  restored(job: Job, endedAt: number): void {
    this.#keepOnceEnded(job, endedAt);
  }

  #keepOnceEnded(job: Job, endedAt?: number): void {
    this.#between.set(job.id, job);
    job.whenEnded(() => {
      this.#keepOnceFree(job, endedAt);
    });
  }

  /**
   * One that its parent can ask for again is kept as long as the parent runs; one that has unfinished jobs below it, for
   * their lineage; and one whose spending a job would have to take over that has ended itself, as long as that stands
   * (`tree-account.ts`, T3).
   */
  #keepOnceFree(job: Job, endedAt?: number): void {
    const again = (): void => {
      this.#keepOnceFree(job, endedAt);
    };
    const { parent, delegation } = job.origin;
    const { heir } = job;
    if (job.lost) this.#keep(job, endedAt);
    else if (parent !== undefined && delegation !== undefined && parent.ending === undefined)
      parent.whenEnded(again);
    else if (job.hasChildren) job.whenChildless(again);
    else if (heir?.hasLeft === true && !job.isBooked) heir.whenChildless(again);
    else this.#keep(job, endedAt);
  }

  /** A job that goes on after a restart, in its first attempt or a further one, after that many restarts. */
  takeUp(run: JobRun, recoveries: number): void {
    this.began(run);
    run.job.root.liveInTree += 1;
    run.takeUp(recoveries);
  }

  /** Drops every job where it stands. */
  close(error: ArcpError): void {
    for (const run of this.runs.values()) run.letGo(error);
    this.runs.clear();
    this.#sweep?.cancel();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.runs.size > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #keep(job: Job, endedAt = this.#clock.now()): void {
    this.#between.delete(job.id);
    job.forgetDelegated();
    job.log.release();
    if (job.lost) return;
    const { size } = job.log;
    this.#finished.set(job.id, { job, until: endedAt + this.#limits.finishedJobTtlMs, size });
    this.#finishedSize += size;
    this.#forgetSurplus();
    this.#scheduleSweep();
  }

  #forgetSurplus(): void {
    const { maxFinishedJobs, maxFinishedBytes } = this.#limits;
    const now = this.#clock.now();
    const forgotten: Job[] = [];
    for (let oldest = this.#oldest.peek(); oldest !== undefined; oldest = this.#oldest.peek()) {
      const [id, { job, until, size }] = oldest;
      // However large it is, the latest one is kept: its client may still be reading.
      const surplus =
        this.#finished.size > maxFinishedJobs ||
        (this.#finishedSize > maxFinishedBytes && this.#finished.size > 1);
      if (!surplus && until > now) break;
      this.#finished.delete(id);
      this.#finishedSize -= size;
      const { lastPosition } = job.log.order;
      this.#forgotten.note(job.origin.principal, lastPosition);
      this.#forgottenPosition = Math.max(this.#forgottenPosition, lastPosition);
      forgotten.push(job);
    }
    if (forgotten.length > 0) this.#drop(forgotten);
  }

  #scheduleSweep(): void {
    const oldest = this.#oldest.peek();
    if (this.#sweep !== undefined || oldest === undefined) return;
    const { finishedJobTtlMs } = this.#limits;
    const leftMs = oldest[1].until - this.#clock.now();
    this.#sweep = this.#clock.timer(Math.max(leftMs, finishedJobTtlMs / SWEEPS_PER_TTL), () => {
      this.#sweep = undefined;
      this.#forgetSurplus();
      this.#scheduleSweep();
    });
  }
}
