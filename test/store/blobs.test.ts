/** One suite over the blobs of every store: the port's promises O1 to O3. */
import * as fc from 'fast-check';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/store/memory.js';
import { sqliteStore } from '../../src/store/sqlite/sqlite-store.js';
import type { Store } from '../../src/store/store.js';

const folders: string[] = [];
const stores: Store[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'arcp-blobs-'));
  folders.push(folder);
  return folder;
}

function opened(store: Store): Store {
  stores.push(store);
  return store;
}

const STORES: [name: string, make: () => Store][] = [
  ['memory', () => opened(memoryStore())],
  ['sqlite, normal', () => opened(sqliteStore({ folder: dataFolder(), durability: 'normal' }))],
  ['sqlite, full', () => opened(sqliteStore({ folder: dataFolder(), durability: 'full' }))],
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const asText = (read: Uint8Array): string => new TextDecoder().decode(read);

describe.each(STORES)('the blobs of the %s store', (_name, make) => {
  it('are written piece by piece and read from anywhere, whole or not (O1)', async () => {
    const { blobs } = make();
    await blobs.write('art_a', 0, bytes('hello, '), false);
    expect(asText(await blobs.read('art_a', 0, 7))).toBe('hello, ');
    await blobs.write('art_a', 7, bytes('world'), true);
    expect(asText(await blobs.read('art_a', 3, 6))).toBe('lo, wo');
    expect(asText(await blobs.read('art_a', 0, 12))).toBe('hello, world');
    expect(await blobs.list()).toEqual([{ name: 'art_a', size: 12 }]);
  });

  it('may be empty', async () => {
    const { blobs } = make();
    await blobs.write('art_a', 0, bytes(''), true);
    expect(await blobs.read('art_a', 0, 0)).toHaveLength(0);
    expect(await blobs.list()).toEqual([{ name: 'art_a', size: 0 }]);
  });

  it('forget what stood behind a piece that is written again, also behind the last one (O3)', async () => {
    const { blobs } = make();
    await blobs.write('art_a', 0, bytes('one '), false);
    await blobs.write('art_a', 4, bytes('a long end'), true);
    await blobs.write('art_a', 4, bytes('two'), false);
    await expect(blobs.read('art_a', 0, 8)).rejects.toMatchObject({ code: 'DATA_LOSS' });
    await blobs.write('art_a', 7, bytes('!'), true);
    expect(asText(await blobs.read('art_a', 0, 8))).toBe('one two!');
    expect(await blobs.list()).toEqual([{ name: 'art_a', size: 8 }]);
  });

  it('are DATA_LOSS where they are not, or where less is there than what is asked for', async () => {
    const { blobs } = make();
    await expect(blobs.read('art_a', 0, 1)).rejects.toMatchObject({ code: 'DATA_LOSS' });
    await expect(blobs.write('art_a', 1, bytes('x'), true)).rejects.toMatchObject({ code: 'DATA_LOSS' });
    await blobs.write('art_a', 0, bytes('abc'), true);
    await expect(blobs.read('art_a', 2, 2)).rejects.toMatchObject({ code: 'DATA_LOSS' });
    await expect(blobs.write('art_a', 4, bytes('x'), true)).rejects.toMatchObject({ code: 'DATA_LOSS' });
  });

  it('are gone when they are removed, whole or not, and once more does no harm', async () => {
    const { blobs } = make();
    await blobs.remove('art_none');
    await blobs.write('art_a', 0, bytes('a'), true);
    await blobs.write('art_b', 0, bytes('b'), false);
    for (const name of ['art_a', 'art_b', 'art_a']) await blobs.remove(name);
    expect(await blobs.list()).toEqual([]);
  });

  it.each(['../log', 'a/b', '', '.', '..', 'a.part', 'a\u0000', 'x'.repeat(201)])(
    'do not take %j for a name',
    async (name) => {
      const { blobs } = make();
      await blobs.write('art_a', 0, bytes('a'), true);
      await expect(blobs.write(name, 0, bytes('x'), true)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
      await expect(blobs.read(name, 0, 0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(await blobs.list()).toHaveLength(1);
    },
  );

  it('hold any bytes, however they are cut, many at once', async () => {
    const { blobs } = make();
    const contents = fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 20,
    });
    let made = 0;
    await fc.assert(
      fc.asyncProperty(contents, async (all) => {
        const write = async (pieces: readonly Uint8Array[]): Promise<void> => {
          const name = `art_${made++}`;
          let at = 0;
          for (const [index, piece] of pieces.entries()) {
            await blobs.write(name, at, piece, index === pieces.length - 1);
            at += piece.length;
          }
          expect(Buffer.concat(pieces).equals(await blobs.read(name, 0, at))).toBe(true);
          await blobs.remove(name);
        };
        await Promise.all(all.map(write));
      }),
      { numRuns: 10 },
    );
  });
});

describe('the blobs of the SQLite store', () => {
  it('are there again when it is opened anew, in files that only their user can read', async () => {
    const folder = dataFolder();
    const first = sqliteStore({ folder });
    await first.blobs.write('art_a', 0, bytes('whole'), true);
    await first.blobs.write('art_b', 0, bytes('part'), false);
    await first.close();
    const second = opened(sqliteStore({ folder }));
    expect(asText(await second.blobs.read('art_a', 0, 5))).toBe('whole');
    await second.blobs.write('art_b', 4, bytes('s'), true);
    expect(asText(await second.blobs.read('art_b', 0, 5))).toBe('parts');
    expect(statSync(join(folder, 'artifacts')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'artifacts', 'art_a')).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, 'artifacts')).sort()).toEqual(['art_a', 'art_b']);
  });
});

describe('the blobs of the memory store', () => {
  it('leave nothing behind when it is closed', async () => {
    const store = memoryStore();
    const name = `art_${process.pid}`;
    await store.blobs.write(name, 0, bytes('a'), true);
    const folder = readdirSync(tmpdir())
      .filter((entry) => entry.startsWith('arcp-artifacts-'))
      .map((entry) => join(tmpdir(), entry))
      .find((path) => existsSync(join(path, name)));
    if (folder === undefined) throw new Error('there is no temporary folder');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await store.close();
    expect(existsSync(folder)).toBe(false);
    await expect(store.blobs.write('art_b', 0, bytes('b'), true)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });
});
