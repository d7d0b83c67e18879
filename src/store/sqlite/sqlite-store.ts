/**
 * The durable log in one SQLite file (libsql).
 *
 * (Q1) A group is one transaction: when `append` returns, all of it is on disk as the durability promises; when it
 *      throws, none of it is.
 * (Q2) One process has the folder, one connection the file. What is known of where records are is therefore true.
 * (Q3) What a group appends is one row (`batch.ts`), and no tree of the file grows with the number of records or is
 *      written at random. Where the records of a log are is known in memory (`log-index.ts`).
 */
import type { Database, Statement } from 'libsql';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcpError } from '../../protocol/errors.js';
import { BlobFolder, syncFolder } from '../blob-folder.js';
import type { Blobs } from '../blobs.js';
import type {
  DocumentWrite,
  LogHead,
  LogRecord,
  Store,
  StoredDocument,
  StoredPlace,
  StoredRecord,
  Write,
} from '../store.js';
import {
  BatchWriter,
  bodyOf,
  headOf,
  recordsOf,
  storedRecord,
  type BatchRecord,
  type BatchRow,
} from './batch.js';
import { keptKey } from './key-file.js';
import { LogIndex, type Batch, type Drop, type Span } from './log-index.js';
import { closeDatabase, openDatabase, type Durability } from './open-database.js';
import { Sweep } from './sweep.js';

export interface SqliteStoreOptions {
  /** The data folder; made when it is not there, private to the user. */
  readonly folder: string;
  /** Default `full`: survives a loss of power. `normal` may then lose the last moments, and is faster. */
  readonly durability?: Durability;
}

/**
 * Opens the store of a data folder. Throws UNAVAILABLE when another process uses it.
 *
 * @example
 * ```ts
 * const runtime = createRuntime({ store: sqliteStore({ folder: '.arcp' }) });
 * ```
 */
export function sqliteStore({ folder, durability = 'full' }: SqliteStoreOptions): Store {
  const database = openDatabase(folder, durability);
  return new SqliteStore(database, durability, blobsBeside(folder, durability), folder);
}

/** Where the contents of artifacts are, in the data folder. */
const BLOBS_FOLDER = 'artifacts';

function blobsBeside(folder: string, durability: Durability): Blobs {
  const path = join(folder, BLOBS_FOLDER);
  const sync = durability === 'full';
  let made = false;
  const make = async (): Promise<string> => {
    if (!made) {
      await mkdir(path, { recursive: true, mode: 0o700 });
      if (sync) await syncFolder(folder);
      made = true;
    }
    return path;
  };
  return new BlobFolder({ make, existing: () => path, sync });
}

/** Text beyond which a batch takes no further record: whoever reads one record reads its batch. */
const BATCH_BYTES = 65_536;
/** Batches that were read lately and are kept, but for the largest. */
const CACHED_BATCHES = 8;
const HEADERS_AT_ONCE = 64;

type BatchHeader = Omit<BatchRow, 'bodies'>;

/** A batch as it is read. */
interface ReadBatch {
  readonly records: readonly BatchRecord[];
  readonly bodies: Buffer;
}

/** A batch that is not in the file yet. */
interface Draft {
  readonly batch: Batch;
  readonly writer: BatchWriter;
}

/** The store over a database that is open. */
export class SqliteStore implements Store {
  readonly grouping = { kind: 'batch', writes: 64 } as const;
  readonly durable = true;
  readonly blobs: Blobs;
  readonly #folder: string;
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #index = new LogIndex();
  readonly #sweep: Sweep;
  /** By the position of their last record. */
  readonly #cache = new Map<number, ReadBatch>();
  #lastDrop: number;

  constructor(database: Database, durability: Durability, blobs: Blobs, folder: string) {
    this.#folder = folder;
    this.#database = database;
    this.blobs = blobs;
    this.#statements = prepareStatements(database);
    const found = (this.#statements.drops.all() as { readonly id: number; readonly logs: string }[]).map(
      ({ id, logs }) => ({
        id,
        logs: JSON.parse(logs) as number[],
      }),
    );
    this.#lastDrop = found.at(-1)?.id ?? 0;
    const { drops, sparse } = this.#index.restore({ batches: this.#headersAfter(0), drops: found });
    this.#sweep = new Sweep(database, durability, this.#index, (batch) => this.#cache.delete(batch.last));
    this.#sweep.restore(drops, sparse);
  }

