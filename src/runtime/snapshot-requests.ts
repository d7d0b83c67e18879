/**
 * Clients that ask a running job for a checkpoint (`checkpoint.create`): its agent says what to keep.
 * Whoever asks while the agent is at it gets the same checkpoint (law L7).
 */
import { ArcpError } from '../protocol/errors.js';

export class SnapshotRequests {
  #snapshot: (() => unknown) | undefined;
  #pending: Promise<string> | undefined;

  /** The agent can be asked from now on. */
  listen(snapshot: () => unknown): void {
    this.#snapshot = snapshot;
  }

  /**
   * Asks the agent, and hands what it gave to `keep`, whose checkpoint id this resolves with. Rejects with
   * FAILED_PRECONDITION when the agent cannot be asked, and with what it throws.
   */
  ask(keep: (data: unknown) => Promise<string>): Promise<string> {
    if (this.#snapshot === undefined) {
      const message = 'the agent makes no checkpoints on request: give a snapshot, or wait for its own';
      return Promise.reject(new ArcpError('FAILED_PRECONDITION', message));
    }
    const snapshot = this.#snapshot;
    this.#pending ??= Promise.resolve()
      .then(snapshot)
      .then(keep)
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }
}
