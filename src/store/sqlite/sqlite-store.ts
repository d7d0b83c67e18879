/**
 * The durable log in one SQLite file (libsql).
 *
 * (Q1) A group is one transaction: when `append` returns, all of it is on disk as the durability promises; when it
 *      throws, none of it is.
 * (Q2) One process has the folder, one connection the file. What is known of a log's length is therefore true.
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
import { keptKey } from './key-file.js';
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

/** What is known of a log without asking. */
interface KnownLog {
  readonly id: number;
  length: number;
}

/** Logs that are remembered; the rest is asked for again. */
const MAX_KNOWN_LOGS = 20_000;

/** The store over a database that is open. */
export class SqliteStore implements Store {
  readonly grouping = { kind: 'batch', writes: 64 } as const;
  readonly durable = true;
  readonly blobs: Blobs;
  readonly #folder: string;
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #known = new Map<string, KnownLog>();
  readonly #sweep: Sweep;
  /** Of the latest log: ids of logs that were dropped are not used again while they have events. */
  #lastId: number;

  constructor(database: Database, durability: Durability, blobs: Blobs, folder: string) {
    this.#folder = folder;
    this.#database = database;
    this.blobs = blobs;
    this.#statements = prepareStatements(database);
    this.#lastId = (this.#statements.lastId.get() as { readonly id: number }).id;
    this.#sweep = new Sweep(database, durability);
    this.#sweep.start();
  }

