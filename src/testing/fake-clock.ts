/**
 * A clock that stands still until it is moved. Timers fire in the order in which they are due, and everything that one
 * sets off without further waiting has happened before the next fires.
 */
import type { Clock, Timer } from '../clock.js';

interface Scheduled {
  readonly due: number;
  readonly order: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Set<Scheduled>();

  /** @param start milliseconds since the epoch; default 2026-01-01T00:00:00Z */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  timer(ms: number, run: () => void): Timer {
    const scheduled: Scheduled = { due: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#timers.add(scheduled);
    return { cancel: () => void this.#timers.delete(scheduled) };
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets everything run that waits for nothing but its turn. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves the time on by `ms`, firing what becomes due on the way. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.run();
      await this.settle();
    }
    this.#now = until;
  }

  #next(until: number): Scheduled | undefined {
    let next: Scheduled | undefined;
    for (const timer of this.#timers) {
      if (timer.due > until) continue;
      if (
        next === undefined ||
        timer.due < next.due ||
        (timer.due === next.due && timer.order < next.order)
      ) {
        next = timer;
      }
    }
    return next;
  }
}
