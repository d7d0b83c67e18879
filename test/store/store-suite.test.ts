/** One suite over every store: the port's promises S1 to S3. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../src/index.js';
import { memoryStore } from '../../src/store/memory.js';
import type { LogRecord, Store } from '../../src/store/store.js';

/** Each makes an empty store. */
const STORES: [name: string, make: () => Store][] = [['memory', memoryStore]];

const record = (log: string, seq: number, body = `"n":${seq}}`): LogRecord => ({
  log,
  seq,
  type: 'log',
  body,
});

describe.each(STORES)('the %s store', (_name, make) => {
  it('gives back what was appended, in order, from where it is asked (S1)', async () => {
    const store = make();
    await store.append([record('job_a', 1), record('job_b', 1), record('job_a', 2)]);
    await store.append([record('job_a', 3)]);
    expect(await store.read('job_a', 0, 10)).toEqual([
      record('job_a', 1),
      record('job_a', 2),
      record('job_a', 3),
    ]);
    expect(await store.read('job_a', 1, 1)).toEqual([record('job_a', 2)]);
    expect(await store.read('job_a', 3, 10)).toEqual([]);
    expect(await store.read('job_a', 99, 10)).toEqual([]);
    expect(await store.read('job_b', 0, 10)).toEqual([record('job_b', 1)]);
    await store.close();
  });

  it('knows nothing of a log that was never written, whatever it is called', async () => {
    const store = make();
    for (const log of ['job_none', '', '__proto__', 'constructor'])
      expect(await store.read(log, 0, 10)).toEqual([]);
    await store.append([record('__proto__', 1)]);
    expect(await store.read('__proto__', 0, 10)).toEqual([record('__proto__', 1)]);
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
      expect(await store.read('job_a', 0, 10)).toEqual([record('job_a', 1)]);
      expect(await store.read('job_b', 0, 10)).toEqual([]);
      await store.append([record('job_a', 2), record('job_b', 1)]);
      expect(await store.read('job_a', 1, 10)).toEqual([record('job_a', 2)]);
      await store.close();
    },
  );

  it('forgets whole logs, which may then begin anew', async () => {
    const store = make();
    await store.append([record('job_a', 1), record('job_b', 1), record('job_c', 1)]);
    await store.drop(['job_a', 'job_none', 'job_c']);
    expect(await store.read('job_a', 0, 10)).toEqual([]);
    expect(await store.read('job_b', 0, 10)).toEqual([record('job_b', 1)]);
    await store.append([record('job_a', 1, '"again":1}')]);
    expect(await store.read('job_a', 0, 10)).toEqual([record('job_a', 1, '"again":1}')]);
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
        const model = new Map<string, LogRecord[]>();
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
            for (const written of group) model.set(written.log, [...(model.get(written.log) ?? []), written]);
          }
        }
        for (const name of ['job_a', 'job_b', 'sess_c']) {
          expect(await store.read(name, 0, 1_000)).toEqual(model.get(name) ?? []);
        }
        await store.close();
      }),
      { numRuns: 200 },
    );
  });
});
