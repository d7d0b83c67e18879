/**
 * When to try again: exponential backoff with full jitter, so that the clients of a restarted runtime do not come
 * back all at once. The n-th delay is uniform in [0, min(maxDelayMs, initialDelayMs · 2^(n-1))).
 */
export interface ReconnectPolicy {
  /** Upper bound of the first delay. Default 100 ms. */
  readonly initialDelayMs: number;
  /** Upper bound of every delay. Default 10,000 ms. */
  readonly maxDelayMs: number;
  /** Attempts in a row that may fail before the client closes for good. Default 20: about a minute of trying. */
  readonly maxAttempts: number;
}

export const DEFAULT_RECONNECT: ReconnectPolicy = {
  initialDelayMs: 100,
  maxDelayMs: 10_000,
  maxAttempts: 20,
};

export class Backoff {
  readonly #policy: ReconnectPolicy;
  readonly #random: () => number;
  #failures = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(policy: ReconnectPolicy, random: () => number) {
    this.#policy = policy;
    this.#random = random;
  }

  get attempts(): number {
    return this.#failures;
  }

  /** Milliseconds until the next attempt, or `undefined` when there have been enough. */
  next(): number | undefined {
    if (this.#failures >= this.#policy.maxAttempts) return undefined;
    const ceiling = Math.min(this.#policy.maxDelayMs, this.#policy.initialDelayMs * 2 ** this.#failures);
    this.#failures += 1;
    return this.#random() * ceiling;
  }

  /** After a success. */
  reset(): void {
    this.#failures = 0;
  }
}