  key(make: () => string): string {
    return keptKey(this.#folder, make);
  }

  append(group: readonly Write[]): void {
    const drafts: Draft[] = [];
    const documents: DocumentWrite[] = [];
    try {
      for (const write of group) {
        if (write.kind === 'record') this.#draft(drafts, write);
        else documents.push(write);
      }
      this.#commit(drafts, documents);
    } catch (error) {
      this.#index.takeBack(drafts.map(({ batch }) => batch));
      throw error;
    }
    for (const { batch } of drafts) this.#index.settle(batch);
  }

  #draft(drafts: Draft[], record: LogRecord): void {
    const { log: name, seq, head } = record;
    const before = drafts.at(-1);
    const position = (before?.batch.last ?? this.#index.lastPosition) + 1;
    let log = this.#index.find(name);
    if (log === undefined && seq === 1) log = this.#index.begin(name, position, head !== undefined);
    if (log === undefined || seq !== log.length + 1) {
      throw new ArcpError('ABORTED', `log ${name} is at ${log?.length ?? 0}, so ${seq} cannot be appended`);
    }
    const draft = before === undefined || before.writer.size >= BATCH_BYTES ? newDraft(position) : before;
    if (draft !== before) drafts.push(draft);
    const { batch, writer } = draft;
    const span = this.#index.extend(log, batch, (added) => writer.addLog(added));
    const bytes = writer.add(position - batch.first, span.slot, record);
    batch.last = position;
    span.bytes += bytes;
    batch.bytes += bytes;
    batch.live += bytes;
  }

  #commit(drafts: readonly Draft[], documents: readonly DocumentWrite[]): void {
    // One statement is a transaction of its own.
    if (drafts.length + documents.length > 1) this.#inTransaction(() => this.#put(drafts, documents));
    else this.#put(drafts, documents);
  }

