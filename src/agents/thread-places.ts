/**
 * Places for threads, shared by all runtimes of a process (law L7). Whoever finds none waits in line, or gives up.
 *
 * (P1) A thread that waits for its children, or for a person, lends its place: they may need one, and would wait for it
 *      as it waits for them. It takes the place back without waiting, so that for a moment more may run than there are places.
 * (P2) There are never more than `maxThreads`, those that lent their places included. At that number nobody gets a
 *      place that was lent: whoever asks for it is refused, since the lenders would wait for ever.
 */
import { availableParallelism } from 'node:os';
import { ArcpError } from '../protocol/errors.js';

/** A thread's right to run. */
export interface Place {
  /** The thread waits for one more child or person. */
  lend(): void;
  /** A child that it waited for has ended, or a person has answered. */
  takeBack(): void;
  /** The thread is gone. Once; what is called later does nothing. */
  release(): void;
}

interface Waiting {
  readonly give: () => void;
  readonly refuse: () => void;
}

export class ThreadPlaces {
  readonly #maxThreads: number;
  /** Below zero while more run than there are places (P1). */
  #free: number;
  /** Those that run, and those that lent their places. */
  #threads = 0;
  readonly #line = new Set<Waiting>();

  constructor(places: number, maxThreads: number) {
    this.#free = places;
    this.#maxThreads = maxThreads;
  }

  /**
   * Resolves with a place. Rejects with the signal's reason when that is aborted first, and with RESOURCE_EXHAUSTED
   * at the most threads (P2).
   */
  async take(signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      if (this.#isFull) throw this.#tooMany();
      return this.#give();
    }
    return new Promise<Place>((resolve, reject) => {
      const giveUp = (): void => {
        this.#line.delete(waiting);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        give: () => {
          signal.removeEventListener('abort', giveUp);
          resolve(this.#give());
        },
        refuse: () => {
          signal.removeEventListener('abort', giveUp);
          reject(this.#tooMany());
        },
      };
      this.#line.add(waiting);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  get #isFull(): boolean {
    return this.#threads >= this.#maxThreads;
  }

  #tooMany(): ArcpError {
    return new ArcpError('RESOURCE_EXHAUSTED', `there are ${this.#threads} agent threads already`);
  }

  #give(): Place {
    this.#free -= 1;
    this.#threads += 1;
    let children = 0;
    let gone = false;
    return {
      lend: () => {
        if (gone) return;
        children += 1;
        if (children === 1) this.#giveBack();
      },
      takeBack: () => {
        if (gone) return;
        children -= 1;
        if (children === 0) this.#free -= 1;
      },
      release: () => {
        if (gone) return;
        gone = true;
        this.#threads -= 1;
        if (children === 0) this.#giveBack();
      },
    };
  }

  /** Hands the place to whoever waits longest. */
  #giveBack(): void {
    this.#free += 1;
    for (const waiting of this.#line) {
      if (this.#free <= 0) return;
      this.#line.delete(waiting);
      if (this.#isFull) waiting.refuse();
      else waiting.give();
    }
  }
}

/** Twice as many as run at once: agents also wait. */
const PLACES = Math.max(2, 2 * availableParallelism());

/** Each has a heap of its own. */
const MAX_THREADS = Math.max(64, 4 * PLACES);

export const threadPlaces = new ThreadPlaces(PLACES, MAX_THREADS);
