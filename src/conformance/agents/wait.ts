/** How a waiting agent waits: on one timer, never in a loop, and no longer than its job lives. */
import type { Clock } from '../../clock.js';

/** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as the signal is aborted. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

export function waitOn(clock: Clock): Wait {
  return (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(reasonOf(signal));
        return;
      }
      const onAbort = (): void => {
        timer.cancel();
        reject(reasonOf(signal));
      };
      const timer = clock.timer(ms, () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
}

/** Rejects with the signal's reason once it is aborted, and never settles otherwise. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(reasonOf(signal));
    else signal.addEventListener('abort', () => reject(reasonOf(signal)), { once: true });
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}
