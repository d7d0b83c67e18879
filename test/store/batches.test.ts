/**
 * What the SQLite store's file goes through: records are in batches that are written anew when little of them is left,
 * over restarts, and an older file becomes one of batches (X1 to X4).
 */
import * as fc from 'fast-check';
import Libsql from 'libsql';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { closeDatabase, LOG_FILE, openDatabase } from '../../src/store/sqlite/open-database.js';
import { sqliteStore, SqliteStore } from '../../src/store/sqlite/sqlite-store.js';
import type { LogRecord, Store, StoredPlace, StoredRecord } from '../../src/store/store.js';
import { TemporaryBlobs } from '../../src/store/temporary-blobs.js';

/** Many stores are opened and closed: better where no disk has to be waited for. */
const IN_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(IN_MEMORY, 'arcp-batches-'));
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

interface Model {
  readonly logs: Map<string, { readonly head: string | undefined; readonly records: StoredRecord[] }>;
  places: StoredPlace[];
  last: number;
}

async function contents(store: Store): Promise<unknown> {
  const logs = ['job_a', 'job_b', 'job_c', 'sess_d'];
  return {
    records: await Promise.all(logs.map(async (log) => store.read(log, 0, 1_000))),
    heads: await store.heads(100),
    places: await store.places(0, 10_000),
    last: await store.lastPosition(),
  };
}

function contentsOf({ logs, places, last }: Model): unknown {
  const heads = [...logs].flatMap(([log, { head, records }]) => {
    const latest = records.at(-1);
    return head === undefined || latest === undefined ? [] : [{ ...latest, log, head }];
  });
  const names = ['job_a', 'job_b', 'job_c', 'sess_d'];
  return { records: names.map((log) => logs.get(log)?.records ?? []), heads: heads.reverse(), places, last };
}

describe('a file of batches', () => {
  it('has what was appended and not dropped, whatever is swept and whenever it is opened anew', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const log = fc.constantFrom('job_a', 'job_b', 'job_c', 'sess_d');
    const action = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constant('append' as const),
          logs: fc.array(log, { minLength: 1, maxLength: 8 }),
          size: fc.constantFrom(0, 10, 10, 40_000),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('drop' as const),
          logs: fc.array(log, { minLength: 1, maxLength: 2 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('sweep' as const, 'reopen' as const) }) },
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const data = join(folder, String((run += 1)));
        const open = (): SqliteStore =>
          new SqliteStore(openDatabase(data, 'normal'), 'normal', new TemporaryBlobs(), data);
        let store = open();
        const model: Model = { logs: new Map(), places: [], last: 0 };
        for (const one of actions) {
          switch (one.do) {
            case 'append':
              store.append(one.logs.map((name) => append(model, name, one.size)));
              break;
            case 'drop':
              store.drop(one.logs);
              for (const name of one.logs) model.logs.delete(name);
              model.places = model.places.filter(({ log: name }) => model.logs.has(name));
              break;
            case 'sweep':
              await vi.advanceTimersByTimeAsync(200);
              break;
            case 'reopen':
              store.close();
              store = open();
          }
          expect(await contents(store)).toEqual(contentsOf(model));
        }
        await vi.advanceTimersByTimeAsync(500);
        expect(await contents(store)).toEqual(contentsOf(model));
        store.close();
        expectSwept(data, model);
      }),
      { numRuns: 40 },
    );
  });

  it('is told of a log that began again after it was dropped, and not of the one before', async () => {
    const first = sqliteStore({ folder, durability: 'normal' });
    await first.append([record('job_a', 1, 'old'), record('job_b', 1, 'kept'), record('job_a', 2, 'old')]);
    await first.drop(['job_a']);
    await first.append([record('job_a', 1, 'new')]);
    await first.close();
    const second = sqliteStore({ folder, durability: 'normal' });
    expect((await second.read('job_a', 0, 10)).map(({ body }) => body)).toEqual(['new']);
    expect((await second.places(0, 10)).map(({ position }) => position)).toEqual([2, 4]);
    await second.close();
  });
});

/** Adds to the model, and returns what to append. */
function append(model: Model, log: string, size: number): LogRecord {
  let known = model.logs.get(log);
  const isNew = known === undefined;
  const head = log.startsWith('job') ? `head of ${log}, é` : undefined;
  known ??= { head, records: [] };
  model.logs.set(log, known);
  const written = { ...record(log, known.records.length + 1, 'ü'.repeat(size)), ...(isNew ? { head } : {}) };
  const { seq, type, body } = written;
  known.records.push({ log, seq, type, body });
  model.last += 1;
  model.places.push({ position: model.last, log, seq, type, bytes: Buffer.byteLength(body) });
  return written;
}

function record(log: string, seq: number, body: string): LogRecord {
  return { kind: 'record', log, seq, type: 'log', body };
}

