/**
 * Forgets the events of logs that were dropped, in the background, and gives the room back.
 *
 * (X1) A dropped log is out of sight at once; its events go a few at a time, so that the event loop is never held for
 *      longer than a few milliseconds however long the log was. What is left of it when the process ends, the next one
 *      sweeps.
 * (X2) Room that is freed is used again by what is appended. The file shrinks when a good part of it is free.
 * (X3) Sweeping waits for no disk: what a loss of power takes back of it is swept again.
 */
import type { Database, Statement } from 'libsql';
import type { Durability } from './open-database.js';

/** Between two slices of work. */
const PAUSE_MS = 10;
const RETRY_MS = 5_000;
const SLICE_MS = 2;
/** Events that are deleted in one go: of the largest, some milliseconds' worth. */
const EVENTS_AT_ONCE = 16;
/** Pages, of 4 KiB, that are given back in one go. */
const PAGES_AT_ONCE = 256;
/** The file shrinks when at least so many pages are free, and at least this part of all. */
const MIN_FREE_PAGES = 1_024;
const FREE_PART = 1 / 4;

export class Sweep {
  readonly #database: Database;
  readonly #durability: Durability;
  readonly #statements: ReturnType<typeof prepareStatements>;
  #timer: NodeJS.Timeout | undefined;
  #isShrinking = false;

  constructor(database: Database, durability: Durability) {
    this.#database = database;
    this.#durability = durability;
    this.#statements = prepareStatements(database);
  }

  /** There may be something to do. */
  start(): void {
    this.#start(PAUSE_MS);
  }

  #start(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#slice();
    }, ms).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #slice(): void {
    try {
      this.#database.exec('PRAGMA synchronous = NORMAL');
      try {
        if (!this.#delete() && !this.#shrink()) return;
      } finally {
        if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
        if (this.#durability === 'full') this.#database.exec('PRAGMA synchronous = FULL');
      }
    } catch {
      // A full disk, say. What is appended is told of it; here it is tried again.
      this.#start(RETRY_MS);
      return;
    }
    this.#start(PAUSE_MS);
  }

  /** Whether there was something to delete. */
  #delete(): boolean {
    const { nextLog, deleteEvents, forgetLog } = this.#statements;
    const next = (): number | undefined => (nextLog.get() as { readonly log: number } | undefined)?.log;
    let log = next();
    if (log === undefined) return false;
    const until = performance.now() + SLICE_MS;
    this.#database.exec('BEGIN IMMEDIATE');
    while (log !== undefined && performance.now() < until) {
      const { changes } = deleteEvents.run(log, EVENTS_AT_ONCE);
      if (changes === EVENTS_AT_ONCE) continue;
      forgetLog.run(log);
      log = next();
    }
    this.#database.exec('COMMIT');
    return true;
  }

  /** (X2) Whether there may be more to give back. */
  #shrink(): boolean {
    const { free, pages } = this.#statements.room.get() as { readonly free: number; readonly pages: number };
    this.#isShrinking = free > MIN_FREE_PAGES && (this.#isShrinking || free > pages * FREE_PART);
    if (this.#isShrinking) this.#database.exec(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`);
    return this.#isShrinking;
  }
}

function prepareStatements(database: Database) {
  const prepare = <T extends unknown[]>(sql: string): Statement<T> => database.prepare(sql);
  return {
    nextLog: prepare<[]>('SELECT log FROM dropped LIMIT 1'),
    deleteEvents: prepare<[number, number]>(
      'DELETE FROM events WHERE position IN (SELECT position FROM events WHERE log = ? LIMIT ?)',
    ),
    forgetLog: prepare<[number]>('DELETE FROM dropped WHERE log = ?'),
    room: prepare<[]>(
      'SELECT freelist_count AS free, page_count AS pages FROM pragma_freelist_count, pragma_page_count',
    ),
  };
}
