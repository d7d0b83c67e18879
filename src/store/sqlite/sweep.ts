/**
 * Gives back the room of logs that were dropped, in the background.
 *
 * (X1) A dropped log is out of sight at once; its room comes back a few batches at a time, so that the event loop is never
 *      held for longer than a few milliseconds however long the log was. What is left of it when the process ends, the
 *      next one sweeps.
 * (X2) Room that is freed is used again by what is appended. A batch goes when nothing in it is kept, and is written anew
 *      without the rest when less than half of it is: what is dead is never more than what is kept, and a record is
 *      written again only for at least as much that goes. The file shrinks when a good part of it is free.
 * (X3) Sweeping waits for no disk: what a loss of power takes back of it is swept again.
 * (X4) The latest batch stays, if only empty, since it says which positions were given.
 */
import type { Database, Statement } from 'libsql';
import { recordsOf, withOnly, type BatchRow } from './batch.js';
import { isSparse, type Batch, type Drop, type Log, type LogIndex, type Span } from './log-index.js';
import type { Durability } from './open-database.js';

/** Between two slices of work. */
const PAUSE_MS = 10;
const RETRY_MS = 5_000;
const SLICE_MS = 2;
/** Spans that are counted between two looks at the clock. */
const SPANS_AT_ONCE = 1_024;
/** Pages, of 4 KiB, that are given back in one go. */
const PAGES_AT_ONCE = 256;
/** The file shrinks when at least so many pages are free, and at least this part of all. */
const MIN_FREE_PAGES = 1_024;
const FREE_PART = 1 / 4;

export class Sweep {
  readonly #database: Database;
  readonly #durability: Durability;
  readonly #index: LogIndex;
  readonly #onChange: (batch: Batch) => void;
  readonly #statements: ReturnType<typeof prepareStatements>;
  #timer: NodeJS.Timeout | undefined;
  #isShrinking = false;
  /** Logs that are gone, but still count in their batches. */
  #dropped: Log[] = [];
  readonly #sparse = new Set<Batch>();
  /** Drops that nothing in the file has to be told of any more. */
  #spent: Drop[] = [];

  /** @param onChange told of each batch that is not any more what it was */
  constructor(database: Database, durability: Durability, index: LogIndex, onChange: (batch: Batch) => void) {
    this.#database = database;
    this.#durability = durability;
    this.#index = index;
    this.#onChange = onChange;
    this.#statements = prepareStatements(database);
  }

  /** What an earlier life left to be swept. */
  restore(drops: readonly Drop[], sparse: readonly Batch[]): void {
    for (const batch of sparse) this.#sparse.add(batch);
    this.#spent = drops.filter(({ remaining }) => remaining === 0);
    this.#start(PAUSE_MS);
  }

  /** These logs are gone. */
  dropped(logs: readonly Log[]): void {
    for (const log of logs) this.#dropped.push(log);
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
    const until = performance.now() + SLICE_MS;
    this.#count(until);
    try {
      this.#database.exec('PRAGMA synchronous = NORMAL');
      try {
        if (!this.#clear(until) && !this.#shrink()) return;
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

  /** Finds the batches that have become sparse. */
  #count(until: number): void {
    let counted = 0;
    for (let log = this.#dropped.at(-1); log !== undefined; log = this.#dropped.at(-1)) {
      for (let span = log.spans.pop(); span !== undefined; span = log.spans.pop()) {
        if (span.bytes > 0) {
          span.batch.live -= span.bytes;
          if (isSparse(span.batch)) this.#sparse.add(span.batch);
        }
        counted += 1;
        if (counted % SPANS_AT_ONCE === 0 && performance.now() >= until) return;
      }
      this.#dropped.pop();
    }
  }

  /** (X2) Whether there was something to do, or is. */
  #clear(until: number): boolean {
    const spent = this.#spent;
    if (this.#sparse.size + spent.length === 0) return this.#dropped.length > 0;
    const { deleteBatch, forgetDrop } = this.#statements;
    const cleared = new Map<Batch, readonly Span[]>();
    this.#database.exec('BEGIN IMMEDIATE');
    for (const { id } of spent) forgetDrop.run(id);
    for (const batch of this.#sparse) {
      const isLast = this.#index.isLast(batch);
      if (isLast && batch.bytes === 0) continue;
      const kept = batch.spans.filter(({ log }) => log.drop === undefined);
      // (X4)
      if (kept.length === 0 && !isLast) deleteBatch.run(batch.last);
      else this.#rewrite(batch, kept);
      cleared.set(batch, kept);
      if (performance.now() >= until) break;
    }
    this.#database.exec('COMMIT');
    this.#spent = [];
    for (const [batch, kept] of cleared) this.#cleared(batch, kept);
    return cleared.size + spent.length + this.#dropped.length > 0;
  }

  /** Leaves only what is kept in a batch. */
  #rewrite(batch: Batch, kept: readonly Span[]): void {
    const { readBatch, replaceBatch } = this.#statements;
    const row = readBatch.get(batch.last) as BatchRow;
    const slots = new Map(kept.map(({ slot }, index) => [slot, index]));
    const records = recordsOf(row).filter((record) => this.#index.isKept(record));
    const { records: text, bodies } = withOnly(row, records, slots);
    replaceBatch.run(text, bodies, batch.last);
  }

  /** The file has it as it should be. */
  #cleared(batch: Batch, kept: readonly Span[]): void {
    for (const span of batch.spans) {
      const { drop } = span.log;
      if (drop === undefined) continue;
      span.bytes = 0;
      if (span.from !== 1) continue;
      drop.remaining -= 1;
      if (drop.remaining === 0) this.#spent.push(drop);
    }
    for (const [slot, span] of kept.entries()) span.slot = slot;
    batch.spans = [...kept];
    batch.bytes = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    batch.live = batch.bytes;
    if (!this.#index.isLast(batch) || batch.bytes > 0) this.#sparse.delete(batch);
    this.#onChange(batch);
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
    readBatch: prepare<[number]>('SELECT last, first, records, bodies FROM batches WHERE last = ?'),
    replaceBatch: prepare<[string, Buffer, number]>(
      'UPDATE batches SET records = ?, bodies = ? WHERE last = ?',
    ),
    deleteBatch: prepare<[number]>('DELETE FROM batches WHERE last = ?'),
    forgetDrop: prepare<[number]>('DELETE FROM drops WHERE id = ?'),
    room: prepare<[]>(
      'SELECT freelist_count AS free, page_count AS pages FROM pragma_freelist_count, pragma_page_count',
    ),
  };
}
