/**
 * Whether a running job lives (decisions 7 and 23): sends heartbeats for agents that leave it to the runtime, and watches
 * those that send their own. Two windows in a row without a sign are the end, or a block where the runtime says so. When
 * it is the runtime that was held up, what came meanwhile has yet to be read: the silence counts from then on.
 */
import type { Timer } from '../clock.js';
import type { EngineContext } from './engine-context.js';
import type { Job } from './job.js';

/** Windows without any sign after which a job counts as lost (RFC 0001 §10.3). */
const MISSES = 2;

export class Liveness {
  readonly #job: Job;
  readonly #mode: 'auto' | 'manual';
  readonly #context: EngineContext;
  readonly #onLost: () => void;
  #watched: boolean;
  #rests = false;
  #isHeld = false;
  #timer: Timer | undefined;
  #lastSign = 0;
  #windowMs: number;

  constructor(job: Job, mode: 'auto' | 'manual', context: EngineContext, onLost: () => void) {
    this.#job = job;
    this.#mode = mode;
    this.#watched = mode === 'manual';
    this.#context = context;
    this.#onLost = onLost;
    this.#windowMs = job.origin.heartbeatMs;
  }

  start(): void {
    if (this.#mode === 'auto') this.#armBeat();
    else this.#armWatch();
  }

  /** From now on silence is no reason any more: something else will end the job. */
  unwatch(): void {
    this.#watched = false;
    if (this.#mode === 'manual') this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Whether the agent waits for room to run: until it has some, its silence says nothing. */
  rest(rests: boolean): void {
    this.#rests = rests;
    this.#lastSign = this.#context.clock.now();
  }

  /** The job waits for a person: it is blocked, and its silence says nothing. */
  hold(): void {
    this.#isHeld = true;
  }

  /** It waits no longer: the watch begins anew. */
  goOn(): void {
    this.#isHeld = false;
    if (this.#watched) this.#armWatch();
  }

  /** Any sign of life. Cheap: the watch looks at it when it is due. */
  sign(): void {
    if (!this.#watched) return;
    if (this.#job.state === 'blocked' && !this.#isHeld) this.beat(undefined);
    else this.#lastSign = this.#context.clock.now();
  }

  /** A heartbeat of the agent's own; `deadlineMs` says when the next is due at the latest. */
  beat(deadlineMs: number | undefined): void {
    const interval = this.#job.origin.heartbeatMs;
    this.#windowMs = Math.max(interval, deadlineMs ?? 0);
    this.#job.heartbeat(deadlineMs ?? 2 * interval, this.#isHeld ? this.#job.state : 'running');
    if (this.#watched) this.#armWatch();
  }

  #armBeat(): void {
    const interval = this.#job.origin.heartbeatMs;
    this.#timer = this.#context.clock.timer(interval, () => {
      this.#job.heartbeat(2 * interval);
      this.#armBeat();
    });
  }

  #armWatch(): void {
    this.stop();
    this.#lastSign = this.#context.clock.now();
    this.#watchUntil(this.#lastSign + MISSES * this.#windowMs);
  }

  #watchUntil(due: number): void {
    const { clock } = this.#context;
    this.#timer = clock.timer(due - clock.now(), () => {
      const wasHeldUp = clock.now() - due > this.#windowMs / 2;
      if (this.#rests || this.#isHeld || wasHeldUp) this.#lastSign = clock.now();
      const next = this.#lastSign + MISSES * this.#windowMs;
      if (next > clock.now()) this.#watchUntil(next);
      else this.#lost();
    });
  }

  /** The watch rests while the job is blocked; its next sign of life sets it running again. */
  #lost(): void {
    this.stop();
    if (this.#context.heartbeatRecovery === 'fail') this.#onLost();
    else this.#job.heartbeat(2 * this.#windowMs, 'blocked');
  }
}
