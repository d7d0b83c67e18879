/** The two times at which a job is stopped whatever it does: the end of its lease, and of its running time. */
import type { Clock, Timer } from '../clock.js';
import { ArcpError } from '../protocol/errors.js';
import type { Job, JobOrigin } from './job.js';

/** What is to be done, for the details of a refusal. */
export type GuardedAct = Readonly<Record<'capability' | 'target', string>>;

type Bounded = Pick<Job, 'startedAt'> & {
  readonly origin: Pick<JobOrigin, 'agent' | 'bounds' | 'maxRuntimeMs'>;
};

export class JobDeadlines {
  readonly #job: Bounded;
  readonly #clock: Clock;
  readonly #passed: (error: ArcpError) => void;
  #lease: Timer | undefined;
  #runtime: Timer | undefined;

  /** @param passed is told of the first that passes: LEASE_EXPIRED or TIMEOUT */
  constructor(job: Bounded, clock: Clock, passed: (error: ArcpError) => void) {
    this.#job = job;
    this.#clock = clock;
    this.#passed = passed;
  }

  /** The lease counts from when the job is accepted. */
  watchLease(): void {
    const { expiresAt } = this.#job.origin.bounds;
    if (expiresAt === undefined) return;
    this.#lease = this.#clock.timer(expiresAt - this.#clock.now(), () => {
      this.#passed(leaseExpired());
    });
  }

  /**
   * Running time is the job's, from when its agent first starts: what an attempt before has used is gone, and so is the time
   * between two attempts. Nothing happens before that.
   */
  watchRuntime(): void {
    const { agent, maxRuntimeMs } = this.#job.origin;
    const { startedAt } = this.#job;
    if (maxRuntimeMs === undefined || startedAt === undefined || this.#runtime !== undefined) return;
    this.#runtime = this.#clock.timer(startedAt + maxRuntimeMs - this.#clock.now(), () => {
      this.#passed(new ArcpError('TIMEOUT', `${agent} ran longer than ${maxRuntimeMs} ms`));
    });
  }

  /** How much running time is left. */
  get runtimeLeftMs(): number | undefined {
    const { maxRuntimeMs } = this.#job.origin;
    const { startedAt } = this.#job;
    if (maxRuntimeMs === undefined || startedAt === undefined) return maxRuntimeMs;
    return Math.max(1, startedAt + maxRuntimeMs - this.#clock.now());
  }

  cancel(): void {
    this.#lease?.cancel();
    this.#runtime?.cancel();
  }

  /** Throws LEASE_EXPIRED when the lease has run out, be the timer that says so late or not (L4). */
  refuseExpired(act?: GuardedAct): void {
    const { expiresAt } = this.#job.origin.bounds;
    if (expiresAt !== undefined && expiresAt <= this.#clock.now()) throw leaseExpired(act);
  }
}

function leaseExpired(act?: GuardedAct): ArcpError {
  return new ArcpError('LEASE_EXPIRED', 'the lease has run out', { details: act });
}
