/** Law L2 when there is no room: a clear error, reads go on, nothing is seen that is not kept, and it goes on with room. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent, type Store } from '../../src/index.js';
import { openDatabase } from '../../src/store/sqlite/open-database.js';
import { sqliteStore, SqliteStore } from '../../src/store/sqlite/sqlite-store.js';
import { bench } from '../runtime/bench.js';

interface Disk {
  readonly store: Store;
  grow(): void;
}

const folders: string[] = [];
const mounts: string[] = [];

afterEach(() => {
  for (const mount of mounts.splice(0)) spawnSync('umount', ['--lazy', mount]);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'arcp-full-'));
  folders.push(folder);
  return folder;
}

/** A database that may have only so many pages: the same error as a full disk, on any system. */
function fewPages(): Disk {
  const folder = temporaryFolder();
  const database = openDatabase(folder, 'full');
  database.exec('PRAGMA max_page_count = 400');
  return {
    store: new SqliteStore(database, 'full', sqliteStore({ folder: temporaryFolder() }).blobs, folder),
    grow: () => {
      database.exec('PRAGMA max_page_count = 100000');
    },
  };
}

/** A file system of a few megabytes, where this process may mount one. */
function smallFileSystem(): Disk | undefined {
  const folder = temporaryFolder();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]);
  if (status !== 0) return undefined;
  mounts.push(folder);
  return {
    store: sqliteStore({ folder: join(folder, 'data') }),
    grow: () => {
      expect(spawnSync('mount', ['-o', 'remount,size=64m', folder]).status).toBe(0);
    },
  };
}

const hoarder = defineAgent({
  name: 'hoarder',
  version: '1.0.0',
  run: async (_input, ctx) => {
    for (let n = 0; n < 20; n += 1) {
      ctx.log('info', 'x'.repeat(20_000));
      await ctx.flushed();
    }
  },
});

describe.each<[string, () => Disk | undefined]>([
  ['a database without room', fewPages],
  ['a small file system', smallFileSystem],
])('%s', (_what, make) => {
  it('fails what cannot be kept, goes on reading, and takes work again when there is room (L2)', async (context) => {
    const disk = make();
    if (disk === undefined) {
      context.skip('this process may not mount a file system');
      return;
    }
    await using test = bench({ agents: [hoarder], store: disk.store });
    await test.runtime.recover();
    const client = await test.open();
    const first = await client.accepted('hoarder');
    await client.terminal(first);
    let refused: string | undefined;
    for (let n = 0; n < 60 && refused === undefined; n += 1) {
      const id = client.invoke('hoarder');
      await test.clock.settle();
      const [nack] = client.seen((frame) => frame.type === 'nack' && frame.correlation_id === id);
      if (nack !== undefined) refused = id;
    }
    expect(refused).toBeDefined();
    const [nack] = client.seen('nack');
    expect(nack?.payload).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the runtime could not store what happened',
      retryable: true,
    });
    expect(
      client.seen(({ correlation_id, event_seq }) => correlation_id === refused && event_seq !== undefined),
    ).toEqual([]);

    // What was seen can still be read, and nothing else.
    client.send('resume', { after_message_id: client.events()[0]?.id });
    const { length } = client.events();
    await client.next('ack');
    await test.clock.settle();
    const told = client.events();
    expect(told.slice(length)).toEqual(told.slice(1, length));

    disk.grow();
    const { payload } = await (async () => {
      const job = await client.accepted('hoarder');
      return client.terminal(job);
    })();
    expect(payload).toEqual({});
    expect(test.runtime.ready).toBe(true);
    const numbers = client.events().map(({ event_seq }) => event_seq);
    expect(new Set(numbers)).toEqual(new Set(Array.from({ length: client.lastSeq }, (_, at) => at + 1)));
  });
});
