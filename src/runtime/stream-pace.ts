/**
 * How fast one stream of a job may flow: what its consumer asks for by `backpressure` (RFC 0001 §11).
 *
 * (P1) The latest wish counts, all of it: a rate in chunks per second, where 0 is none at all, and the bytes that may
 *      still come before the next wish. What it leaves out is not limited.
 * (P2) Nobody is held back for longer than `maxPauseMs`: then the wish is forgotten, so that a consumer that has gone
 *      away never keeps a job from its end. `lift` forgets it at once and for good.
 */
import type { Clock, Timer } from '../clock.js';

export interface PaceWish {
  readonly desired_rate_per_second?: number | undefined;
  readonly buffer_remaining_bytes?: number | undefined;
}

interface Waiting {
  readonly bytes: number;
  /** When it goes all the same. */
  readonly until: number;
  readonly go: () => void;
}

export class StreamPace {
  readonly #clock: Clock;
  readonly #maxPauseMs: number;
  #rate = Infinity;
  #roomBytes = Infinity;
  /** When the next chunk may go by the rate. */
  #nextAt = 0;
  #lifted = false;
  readonly #line: Waiting[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, maxPauseMs: number) {
    this.#clock = clock;
    this.#maxPauseMs = maxPauseMs;
  }

  /** (P1) */
  wish({ desired_rate_per_second: rate, buffer_remaining_bytes: room }: PaceWish): void {
    if (this.#lifted) return;
    this.#rate = rate ?? Infinity;
    this.#roomBytes = room ?? Infinity;
    this.#advance();
  }

  /** Nobody waits any more, now or later. */
  lift(): void {
    this.#lifted = true;
    this.#forget();
    this.#advance();
  }

  /** Whether a chunk of this size may go now; otherwise when. Chunks go in the order in which they asked. */
  admit(bytes: number): Promise<void> | undefined {
    if (this.#line.length === 0 && this.#isFree(bytes)) {
      this.#take(bytes);
      return undefined;
    }
    return new Promise((go) => {
      this.#line.push({ bytes, until: this.#clock.now() + this.#maxPauseMs, go });
      this.#advance();
    });
  }

  #isFree(bytes: number): boolean {
    return this.#rate > 0 && bytes <= this.#roomBytes && this.#nextAt <= this.#clock.now();
  }

  #take(bytes: number): void {
    this.#roomBytes -= bytes;
    if (this.#rate < Infinity) this.#nextAt = this.#clock.now() + 1_000 / this.#rate;
  }

  #forget(): void {
    this.#rate = Infinity;
    this.#roomBytes = Infinity;
    this.#nextAt = 0;
  }

  #advance(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      const now = this.#clock.now();
      if (first.until <= now) this.#forget();
      if (!this.#isFree(first.bytes)) {
        const isOnlyEarly = this.#rate > 0 && first.bytes <= this.#roomBytes;
        const due = isOnlyEarly ? Math.min(this.#nextAt, first.until) : first.until;
        this.#timer = this.#clock.timer(due - now, () => {
          this.#advance();
        });
        return;
      }
      this.#line.shift();
      this.#take(first.bytes);
      first.go();
    }
  }
}
