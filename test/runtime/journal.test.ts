/** The journal on its own: J1 to J4, whatever the store does and whenever. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventLog, type LogEvent } from '../../src/runtime/event-log.js';
import { Completion } from '../../src/runtime/completion.js';
import type { Clock } from '../../src/clock.js';
import { Journal } from '../../src/runtime/journal.js';
import { Timestamps } from '../../src/runtime/timestamps.js';
import { memoryStore, type Store, type Write } from '../../src/index.js';
import { FakeClock } from '../../src/testing/index.js';
import { wrapStore } from '../store/wrapped-store.js';

function setUp(
  append: Store['append'],
  grouping: Store['grouping'] = { kind: 'turn' },
  clock: Pick<Clock, 'now'> = new FakeClock(),
) {
  const store = wrapStore(memoryStore(), { grouping, append });
  const lost: [string, number[]][] = [];
  const journal = new Journal(store, clock, (log, events) =>
    lost.push([log.id, events.map(({ seq }) => seq)]),
  );
  const shown: [string, number][] = [];
  const logs = ['job_a', 'job_b', 'job_c'].map((id) => {
    const log = new EventLog(id, {}, { journal, timestamps: new Timestamps(new FakeClock()) });
    log.observe({ onEvent: (event: LogEvent) => shown.push([event.log, event.seq]) });
    return log;
  });
  return { journal, logs, shown, lost };
}

describe('the journal', () => {
  it('hands what one turn appended to the store as one group, and shows it afterwards in that order (J1)', async () => {
    const groups: number[] = [];
    const inner = memoryStore();
    const { logs, shown, journal } = setUp((group) => {
      groups.push(group.length);
      return inner.append(group);
    });
    for (const [index, log] of [...logs, ...logs].entries())
      log.append('log', { level: 'info', message: `${index}` });
    expect(shown).toEqual([]);
    await journal.flushed();
    expect(groups).toEqual([6]);
    expect(shown).toEqual([
      ['job_a', 1],
      ['job_b', 1],
      ['job_c', 1],
      ['job_a', 2],
      ['job_b', 2],
      ['job_c', 2],
    ]);
  });

  it('with a batching store waits no longer than 2 ms for a turn that does not end (J5)', async () => {
    const groups: number[] = [];
    const inner = memoryStore();
    const clock = { ms: 0, now: () => clock.ms };
    const { logs, journal } = setUp(
      (group) => {
        groups.push(group.length);
        return inner.append(group);
      },
      { kind: 'batch', writes: 100 },
      clock,
    );
    const say = async (): Promise<void> => {
      logs[0]?.append('log', { level: 'info', message: '' });
      await Promise.resolve();
    };
    for (let n = 0; n < 8; n += 1) {
      await say();
      clock.ms += 1;
    }
    expect(groups).toEqual([3, 3]);
    await journal.flushed();
    expect(groups).toEqual([3, 3, 2]);
  });

  it('with a batching store waits for the turn of the event loop, but for no more records than it takes', async () => {
    const groups: number[] = [];
    const inner = memoryStore();
    const { logs, journal } = setUp(
      (group) => {
        groups.push(group.length);
        return inner.append(group);
      },
      { kind: 'batch', writes: 3 },
    );
    const say = (): unknown => logs[0]?.append('log', { level: 'info', message: '' });
    say();
    await Promise.resolve();
    say();
    await Promise.resolve();
    expect(groups).toEqual([]);
    await journal.flushed();
    expect(groups).toEqual([2]);
    for (let n = 0; n < 3; n += 1) say();
    await Promise.resolve();
    expect(groups).toEqual([2, 3]);
  });

  it.each<[string, Store['grouping'], number]>([
    ['one by one', { kind: 'turn' }, 1],
    ['by full batches', { kind: 'batch', writes: 3 }, 3],
  ])('leaves the event loop its turns while events are awaited %s (J4)', async (_how, grouping, burst) => {
    const inner = memoryStore();
    const { logs, journal } = setUp((group) => inner.append(group), grouping);
    const turns = { count: 0 };
    const tick = setInterval(() => (turns.count += 1), 0);
    let rounds = 0;
    for (; rounds < 20_000 && turns.count === 0; rounds += 1) {
      for (let n = 0; n < burst; n += 1) logs[0]?.append('log', { level: 'info', message: '' });
      await journal.flushed();
    }
    clearInterval(tick);
    expect(rounds).toBeLessThan(20_000);
  });

  it('refuses with a document what follows on it, so that nothing else is lost by it (J3)', async () => {
    const inner = memoryStore();
    const full = new Completion();
    let groups = 0;
    const { journal, logs, shown, lost } = setUp((group) =>
      (groups += 1) === 1 ? full.promise : inner.append(group),
    );
    const settled: [string, unknown][] = [];
    const put = (key: string, revision: number): void => {
      const tell = (error?: unknown): void => void settled.push([`${key} ${revision}`, error]);
      journal.append({ kind: 'document', key, revision, text: '{}', settled: tell });
    };
    put('one', 1);
    await Promise.resolve();
    put('one', 2);
    put('two', 1);
    logs[0]?.append('log', { level: 'info', message: 'beside' });
    const error = new Error('disk full');
    full.reject(error);
    await journal.flushed();
    expect(settled).toEqual([
      ['one 1', error],
      ['one 2', error],
      ['two 1', undefined],
    ]);
    expect([shown, lost]).toEqual([[['job_a', 1]], []]);
  });

  it('flushed() resolves when nothing is to be done, and after a refusal as after a commit', async () => {
    const { logs, journal, lost } = setUp(() => Promise.reject(new Error('no')));
    await journal.flushed();
    logs[0]?.append('log', { level: 'info', message: '' });
    await journal.flushed();
    expect(lost).toEqual([['job_a', [1]]]);
    expect([logs[0]?.pending, logs[0]?.committedSeq, journal.failing]).toEqual([0, 0, true]);
  });

  it('shows each log gap-free and in order, and loses whole tails, whatever is refused (J1, J3)', async () => {
    const action = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('append' as const), log: fc.integer({ min: 0, max: 2 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'refuse' as const, 'turn' as const) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const inner = memoryStore();
        const flights: { group: readonly Write[]; done: Completion }[] = [];
        const { logs, shown, lost, journal } = setUp((group) => {
          const done = new Completion();
          flights.push({ group, done });
          return done.promise;
        });
        let appended = 0;
        const settle = (refuse: boolean): void => {
          expect(flights.length).toBeLessThanOrEqual(1);
          const flight = flights.shift();
          if (flight === undefined) return;
          if (refuse) flight.done.reject(new Error('no'));
          else {
            void inner.append(flight.group);
            flight.done.resolve();
          }
        };
        for (const one of actions) {
          if (one.do === 'append') {
            logs[one.log]?.append('log', { level: 'info', message: '' });
            appended += 1;
          } else if (one.do === 'turn') await Promise.resolve();
          else {
            settle(one.do === 'refuse');
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        const flushed = journal.flushed();
        for (let turn = 0; turn < 4; turn += 1) {
          await new Promise((resolve) => setImmediate(resolve));
          settle(false);
        }
        await flushed;
        const dropped = lost.reduce((sum, [, seqs]) => sum + seqs.length, 0);
        expect(shown.length + dropped).toBe(appended);
        for (const log of logs) {
          const seqs = shown.filter(([id]) => id === log.id).map(([, seq]) => seq);
          expect(seqs).toEqual(seqs.map((_, index) => index + 1));
          expect(await inner.read(log.id, 0, 100)).toHaveLength(seqs.length);
          expect([log.pending, log.committedSeq]).toEqual([0, seqs.length]);
        }
      }),
      { numRuns: 150 },
    );
  });
});