  key(make: () => string): string {
    return keptKey(this.#folder, make);
  }

  append(group: readonly Write[]): void {
    const { begin, commit, rollback } = this.#statements;
    begin.run();
    try {
      for (const write of group) {
        if (write.kind === 'record') this.#write(write);
        else this.#put(write);
      }
      commit.run();
    } catch (error) {
      this.#known.clear();
      if (this.#database.inTransaction) rollback.run();
      throw error;
    }
  }

  #write({ log: name, seq, type, body, head }: LogRecord): void {
    const { addLog, addEvent } = this.#statements;
    let log = this.#find(name);
    if (log === undefined && seq === 1) {
      this.#lastId += 1;
      addLog.run(this.#lastId, name, head ?? null);
      log = { id: this.#lastId, length: 0 };
      this.#remember(name, log);
    }
    if (log === undefined || seq !== log.length + 1) {
      throw new ArcpError('ABORTED', `log ${name} is at ${log?.length ?? 0}, so ${seq} cannot be appended`);
    }
    addEvent.run(log.id, seq, type, body);
    log.length = seq;
  }

  #put({ key, revision, text }: DocumentWrite): void {
    const { getRevision, putDocument, removeDocument } = this.#statements;
    const stored = (getRevision.get(key) as { readonly revision: number } | undefined)?.revision ?? 0;
    if (revision !== stored + 1) {
      throw new ArcpError('ABORTED', `document ${key} is at ${stored}, so ${revision} cannot be put`);
    }
    if (text === undefined) removeDocument.run(key);
    else putDocument.run(key, revision, text);
  }

  read(name: string, after: number, limit: number): readonly StoredRecord[] {
    const log = this.#find(name);
    if (log === undefined) return [];
    const rows = this.#statements.readEvents.all(log.id, after, limit) as Omit<StoredRecord, 'log'>[];
    return rows.map(({ seq, type, body }) => ({ log: name, seq, type, body }));
  }

  places(after: number, limit: number): readonly StoredPlace[] {
    return this.#statements.places.all(after, limit) as StoredPlace[];
  }

  lastPosition(): number {
    const row = this.#statements.lastPosition.get() as { readonly seq: number } | undefined;
    return row?.seq ?? 0;
  }

  heads(limit: number, before?: string): readonly LogHead[] {
    const from = before === undefined ? undefined : this.#find(before)?.id;
    return this.#statements.heads.all(from ?? Number.MAX_SAFE_INTEGER, limit) as LogHead[];
  }

  documents(prefix: string): readonly StoredDocument[] {
    const rows = this.#statements.documents.all(prefix, prefix.length, prefix) as StoredDocument[];
    return rows.map(({ key, revision, text }) => ({ key, revision, text }));
  }

  drop(logs: readonly string[]): void {
    const { begin, commit, rollback, dropEvents, dropLog } = this.#statements;
    begin.run();
    try {
      for (const name of logs) {
        dropEvents.run(name);
        dropLog.run(name);
        this.#known.delete(name);
      }
      commit.run();
    } catch (error) {
      if (this.#database.inTransaction) rollback.run();
      throw error;
    }
    this.#sweep.start();
  }

  close(): void {
    this.#sweep.stop();
    this.#known.clear();
    closeDatabase(this.#database);
  }

  #find(name: string): KnownLog | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const row = this.#statements.findLog.get(name) as
      { readonly id: number; readonly length: number } | undefined;
    if (row === undefined) return undefined;
    const log = { id: row.id, length: row.length };
    this.#remember(name, log);
    return log;
  }

  #remember(name: string, log: KnownLog): void {
    if (this.#known.size >= MAX_KNOWN_LOGS) this.#known.clear();
    this.#known.set(name, log);
  }
}

type Statements = ReturnType<typeof prepareStatements>;

const HEAD_COLUMNS = `
  logs.name AS log, logs.head AS head, events.seq AS seq, events.type AS type, events.body AS body
  FROM logs JOIN events ON events.log = logs.id AND events.seq = (SELECT max(seq) FROM events WHERE log = logs.id)
  WHERE logs.head IS NOT NULL`;

function prepareStatements(database: Database) {
  const prepare = <T extends unknown[]>(sql: string): Statement<T> => database.prepare(sql);
  return {
    begin: prepare<[]>('BEGIN IMMEDIATE'),
    commit: prepare<[]>('COMMIT'),
    rollback: prepare<[]>('ROLLBACK'),
    addLog: prepare<[number, string, string | null]>('INSERT INTO logs (id, name, head) VALUES (?, ?, ?)'),
    lastId: prepare<[]>(
      'SELECT max(coalesce((SELECT max(id) FROM logs), 0), coalesce((SELECT max(log) FROM dropped), 0)) AS id',
    ),
    findLog: prepare<[string]>(
      'SELECT id, coalesce((SELECT max(seq) FROM events WHERE log = logs.id), 0) AS length FROM logs WHERE name = ?',
    ),
    addEvent: prepare<[number, number, string, string]>(
      'INSERT INTO events (log, seq, type, body) VALUES (?, ?, ?, ?)',
    ),
    readEvents: prepare<[number, number, number]>(
      'SELECT seq, type, body FROM events WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?',
    ),
    places: prepare<[number, number]>(`
      SELECT position, logs.name AS log, seq, type, octet_length(body) AS bytes
      FROM events JOIN logs ON logs.id = events.log WHERE position > ? ORDER BY position LIMIT ?`),
    lastPosition: prepare<[]>("SELECT seq FROM sqlite_sequence WHERE name = 'events'"),
    heads: prepare<[number, number]>(`SELECT ${HEAD_COLUMNS} AND logs.id < ? ORDER BY logs.id DESC LIMIT ?`),
    dropEvents: prepare<[string]>('INSERT INTO dropped (log) SELECT id FROM logs WHERE name = ?'),
    dropLog: prepare<[string]>('DELETE FROM logs WHERE name = ?'),
    getRevision: prepare<[string]>('SELECT revision FROM documents WHERE key = ?'),
    putDocument: prepare<[string, number, string]>(
      'INSERT INTO documents (key, revision, text) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, text = excluded.text',
    ),
    removeDocument: prepare<[string]>('DELETE FROM documents WHERE key = ?'),
    documents: prepare<[string, number, string]>(
      'SELECT key, revision, text FROM documents WHERE key >= ? AND substr(key, 1, ?) = ? ORDER BY key',
    ),
  };
}
