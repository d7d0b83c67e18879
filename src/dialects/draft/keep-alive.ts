/**
 * Liveness of a connection that agreed on heartbeats (draft-1.1 §6.4): something goes out in every interval, and a client
 * that says nothing in two of them is let go. Its jobs are not touched, and its session waits for it.
 */
import type { Clock, Timer } from '../../clock.js';

/** Silent intervals after which the other side counts as lost. */
const MISSES = 2;

export class KeepAlive {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #on: { ping(): void; lost(): void };
  #timer: Timer | undefined;
  #heard = true;
  #said = true;
  #silent = 0;

  constructor(clock: Clock, intervalMs: number, on: { ping(): void; lost(): void }) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#on = on;
    this.#arm();
  }

  /** Something came. */
  heard(): void {
    this.#heard = true;
  }

  /** Something was sent. */
  said(): void {
    this.#said = true;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#clock.timer(this.#intervalMs, () => {
      this.#silent = this.#heard ? 0 : this.#silent + 1;
      if (this.#silent >= MISSES) {
        this.#on.lost();
        return;
      }
      if (!this.#said) this.#on.ping();
      this.#heard = false;
      this.#said = false;
      this.#arm();
    });
  }
}
