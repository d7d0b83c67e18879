/**
 * Forgets whole logs (law L7) without losing count (law L3): a session's numbering is rebuilt from its logs after a
 * restart, so that before one of them goes, the session notes how far the numbering had come with it.
 *
 * (F1) A log goes after everything that was appended to it is committed.
 * (F2) With a durable store, the notes of the sessions are committed before the logs go. Logs go in batches, since each
 *      batch costs each session one note at most.
 * (F3) The keys of the jobs do without the logs from then on (`idempotency.ts`, D1).
 * (F4) Up to which commit jobs may be missing is kept too: whoever asks for what came after a message is told when not
 *      all of it is there, over restarts.
 * (F5) What the store will not forget now, it is asked to forget again. A job of which nobody has noted yet what it had
 *      spent, as somebody has to (`tree-account.ts`, T2), waits with it.
 */
import { ArcpError } from '../protocol/errors.js';
import type { Clock, Timer } from '../clock.js';
import type { Store } from '../store/store.js';
import type { IdempotencyKeys } from './idempotency.js';
import type { Job } from './job.js';
import type { JobTable } from './job-table.js';
import type { Journal } from './journal.js';
import type { Logger } from './logger.js';
import type { SessionTable } from './session-table.js';
import { isAccounted, noteSpending } from './tree-account.js';

const BATCH = 1_024;
const LONGEST_WAIT_MS = 1_000;
const RETRY_MS = 10_000;

export interface ForgettingContext {
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sessions: SessionTable;
  readonly keys: IdempotencyKeys;
  readonly jobs: JobTable;
}

/** The document of (F4). */
const FORGOTTEN = 'forgotten';

export class Forgetting {
  readonly #context: ForgettingContext;
  #waiting: string[] = [];
  /** Those of the jobs whose logs are to go. */
  readonly #jobs = new Map<string, Job>();
  #timer: Timer | undefined;
  #closed = false;
  /** Of the document of (F4), and what it says. */
  #revision = 0;
  #noted = 0;

  constructor(context: ForgettingContext) {
    this.#context = context;
  }

  /** Takes up what an earlier life noted (F4). */
  async restore(): Promise<void> {
    const { store, jobs } = this.#context;
    for (const { key, revision, text } of await store.documents(FORGOTTEN)) {
      if (key !== FORGOTTEN) continue;
      this.#revision = revision;
      this.#noted = (JSON.parse(text) as { readonly position: number }).position;
    }
    jobs.startAfter(this.#noted);
  }

  /** (F4) */
  #note(): Promise<void> {
    const { journal, jobs } = this.#context;
    const position = jobs.forgottenPosition;
    if (position <= this.#noted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#revision += 1;
      journal.append({
        kind: 'document',
        key: FORGOTTEN,
        revision: this.#revision,
        text: JSON.stringify({ position }),
        settled: (error) => {
          if (error === undefined) {
            this.#noted = Math.max(this.#noted, position);
            resolve();
          } else {
            this.#revision -= 1;
            reject(ArcpError.from(error));
          }
        },
      });
    });
  }

  /** `forget` for the logs of jobs. */
  forgetJobs(jobs: readonly Job[]): void {
    if (this.#context.store.durable) {
      for (const job of jobs) {
        noteSpending(job, this.#context.jobs.all());
        this.#jobs.set(job.id, job);
      }
    }
    this.forget(jobs.map(({ id }) => id));
  }

  forget(logs: readonly string[]): void {
    const isFirst = this.#waiting.length === 0;
    this.#waiting.push(...logs);
    if (!this.#context.store.durable) {
      // Those of one group go together.
      if (isFirst) queueMicrotask(() => this.#dropWaiting());
      return;
    }
    if (this.#waiting.length >= BATCH) this.#dropWaiting();
    else this.#timer ??= this.#context.clock.timer(LONGEST_WAIT_MS, () => this.#dropWaiting());
  }

  /** What still waits stays in the store; the next life forgets it. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#waiting = [];
    this.#jobs.clear();
  }

  #dropWaiting(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const logs = this.#waiting;
    this.#waiting = [];
    if (logs.length > 0) this.#drop(logs);
  }

  #drop(logs: readonly string[]): void {
    this.#tryDrop(logs).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#context.logger.error({ logs: logs.length, reason }, 'the store cannot forget logs');
      this.#dropLater(logs);
    });
  }

  async #tryDrop(logs: readonly string[]): Promise<void> {
    const { store, journal, sessions, keys, jobs } = this.#context;
    for (const log of logs) {
      const job = this.#jobs.get(log);
      if (job !== undefined) noteSpending(job, jobs.all());
    }
    await journal.flushed();
    const free = logs.filter((log) => this.#isFree(log));
    if (free.length < logs.length) this.#dropLater(logs.filter((log) => !free.includes(log)));
    if (free.length === 0) return;
    if (store.durable) await Promise.all([this.#note(), sessions.noteBefore(new Set(free))]);
    await keys.keepEnds(free);
    await store.drop(free);
    for (const log of free) this.#jobs.delete(log);
  }

  /** (F5) Asked when everything that was appended is committed or lost. */
  #isFree(log: string): boolean {
    const job = this.#jobs.get(log);
    return job === undefined || isAccounted(job, this.#context.jobs.all());
  }

  #dropLater(logs: readonly string[]): void {
    if (this.#closed) return;
    this.#waiting.push(...logs);
    this.#timer ??= this.#context.clock.timer(RETRY_MS, () => this.#dropWaiting());
  }
}
