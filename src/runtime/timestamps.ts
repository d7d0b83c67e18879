import type { Clock } from '../clock.js';

/** RFC 3339 timestamps of a clock; the text of one millisecond is made once. */
export class Timestamps {
  readonly #clock: Clock;
  #ms = Number.NaN;
  #text = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): string {
    const ms = this.#clock.now();
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#text = new Date(ms).toISOString();
    }
    return this.#text;
  }
}
