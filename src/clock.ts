/** Time, injected so that tests can own it. Made of what a browser has too. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `run` once after `ms`. Any finite delay is kept, also beyond 2^31 − 1 ms. */
  timer(ms: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** The longest delay that `setTimeout` keeps; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle: ReturnType<typeof setTimeout>;

  constructor(ms: number, run: () => void) {
    this.#handle = this.#arm(ms, run);
  }

  #arm(ms: number, run: () => void): ReturnType<typeof setTimeout> {
    if (ms <= LONGEST_TIMEOUT_MS) return setTimeout(run, ms);
    return setTimeout(() => {
      this.#handle = this.#arm(ms - LONGEST_TIMEOUT_MS, run);
    }, LONGEST_TIMEOUT_MS);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  timer: (ms, run) => new SystemTimer(Math.max(0, ms), run),
};
