/**
 * The processes of one agent: how many there are, and which of them wait for another job.
 *
 * (O1) There are at most `most` at once, those that wait included, beside those that make room and are about to be gone; a
 *      job beyond waits for its turn, in order.
 * (O2) A process has the walls that it was started with, and what it has seen it may remember: only jobs of one principal
 *      with the same walls share it. For others it makes room.
 * (O3) One that has waited for `IDLE_MS` is dismissed. When the pool is closed none of them is left.
 */
import type { Clock, Timer } from '../../clock.js';
import type { ProcessWorker } from './process-worker.js';

/** How long a process waits for another job. */
const IDLE_MS = 60_000;

interface Idle {
  readonly worker: ProcessWorker;
  readonly key: string;
  readonly patience: Timer;
}

interface Waiting {
  readonly enter: () => void;
  readonly leave: (reason: unknown) => void;
}

export class WorkerPool {
  readonly #most: number;
  readonly #warm: number;
  /** Processes that work, are being started, or end. */
  #busy = 0;
  /** All that are not gone. */
  readonly #workers = new Set<ProcessWorker>();
  /** The oldest first. */
  #idle: Idle[] = [];
  #waiting: Waiting[] = [];
  #isClosed = false;

  /** @param warm how many may wait for another job */
  constructor(most: number, warm: number) {
    this.#most = most;
    this.#warm = warm;
  }

  /**
   * Room for a process, or one that is there already. Rejects with the signal's reason when the job is stopped first.
   * @param waits is told that it takes a while, and when it is over
   */
  async enter(
    key: string,
    signal: AbortSignal,
    waits: (isWaiting: boolean) => void,
  ): Promise<ProcessWorker | undefined> {
    signal.throwIfAborted();
    if (this.#busy >= this.#most) {
      waits(true);
      try {
        await this.#turn(signal);
      } finally {
        waits(false);
      }
    } else {
      this.#busy += 1;
    }
    const at = this.#idle.findLastIndex((idle) => idle.key === key && idle.worker.isIdle);
    const [found] = at === -1 ? [] : this.#idle.splice(at, 1);
    found?.patience.cancel();
    if (found === undefined) this.#makeRoom(this.#most - this.#busy);
    return found?.worker;
  }

  /** A process was started. */
  add(worker: ProcessWorker): void {
    this.#workers.add(worker);
    if (this.#isClosed) worker.kill();
    void worker.gone.then(() => {
      this.#workers.delete(worker);
      this.#dismiss(worker);
    });
  }

  /** The job is done: its process waits for another where it can, or is dismissed. */
  leave(key: string, worker: ProcessWorker | undefined, clock: Clock): void {
    if (worker !== undefined && worker.isIdle && this.#warm > 0 && !this.#isClosed) {
      this.#makeRoom(this.#warm - 1);
      const patience = clock.timer(IDLE_MS, () => {
        this.#dismiss(worker);
      });
      this.#idle.push({ worker, key, patience });
      this.#free();
      return;
    }
    if (worker === undefined) {
      this.#free();
      return;
    }
    worker.dismiss();
    // It counts until it is gone (O1).
    void worker.gone.then(() => {
      this.#free();
    });
  }

  /** Ends them all; whatever they did is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { patience } of this.#idle) patience.cancel();
    this.#idle = [];
    const workers = [...this.#workers];
    for (const worker of workers) worker.kill();
    await Promise.all(workers.map(({ gone }) => gone));
  }

  #free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy -= 1;
    else next.enter();
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        waiting.leave(signal.reason);
      };
      const waiting: Waiting = {
        enter: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
        leave: reject,
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Dismisses those that have waited longest, so that no more than `most` wait. */
  #makeRoom(most: number): void {
    while (this.#idle.length > Math.max(0, most)) {
      const oldest = this.#idle[0];
      if (oldest !== undefined) this.#dismiss(oldest.worker);
    }
  }

  #dismiss(worker: ProcessWorker): void {
    const idle = this.#idle.find((one) => one.worker === worker);
    if (idle === undefined) return;
    this.#idle = this.#idle.filter((one) => one !== idle);
    idle.patience.cancel();
    worker.dismiss();
  }
}
