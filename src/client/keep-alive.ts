/**
 * Notices a connection that is open but dead. A runtime may be silent for long, so silence is answered with a ping,
 * and only silence after the ping counts: a dead connection is found after two to three intervals.
 */
import type { Clock, Timer } from '../clock.js';

export class KeepAlive {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #ping: () => void;
  readonly #lost: () => void;
  #silence: 'none' | 'silent' | 'pinged' = 'none';
  #timer: Timer;

  constructor(clock: Clock, intervalMs: number, ping: () => void, lost: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#ping = ping;
    this.#lost = lost;
    this.#timer = this.#arm();
  }

  /** A frame came. */
  heard(): void {
    this.#silence = 'none';
  }

  stop(): void {
    this.#timer.cancel();
  }

  #arm(): Timer {
    return this.#clock.timer(this.#intervalMs, () => {
      switch (this.#silence) {
        case 'none':
          this.#silence = 'silent';
          break;
        case 'silent':
          this.#silence = 'pinged';
          this.#ping();
          break;
        case 'pinged':
          this.#lost();
          return;
      }
      this.#timer = this.#arm();
    });
  }
}
