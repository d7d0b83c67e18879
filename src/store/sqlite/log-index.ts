/**
 * Where the records of every log are, in memory: of each log only in which batches, so that it is as long as the list of
 * logs that the runtime keeps, and not as their events.
 *
 * (I1) A log is known by the position of its first record, which is never given again: one that was dropped and one of
 *      the same name that began since are two.
 * (I2) A log is whole or gone. Records whose log's first record is not there any more are of a log that was dropped, so
 *      that a drop has to be remembered only as long as first records are there.
 */
import { recordsOf, sizeOf, type BatchRecord } from './batch.js';

/** Logs that were dropped together. */
export interface Drop {
  readonly id: number;
  /** Logs whose first record is still in the file (I2). */
  remaining: number;
}

export interface Log {
  /** The position of its first record (I1). */
  readonly id: number;
  readonly name: string;
  readonly hasHead: boolean;
  length: number;
  /** In order. */
  readonly spans: Span[];
  /** Set when it is gone. */
  drop: Drop | undefined;
}

/** The records of one log in one batch: `from`, and those that follow. */
export interface Span {
  readonly log: Log;
  readonly batch: Batch;
  slot: number;
  readonly from: number;
  count: number;
  /** What they take in the batch. 0 when they are not in it any more. */
  bytes: number;
}

export interface Batch {
  /** The positions of its first and its last record. */
  readonly first: number;
  last: number;
  spans: Span[];
  /** Of all records in it, and of those whose logs are kept. */
  bytes: number;
  live: number;
}

/** What the file has, as it is read when it is opened. */
export interface Found {
  readonly batches: Iterable<{ readonly first: number; readonly last: number; readonly records: string }>;
  readonly drops: readonly { readonly id: number; readonly logs: readonly number[] }[];
}

export class LogIndex {
  /** In the order in which they began. */
  readonly #logs = new Map<string, Log>();
  #last: Batch | undefined;
  #newestFirst: Log[] | undefined;

  /** The position of the latest record. */
  get lastPosition(): number {
    return this.#last?.last ?? 0;
  }

  isLast(batch: Batch): boolean {
    return batch === this.#last;
  }

  find(name: string): Log | undefined {
    return this.#logs.get(name);
  }

  /** Whether a record is one of a log that is kept. */
  isKept({ log: name, position }: BatchRecord): boolean {
    const log = this.#logs.get(name);
    return log !== undefined && position >= log.id;
  }

  begin(name: string, id: number, hasHead: boolean): Log {
    const log: Log = { id, name, hasHead, length: 0, spans: [], drop: undefined };
    this.#logs.set(name, log);
    this.#newestFirst = undefined;
    return log;
  }

  /** The log's next record goes into this batch. Returns the span that it belongs to. */
  extend(log: Log, batch: Batch, slotOf: (name: string) => number): Span {
    log.length += 1;
    let span = log.spans.at(-1);
    if (span?.batch !== batch) {
      span = { log, batch, slot: slotOf(log.name), from: log.length, count: 0, bytes: 0 };
      log.spans.push(span);
      batch.spans.push(span);
    }
    span.count += 1;
    return span;
  }

  /** The batch is in the file. */
  settle(batch: Batch): void {
    this.#last = batch;
  }

  /** These batches, the latest ones, are not in the file after all. */
  takeBack(batches: readonly Batch[]): void {
    for (const { spans } of [...batches].reverse()) {
      for (const { log, count } of spans) {
        log.spans.pop();
        log.length -= count;
        if (log.length === 0) this.#forget(log);
      }
    }
  }

  /** The log is out of sight from now on. */
  drop(log: Log, drop: Drop): void {
    log.drop = drop;
    this.#forget(log);
  }

  #forget({ name }: Log): void {
    this.#logs.delete(name);
    this.#newestFirst = undefined;
  }

  /** Logs with a head, those that began latest first. */
  withHead(limit: number, before?: string): readonly Log[] {
    this.#newestFirst ??= [...this.#logs.values()].filter(({ hasHead }) => hasHead).reverse();
    const all = this.#newestFirst;
    const end = (before === undefined ? undefined : this.#logs.get(before)?.id) ?? Infinity;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle]?.id ?? 0) >= end) low = middle + 1;
      else high = middle;
    }
    return all.slice(low, low + limit);
  }

  /** Takes up what the file has. Returns the drops that are yet to be swept, and what is to be swept of them. */
  restore({ batches, drops }: Found): { readonly drops: Drop[]; readonly sparse: Batch[] } {
    const dropOf = new Map<number, Drop>();
    const restored = drops.map(({ id, logs }) => {
      const drop: Drop = { id, remaining: 0 };
      for (const log of logs) dropOf.set(log, drop);
      return drop;
    });
    const sparse: Batch[] = [];
    for (const row of batches) {
      const batch: Batch = { first: row.first, last: row.last, spans: [], bytes: 0, live: 0 };
      this.#take(batch, recordsOf(row), dropOf);
      if (isSparse(batch)) sparse.push(batch);
      this.settle(batch);
    }
    for (const log of this.#logs.values()) if (log.drop !== undefined) this.#logs.delete(log.name);
    return { drops: restored, sparse };
  }

  #take(batch: Batch, records: readonly BatchRecord[], dropOf: ReadonlyMap<number, Drop>): void {
    for (const record of records) {
      const size = sizeOf(record);
      batch.bytes += size;
      let log = this.#logs.get(record.log);
      if (record.seq === 1) {
        this.#logs.delete(record.log);
        log = this.begin(record.log, record.position, record.head !== undefined);
        log.drop = dropOf.get(log.id);
        if (log.drop !== undefined) log.drop.remaining += 1;
      }
      // (I2)
      if (log === undefined || record.seq !== log.length + 1) continue;
      const span = this.extend(log, batch, () => record.slot);
      span.bytes += size;
      if (log.drop === undefined) batch.live += size;
    }
  }
}

/** Whether so little of it is left that it is better written anew. */
export function isSparse({ live, bytes }: Batch): boolean {
  return live * 2 < bytes || live === 0;
}
