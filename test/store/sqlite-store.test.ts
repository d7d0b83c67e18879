/** What the SQLite store promises beyond the port: survival, one owner, and a file that tells its age. */
import Libsql from 'libsql';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closeDatabase, LOG_FILE, openDatabase } from '../../src/store/sqlite/open-database.js';
import { SCHEMA_VERSION } from '../../src/store/sqlite/schema.js';
import { sqliteStore } from '../../src/store/sqlite/sqlite-store.js';
import type { LogRecord } from '../../src/store/store.js';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function dataFolder(): string {
  const parent = mkdtempSync(join(tmpdir(), 'arcp-sqlite-'));
  folders.push(parent);
  return join(parent, 'data');
}

const record = (log: string, seq: number): LogRecord => ({
  kind: 'record',
  log,
  seq,
  type: 'log',
  body: `"n":${seq}}`,
});

describe('the SQLite store', () => {
  it.each(['full', 'normal'] as const)(
    'has everything again when it is opened anew (%s)',
    async (durability) => {
      const folder = dataFolder();
      const first = sqliteStore({ folder, durability });
      await first.append([
        { ...record('job_a', 1), head: 'of a' },
        { kind: 'document', key: 'session/a', revision: 1, text: 'one' },
      ]);
      await first.append([record('job_a', 2)]);
      await first.close();
      const second = sqliteStore({ folder, durability });
      expect((await second.read('job_a', 0, 10)).map(({ seq }) => seq)).toEqual([1, 2]);
      expect(await second.documents('')).toEqual([{ key: 'session/a', revision: 1, text: 'one' }]);
      await second.append([{ ...record('job_b', 1), head: 'of b' }]);
      expect((await second.heads(10)).map(({ log }) => log)).toEqual(['job_b', 'job_a']);
      await second.close();
    },
  );

  it('keeps a folder that only its user can enter', async () => {
    const folder = dataFolder();
    await sqliteStore({ folder }).close();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toEqual([LOG_FILE]);
  });

  it('is refused while another process has the folder, and says so', async () => {
    const folder = dataFolder();
    const store = sqliteStore({ folder });
    const script = `
      import Libsql from 'libsql';
      const database = new Libsql(process.argv[1]);
      try { database.exec('BEGIN EXCLUSIVE'); console.log('got in'); } catch (error) { console.log(error.code); }`;
    const other = spawnSync(process.execPath, ['--input-type=module', '-e', script, join(folder, LOG_FILE)], {
      encoding: 'utf8',
      cwd: join(import.meta.dirname, '../..'),
    });
    expect(other.stdout.trim()).toBe('SQLITE_BUSY');
    expect(() => sqliteStore({ folder })).toThrow(/in use by another process/);
    await store.close();
    await sqliteStore({ folder }).close();
  });

  it('does not touch a file that a later version wrote', () => {
    const folder = dataFolder();
    closeDatabase(openDatabase(folder, 'normal'));
    const database = new Libsql(join(folder, LOG_FILE));
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    database.close();
    expect(() => sqliteStore({ folder })).toThrow(/written by a later version/);
  });

  it('is refused where it cannot write', () => {
    expect(() => sqliteStore({ folder: join(import.meta.filename, 'data') })).toThrow(/cannot be opened/);
  });

  it('forgets a long log at once, its events in the background, and gives the room back, over restarts (L7)', async () => {
    const folder = dataFolder();
    const size = (): number => statSync(join(folder, LOG_FILE)).size;
    const body = `"x":"${'x'.repeat(8_000)}"}`;
    const first = sqliteStore({ folder, durability: 'normal' });
    for (let seq = 1; seq <= 2_000; seq += 100) {
      const group = Array.from({ length: 100 }, (_, at) => ({ ...record('job_a', seq + at), body }));
      await first.append(group);
    }
    await first.append([record('job_b', 1)]);
    await first.drop(['job_a']);
    expect(await first.read('job_a', 0, 10)).toEqual([]);
    expect((await first.places(0, 10)).map(({ log }) => log)).toEqual(['job_b']);
    await first.append([record('job_a', 1), record('job_b', 2)]);
    await first.close();
    expect(size()).toBeGreaterThan(16_000_000);
    await vi.waitFor(
      async () => {
        const store = sqliteStore({ folder, durability: 'full' });
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect((await store.read('job_a', 0, 10)).map(({ seq }) => seq)).toEqual([1]);
        expect((await store.places(0, 10)).map(({ log, seq }) => [log, seq])).toEqual([
          ['job_b', 1],
          ['job_a', 1],
          ['job_b', 2],
        ]);
        await store.close();
        expect(size()).toBeLessThan(6_000_000);
      },
      { timeout: 15_000 },
    );
  });
});
