/**
 * Law L2 when the process dies, or the power fails, inside a commit: the write-ahead log is torn at any byte of it, or one
 * of its bytes is wrong. What was committed before is all there, and nothing of the torn commit is.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LOG_FILE } from '../../src/store/sqlite/open-database.js';
import { sqliteStore } from '../../src/store/sqlite/sqlite-store.js';
import type { LogRecord, Store, Write } from '../../src/store/store.js';

const WAL_FILE = `${LOG_FILE}-wal`;
/**
 * The log is torn where its parts meet, and between. `npm run test:crash` tears a fresh one at every byte of the frame
 * that makes it a commit as well.
 */
const IS_THOROUGH = Number(process.env['CRASH_ROUNDS'] ?? 3) > 3;
const WAL_HEADER = 32;
const FRAME = 24 + 4_096;
const STRIDE = 509;

const record = (log: string, seq: number, body: string): LogRecord => ({
  kind: 'record',
  log,
  seq,
  type: 'log',
  body,
  ...(seq === 1 ? { head: `of ${log}` } : {}),
});

const TORN: readonly Write[] = [
  record('job_a', 3, `"torn":"${'x'.repeat(5_000)}"}`),
  record('job_c', 1, '"torn":1}'),
  { kind: 'document', key: 'session/a', revision: 2, text: 'torn' },
];

/** Hundreds of stores are opened and closed: better where no disk has to be waited for. */
const IN_MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(IN_MEMORY, 'arcp-torn-'));
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

/** Everything that a store has. */
async function contents(store: Store): Promise<unknown> {
  const logs = ['job_a', 'job_b', 'job_c'];
  return {
    records: await Promise.all(logs.map(async (log) => store.read(log, 0, 100))),
    heads: await store.heads(100),
    places: (await store.places(0, 10_000)).length,
    last: await store.lastPosition(),
    documents: await store.documents(''),
  };
}

interface Commit {
  /** The data folder when the torn commit had not begun. */
  readonly folder: string;
  readonly walBefore: Buffer;
  readonly walAfter: Buffer;
  readonly before: unknown;
  readonly after: unknown;
}

/** @param filling commits before it, so that the log has been begun anew or not */
async function commitOf(filling: number): Promise<Commit> {
  const live = join(parent, 'live');
  const folder = join(parent, 'killed');
  const store = sqliteStore({ folder: live });
  await store.append([
    record('job_a', 1, '"n":1}'),
    { kind: 'document', key: 'session/a', revision: 1, text: 'one' },
  ]);
  await store.append([record('job_a', 2, `"n":"${'y'.repeat(3_000)}"}`), record('job_b', 1, '"n":1}')]);
  for (let n = 1; n <= filling; n += 1) {
    const text = `${n} ${'z'.repeat(9_000)}`;
    await store.append([{ kind: 'document', key: 'filling', revision: n, text }]);
  }
  const before = await contents(store);
  cpSync(live, folder, { recursive: true });
  const walBefore = readFileSync(join(folder, WAL_FILE));
  await store.append(TORN);
  const after = await contents(store);
  const walAfter = readFileSync(join(live, WAL_FILE));
  await store.close();
  return { folder, walBefore, walAfter, before, after };
}

/** The bytes that the commit wrote. */
function written({ walBefore, walAfter }: Commit): { readonly from: number; readonly to: number } {
  let from = 0;
  while (from < walBefore.length && walBefore[from] === walAfter[from]) from += 1;
  let to = walAfter.length;
  if (walBefore.length === walAfter.length) while (walBefore[to - 1] === walAfter[to - 1]) to -= 1;
  return { from, to };
}

function offsets(from: number, to: number, isThorough = false): number[] {
  const all = Array.from({ length: to - from }, (_, at) => from + at);
  return all.filter((at) => {
    const inFrame = (at - WAL_HEADER) % FRAME;
    const everyByte = isThorough && at >= to - FRAME;
    return everyByte || [0, 1, 4, 8, 16, 23, 24].includes(inFrame) || at % STRIDE === 0 || at > to - 8;
  });
}

async function reopened(
  { folder }: Commit,
  wal: Buffer,
  look: (store: Store) => Promise<void>,
): Promise<void> {
  const torn = join(parent, 'torn');
  rmSync(torn, { recursive: true, force: true });
  mkdirSync(torn);
  cpSync(join(folder, LOG_FILE), join(torn, LOG_FILE));
  writeFileSync(join(torn, WAL_FILE), wal);
  const store = sqliteStore({ folder: torn, durability: 'normal' });
  try {
    await look(store);
  } finally {
    await store.close();
  }
}

describe.each([
  ['that is fresh', 0],
  ['that was begun anew', 400],
])('a write-ahead log %s', (_what, filling) => {
  const timeout = IS_THOROUGH ? 300_000 : 60_000;

  it(
    'torn inside a commit has all that was committed before, and nothing of that commit',
    { timeout },
    async () => {
      const commit = await commitOf(filling);
      const { from, to } = written(commit);
      expect(to - from).toBeGreaterThan(2 * FRAME);
      const { walBefore, walAfter } = commit;
      for (const at of offsets(from, to, IS_THOROUGH && filling === 0)) {
        const wal = Buffer.concat([walAfter.subarray(0, at), walBefore.subarray(at)]);
        await reopened(commit, wal, async (store) => {
          expect(await contents(store), `torn at ${at - from} of ${to - from}`).toEqual(commit.before);
        });
      }
      await reopened(commit, walAfter, async (store) => {
        expect(await contents(store)).toEqual(commit.after);
      });
    },
  );

  it(
    'with a wrong byte in the last commit has nothing of that commit, and goes on',
    { timeout },
    async () => {
      const commit = await commitOf(filling);
      const { from, to } = written(commit);
      for (const at of offsets(from, to)) {
        const wal = Buffer.from(commit.walAfter);
        wal[at] = (wal[at] ?? 0) ^ 0x20;
        await reopened(commit, wal, async (store) => {
          expect(await contents(store), `wrong at ${at - from} of ${to - from}`).toEqual(commit.before);
          if (at % STRIDE !== 0) return;
          await store.append(TORN);
          expect(await contents(store)).toEqual(commit.after);
        });
      }
    },
  );
});
