/** Places for threads, shared by all runtimes of a process (law L7). Whoever finds none waits in line, or gives up. */
import { availableParallelism } from 'node:os';

export class ThreadPlaces {
  #free: number;
  readonly #line = new Set<() => void>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Resolves with a place, to be given back by `release`. Rejects with the signal's reason when that is aborted first. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        this.#line.delete(called);
        reject(signal.reason as Error);
      };
      const called = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      this.#line.add(called);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Hands the place to whoever waits longest. */
  release(): void {
    for (const called of this.#line) {
      this.#line.delete(called);
      called();
      return;
    }
    this.#free += 1;
  }
}

/** Twice as many as run at once: agents also wait. */
export const threadPlaces = new ThreadPlaces(Math.max(2, 2 * availableParallelism()));
