/**
 * Ctrl-C. The first one asks for an orderly end, the second one ends at once. SIGTERM asks too, but never hurries:
 * whoever sends it after a terminal's Ctrl-C must not cut short what is ending in order.
 */
import { EXIT } from './exit-codes.js';

export class Interruption {
  readonly #controller = new AbortController();
  #pressed = false;

  constructor() {
    process.on('SIGINT', () => {
      if (this.#pressed) process.exit(EXIT.interrupted);
      this.#pressed = true;
      this.#controller.abort(new Error('interrupted'));
    });
    process.on('SIGTERM', () => this.#controller.abort(new Error('terminated')));
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
}