/** (X2) What is dead is no more than what is kept, but for entries; no drop outlives the records that it is about. */
function expectSwept(data: string, { logs }: Model): void {
  const database = openDatabase(data, 'normal');
  const { bytes } = database
    .prepare('SELECT coalesce(sum(length(bodies)), 0) AS bytes FROM batches')
    .get() as {
    readonly bytes: number;
  };
  const { batches } = database.prepare('SELECT count(*) AS batches FROM batches').get() as {
    readonly batches: number;
  };
  const { drops } = database.prepare('SELECT count(*) AS drops FROM drops').get() as {
    readonly drops: number;
  };
  closeDatabase(database);
  let kept = 0;
  let records = 0;
  for (const { head = '', records: of } of logs.values()) {
    kept += Buffer.byteLength(head);
    records += of.length;
    for (const { body } of of) kept += Buffer.byteLength(body);
  }
  expect(bytes).toBeLessThanOrEqual(2 * kept + 40 * records);
  expect(batches).toBeLessThanOrEqual(records + 1);
  if (records === 0) expect(drops).toBe(0);
}

/** The tables of schema 2, with three logs: one of them was dropped, and one of its events is not swept yet. */
const SCHEMA_2 = `
  CREATE TABLE logs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, head TEXT) STRICT;
  CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    log      INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    type     TEXT NOT NULL,
    body     TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_by_log ON events (log, seq);
  CREATE TABLE documents (
    key      TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    text     TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE dropped (log INTEGER PRIMARY KEY) STRICT;
  INSERT INTO logs (id, name, head) VALUES (2, 'job_b', 'of é'), (3, 'sess_c', '');
  INSERT INTO dropped (log) VALUES (1);
  INSERT INTO events (position, log, seq, type, body) VALUES
    (2, 1, 2, 'log', '"gone":1}'), (3, 2, 1, 'job.accepted', '"é":1}'), (5, 3, 1, 'nack', '"c":1}'),
    (6, 2, 2, 'job.completed', '"b":2}'), (9, 1, 3, 'log', '"gone":2}');
  INSERT INTO documents (key, revision, text) VALUES ('session/c', 7, 'kept');
  PRAGMA user_version = 2;
`;

describe('a file of schema 2', () => {
  function write(more = ''): void {
    mkdirSync(folder, { recursive: true });
    const database = new Libsql(join(folder, LOG_FILE));
    database.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; ${SCHEMA_2} ${more}`);
    database.close();
  }

  it('keeps its jobs, under their positions, without what was dropped, and gives no position again (S4)', async () => {
    write();
    for (let life = 1; life <= 2; life += 1) {
      const store = sqliteStore({ folder, durability: 'normal' });
      expect(await store.places(0, 10)).toEqual([
        { position: 3, log: 'job_b', seq: 1, type: 'job.accepted', bytes: 7 },
        { position: 5, log: 'sess_c', seq: 1, type: 'nack', bytes: 6 },
        { position: 6, log: 'job_b', seq: 2, type: 'job.completed', bytes: 6 },
      ]);
      expect(await store.heads(10)).toEqual([
        { log: 'sess_c', head: '', seq: 1, type: 'nack', body: '"c":1}' },
        { log: 'job_b', head: 'of é', seq: 2, type: 'job.completed', body: '"b":2}' },
      ]);
      expect((await store.read('job_b', 0, 10)).map(({ body }) => body)).toEqual(['"é":1}', '"b":2}']);
      expect(await store.documents('')).toEqual([{ key: 'session/c', revision: 7, text: 'kept' }]);
      expect(await store.lastPosition()).toBe(9);
      await store.close();
    }
    const store = sqliteStore({ folder, durability: 'normal' });
    await store.append([record('job_b', 3, '"b":3}'), record('job_a', 1, '"a":1}')]);
    expect((await store.places(6, 10)).map(({ position, log }) => [position, log])).toEqual([
      [10, 'job_b'],
      [11, 'job_a'],
    ]);
    await store.close();
  });

  it('is left as it was when it cannot become one of batches', async () => {
    // A table of the same name is in the way.
    write('CREATE TABLE drops (x);');
    expect(() => sqliteStore({ folder })).toThrow(/cannot be opened/);
    const database = new Libsql(join(folder, LOG_FILE));
    expect(database.prepare('SELECT count(*) AS n FROM events').get()).toMatchObject({ n: 5 });
    expect(database.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 2 });
    database.exec('DROP TABLE drops');
    database.close();
    const store = sqliteStore({ folder });
    expect(await store.places(0, 10)).toHaveLength(3);
    await store.close();
  });

  it('may be long: batch for batch', async () => {
    const many = Array.from({ length: 1_500 }, (_, n) => `(2, ${n + 3}, 'log', '"n":${n}}')`);
    write(`INSERT INTO events (log, seq, type, body) VALUES ${many.join(',')};`);
    const store = sqliteStore({ folder, durability: 'normal' });
    expect(await store.read('job_b', 0, 2_000)).toHaveLength(1_502);
    expect((await store.read('job_b', 1_501, 10)).map(({ body }) => body)).toEqual(['"n":1499}']);
    expect(await store.lastPosition()).toBe(1_509);
    await store.close();
  });
});
