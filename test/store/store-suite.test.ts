/** One suite over every store: the port's promises S1 to S4. */
import * as fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ArcpError } from '../../src/index.js';
import { memoryStore } from '../../src/store/memory.js';
import { sqliteStore } from '../../src/store/sqlite/sqlite-store.js';
import type { DocumentWrite, LogRecord, Store, StoredRecord } from '../../src/store/store.js';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'arcp-store-'));
  folders.push(folder);
  return folder;
}

/** Each makes an empty store. */
const STORES: [name: string, make: () => Store][] = [
  ['memory', memoryStore],
  ['sqlite', () => sqliteStore({ folder: temporaryFolder(), durability: 'normal' })],
];

const record = (log: string, seq: number, body = `"n":${seq}}`): LogRecord => ({
  kind: 'record',
  log,
  seq,
  type: 'log',
  body,
});

/** As it is read back. */
const stored = (written: LogRecord): StoredRecord => ({
  log: written.log,
  seq: written.seq,
  type: written.type,
  body: written.body,
});

const document = (key: string, revision: number, text?: string): DocumentWrite => ({
  kind: 'document',
  key,
  revision,
  text,
});

describe.each(STORES)('the %s store', (_name, make) => {
  it('gives back what was appended, in order, from where it is asked (S1)', async () => {
    const store = make();
    await store.append([record('job_a', 1), record('job_b', 1), record('job_a', 2)]);
    await store.append([record('job_a', 3)]);
    expect(await store.read('job_a', 0, 10)).toEqual(
      [record('job_a', 1), record('job_a', 2), record('job_a', 3)].map(stored),
    );
    expect(await store.read('job_a', 1, 1)).toEqual([record('job_a', 2)].map(stored));
    expect(await store.read('job_a', 3, 10)).toEqual([]);
    expect(await store.read('job_a', 99, 10)).toEqual([]);
    expect(await store.read('job_b', 0, 10)).toEqual([record('job_b', 1)].map(stored));
    await store.close();
  });

  it('knows nothing of a log that was never written, whatever it is called', async () => {
    const store = make();
    for (const log of ['job_none', '', '__proto__', 'constructor'])
      expect(await store.read(log, 0, 10)).toEqual([]);
    await store.append([record('__proto__', 1)]);
    expect(await store.read('__proto__', 0, 10)).toEqual([record('__proto__', 1)].map(stored));
    await store.close();
  });

  it('keeps any text as it is', async () => {
    const store = make();
    const bodies = [
      '"a":"\\u0000"}',
      '"b":"🎈 \\ud800"}',
      `"c":"${'x'.repeat(100_000)}"}`,
      '"d":"\'; DROP TABLE"}',
    ];
    await store.append(bodies.map((body, index) => record('job_a', index + 1, body)));
    expect((await store.read('job_a', 0, 10)).map(({ body }) => body)).toEqual(bodies);
    await store.close();
  });

  it.each<[string, readonly LogRecord[]]>([
    ['a gap', [record('job_a', 3)]],
    ['a repeat', [record('job_a', 1)]],
    ['a new log that does not begin at 1', [record('job_b', 2)]],
    ['zero', [record('job_b', 0)]],
    ['a gap behind records that are right', [record('job_b', 1), record('job_a', 2), record('job_a', 4)]],
    ['a repeat within the group', [record('job_a', 2), record('job_a', 2)]],
  ])(
    'refuses %s, and with it the whole group: nothing of it is ever visible (S1, S2)',
    async (_what, group) => {
      const store = make();
      await store.append([record('job_a', 1)]);
      const append = async (): Promise<void> => store.append(group);
      await expect(append()).rejects.toThrow(ArcpError);
      expect(await store.read('job_a', 0, 10)).toEqual([record('job_a', 1)].map(stored));
      expect(await store.read('job_b', 0, 10)).toEqual([]);
      await store.append([record('job_a', 2), record('job_b', 1)]);
      expect(await store.read('job_a', 1, 10)).toEqual([record('job_a', 2)].map(stored));
      await store.close();
    },
  );

  it('forgets whole logs, which may then begin anew', async () => {
    const store = make();
    await store.append([record('job_a', 1), record('job_b', 1), record('job_c', 1)]);
    await store.drop(['job_a', 'job_none', 'job_c']);
    expect(await store.read('job_a', 0, 10)).toEqual([]);
    expect(await store.read('job_b', 0, 10)).toEqual([record('job_b', 1)].map(stored));
    await store.append([record('job_a', 1, '"again":1}')]);
    expect(await store.read('job_a', 0, 10)).toEqual([record('job_a', 1, '"again":1}')].map(stored));
    await store.close();
  });

  it('behaves as a map of lists does, whatever is appended, dropped and read', async () => {
    const log = fc.constantFrom('job_a', 'job_b', 'sess_c');
    const action = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('append' as const),
          logs: fc.array(log, { maxLength: 6 }),
          skew: fc.constantFrom(0, 0, 0, 1, -1),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('drop' as const), logs: fc.array(log, { maxLength: 2 }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
        const store = make();
        const model = new Map<string, StoredRecord[]>();
        for (const [index, one] of actions.entries()) {
          if (one.do === 'drop') {
            await store.drop(one.logs);
            for (const name of one.logs) model.delete(name);
            continue;
          }
          const next = new Map<string, number>();
          const group = one.logs.map((name, place) => {
            const seq = (next.get(name) ?? model.get(name)?.length ?? 0) + 1;
            next.set(name, seq);
            const isLast = place === one.logs.length - 1;
            return record(name, isLast ? seq + one.skew : seq, `"at":${index}}`);
          });
          const refused = one.skew !== 0 && group.length > 0;
          const append = async (): Promise<void> => store.append(group);
          if (refused) await expect(append()).rejects.toThrow();
          else {
            await append();
            for (const written of group) {
              model.set(written.log, [...(model.get(written.log) ?? []), stored(written)]);
            }
          }
        }
        for (const name of ['job_a', 'job_b', 'sess_c']) {
          expect(await store.read(name, 0, 1_000)).toEqual(model.get(name) ?? []);
        }
        await store.close();
      }),
      { numRuns: 100 },
    );
  });

  it('puts positions in the order of commit, over all logs (S4)', async () => {
    const store = make();
    await store.append([record('job_a', 1), record('job_b', 1), record('job_a', 2)]);
    await store.append([record('sess_c', 1), record('job_b', 2), record('job_a', 3)]);
    const all = await store.places(0, 100);
    expect(all.map(({ log, seq }) => `${log}.${seq}`)).toEqual([
      'job_a.1',
      'job_b.1',
      'job_a.2',
      'sess_c.1',
      'job_b.2',
      'job_a.3',
    ]);
    expect(all.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(all[0]).toEqual({ position: 1, log: 'job_a', seq: 1, type: 'log', bytes: 6 });
    expect(await store.places(2, 3)).toEqual(all.slice(2, 5));
    expect(await store.places(6, 3)).toEqual([]);
    await store.close();
  });

  it('never gives a position twice: neither one whose log is forgotten, nor one before it (S4)', async () => {
    const store = make();
    expect(await store.lastPosition()).toBe(0);
    await store.append([record('job_a', 1), record('job_b', 1), record('job_b', 2, '"é":1}')]);
    await store.drop(['job_b']);
    expect(await store.lastPosition()).toBe(3);
    const append = async (): Promise<void> => store.append([record('job_c', 1), record('job_a', 7)]);
    await expect(append()).rejects.toThrow(ArcpError);
    expect(await store.lastPosition()).toBe(3);
    await store.append([record('job_b', 1, '"é":1}')]);
    expect((await store.places(1, 10)).map(({ position, bytes }) => [position, bytes])).toEqual([[4, 7]]);
    await store.close();
  });

  it('knows which logs have a head, and what came last in each', async () => {
    const store = make();
    await store.append([
      { ...record('job_a', 1), head: 'of a' },
      { ...record('job_b', 1), head: 'of b' },
      record('sess_c', 1),
      { ...record('job_d', 1), head: 'of d' },
    ]);
    await store.append([{ ...record('job_b', 2, '"end":2}'), type: 'job.completed' }]);
    const a = { log: 'job_a', head: 'of a', seq: 1, type: 'log', body: '"n":1}' };
    const b = { log: 'job_b', head: 'of b', seq: 2, type: 'job.completed', body: '"end":2}' };
    const d = { log: 'job_d', head: 'of d', seq: 1, type: 'log', body: '"n":1}' };
    expect(await store.heads(10)).toEqual([d, b, a]);
    expect(await store.heads(2)).toEqual([d, b]);
    expect(await store.heads(2, 'job_b')).toEqual([a]);
    await store.drop(['job_d']);
    expect(await store.heads(10)).toEqual([b, a]);
    await store.close();
  });

  it('replaces documents as a whole, one revision after the other (S2)', async () => {
    const store = make();
    await store.append([
      document('session/a', 1, 'one'),
      document('session/b', 1, '🎈'),
      document('other', 1, 'x'),
    ]);
    await store.append([document('session/a', 2, 'two')]);
    const a = { key: 'session/a', revision: 2, text: 'two' };
    const b = { key: 'session/b', revision: 1, text: '🎈' };
    expect(await store.documents('session/')).toEqual([a, b]);
    await store.append([document('session/b', 2)]);
    expect(await store.documents('session/')).toEqual([a]);
    expect(await store.documents('')).toHaveLength(2);
    await store.close();
  });

  it.each<[string, DocumentWrite]>([
    ['a repeat', document('session/a', 1, 'again')],
    ['a gap', document('session/a', 3, 'late')],
    ['a new document that does not begin at 1', document('session/b', 2, 'new')],
    ['the removal of one that is not there', document('session/b', 0)],
  ])('refuses %s of a document, and the whole group with it (S1, S2)', async (_what, wrong) => {
    const store = make();
    await store.append([document('session/a', 1, 'one'), { ...record('job_a', 1), head: 'of a' }]);
    const append = async (): Promise<void> =>
      store.append([
        document('other', 1, 'x'),
        record('job_a', 2),
        { ...record('job_b', 1), head: 'of b' },
        wrong,
      ]);
    await expect(append()).rejects.toThrow(ArcpError);
    expect(await store.documents('')).toEqual([{ key: 'session/a', revision: 1, text: 'one' }]);
    expect((await store.heads(10)).map(({ log, seq }) => [log, seq])).toEqual([['job_a', 1]]);
    expect(await store.read('job_b', 0, 10)).toEqual([]);
    await store.close();
  });
});