  #put(drafts: readonly Draft[], documents: readonly DocumentWrite[]): void {
    const { addBatch } = this.#statements;
    for (const { batch, writer } of drafts)
      addBatch.run(batch.last, batch.first, writer.records(), writer.bodies());
    for (const document of documents) this.#putDocument(document);
  }

  #inTransaction(work: () => void): void {
    const { begin, commit, rollback } = this.#statements;
    begin.run();
    try {
      work();
      commit.run();
    } catch (error) {
      if (this.#database.inTransaction) rollback.run();
      throw error;
    }
  }

  /** (S2) */
  #putDocument({ key, revision, text }: DocumentWrite): void {
    const { addDocument, replaceDocument, removeDocument, getRevision } = this.#statements;
    const { changes } =
      text === undefined
        ? removeDocument.run(key, revision - 1)
        : revision === 1
          ? addDocument.run(key, text)
          : replaceDocument.run(revision, text, key, revision - 1);
    if (changes === 1) return;
    const stored = (getRevision.get(key) as { readonly revision: number } | undefined)?.revision ?? 0;
    if (text === undefined && revision === stored + 1) return;
    throw new ArcpError('ABORTED', `document ${key} is at ${stored}, so ${revision} cannot be put`);
  }

  read(name: string, after: number, limit: number): readonly StoredRecord[] {
    const found: StoredRecord[] = [];
    const spans = this.#index.find(name)?.spans ?? [];
    for (let at = firstBehind(spans, after); at < spans.length && found.length < limit; at += 1) {
      const span = spans[at];
      if (span === undefined) break;
      const { records, bodies } = this.#readBatch(span.batch);
      for (const record of records) {
        if (record.slot !== span.slot || record.seq <= after) continue;
        found.push(storedRecord(bodies, record));
        if (found.length === limit) break;
      }
    }
    return found;
  }

  places(after: number, limit: number): readonly StoredPlace[] {
    const places: StoredPlace[] = [];
    if (limit <= 0) return places;
    for (const row of this.#headersAfter(after)) {
      for (const record of recordsOf(row)) {
        const { position, log, seq, type, bytes } = record;
        if (position <= after || !this.#index.isKept(record)) continue;
        places.push({ position, log, seq, type, bytes });
        if (places.length === limit) return places;
      }
    }
    return places;
  }

  *#headersAfter(after: number): Generator<BatchHeader> {
    for (let last: number | undefined = after; last !== undefined;) {
      const page = this.#statements.headers.all(last, HEADERS_AT_ONCE) as BatchHeader[];
      yield* page;
      last = page.length < HEADERS_AT_ONCE ? undefined : page.at(-1)?.last;
    }
  }

  lastPosition(): number {
    return this.#index.lastPosition;
  }

  heads(limit: number, before?: string): readonly LogHead[] {
    return this.#index.withHead(limit, before).flatMap(({ name, spans }) => {
      const [first] = spans;
      const last = spans.at(-1);
      if (first === undefined || last === undefined) return [];
      const begin = this.#readBatch(first.batch);
      const head = begin.records.find(({ slot }) => slot === first.slot);
      const end = this.#readBatch(last.batch);
      const latest = end.records.findLast(({ slot }) => slot === last.slot);
      if (head === undefined || latest === undefined) return [];
      return [
        {
          log: name,
          head: headOf(begin.bodies, head) ?? '',
          seq: latest.seq,
          type: latest.type,
          body: bodyOf(end.bodies, latest),
        },
      ];
    });
  }

  documents(prefix: string): readonly StoredDocument[] {
    const rows = this.#statements.documents.all(prefix, prefix.length, prefix) as StoredDocument[];
    return rows.map(({ key, revision, text }) => ({ key, revision, text }));
  }

  drop(names: readonly string[]): void {
    const logs = [...new Set(names)].map((name) => this.#index.find(name)).filter((log) => log !== undefined);
    if (logs.length === 0) return;
    const drop: Drop = { id: this.#lastDrop + 1, remaining: logs.length };
    this.#statements.addDrop.run(drop.id, JSON.stringify(logs.map(({ id }) => id)));
    this.#lastDrop = drop.id;
    for (const log of logs) this.#index.drop(log, drop);
    this.#sweep.dropped(logs);
  }

  close(): void {
    this.#sweep.stop();
    this.#cache.clear();
    closeDatabase(this.#database);
  }

  #readBatch({ last }: Batch): ReadBatch {
    const cached = this.#cache.get(last);
    if (cached !== undefined) return cached;
    const row = this.#statements.batch.get(last) as BatchRow;
    const read: ReadBatch = { records: recordsOf(row), bodies: row.bodies };
    if (row.bodies.length > 2 * BATCH_BYTES) return read;
    if (this.#cache.size >= CACHED_BATCHES) {
      const [oldest = last] = this.#cache.keys();
      this.#cache.delete(oldest);
    }
    this.#cache.set(last, read);
    return read;
  }
}

function newDraft(first: number): Draft {
  return { batch: { first, last: first, spans: [], bytes: 0, live: 0 }, writer: new BatchWriter() };
}

/** Index of the first span that has records behind `after`. */
function firstBehind(spans: readonly Span[], after: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const span = spans[middle];
    if (span !== undefined && span.from + span.count - 1 <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: Database) {
  const prepare = <T extends unknown[]>(sql: string): Statement<T> => database.prepare(sql);
  return {
    begin: prepare<[]>('BEGIN IMMEDIATE'),
    commit: prepare<[]>('COMMIT'),
    rollback: prepare<[]>('ROLLBACK'),
    addBatch: prepare<[number, number, string, Buffer]>(
      'INSERT INTO batches (last, first, records, bodies) VALUES (?, ?, ?, ?)',
    ),
    batch: prepare<[number]>('SELECT last, first, records, bodies FROM batches WHERE last = ?'),
    headers: prepare<[number, number]>(
      'SELECT last, first, records FROM batches WHERE last > ? ORDER BY last LIMIT ?',
    ),
    addDrop: prepare<[number, string]>('INSERT INTO drops (id, logs) VALUES (?, ?)'),
    drops: prepare<[]>('SELECT id, logs FROM drops ORDER BY id'),
    getRevision: prepare<[string]>('SELECT revision FROM documents WHERE key = ?'),
    addDocument: prepare<[string, string]>(
      'INSERT INTO documents (key, revision, text) VALUES (?, 1, ?) ON CONFLICT DO NOTHING',
    ),
    replaceDocument: prepare<[number, string, string, number]>(
      'UPDATE documents SET revision = ?, text = ? WHERE key = ? AND revision = ?',
    ),
    removeDocument: prepare<[string, number]>('DELETE FROM documents WHERE key = ? AND revision = ?'),
    documents: prepare<[string, number, string]>(
      'SELECT key, revision, text FROM documents WHERE key >= ? AND substr(key, 1, ?) = ? ORDER BY key',
    ),
  };
}
