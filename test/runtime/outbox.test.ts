/** The outbox on its own (O1, O2), over a store that takes its time to read, and fails at it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent, memoryStore, type LogRecord } from '../../src/index.js';
import { EventLog, type LogEvent } from '../../src/runtime/event-log.js';
import { Journal } from '../../src/runtime/journal.js';
import { Timestamps } from '../../src/runtime/timestamps.js';
import { limitsWith } from '../../src/runtime/limits.js';
import { Outbox, type EventSink } from '../../src/runtime/outbox.js';
import { FakeClock } from '../../src/testing/index.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';

/** A memory store whose reads wait for a turn, and fail as often as they are told to. */
function lateStore() {
  const inner = memoryStore();
  const failures = { left: 0 };
  const store = wrapStore(inner, {
    read: async (log, after, limit) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (failures.left > 0) {
        failures.left -= 1;
        throw new Error('disk is busy');
      }
      return inner.read(log, after, limit);
    },
  });
  return { store, failures };
}

class Reader implements EventSink {
  buffered = 0;
  readonly got: string[] = [];

  event({ body }: Pick<LogRecord, 'body'>, eventSeq: number): void {
    this.buffered += 10;
    this.got.push(`${eventSeq} ${body}`);
  }
}

describe('the outbox', () => {
  it('tells each reader what comes after what it has, once and in order, whoever comes, goes and dawdles', async () => {
    const action = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant('event' as const), log: fc.constantFrom('job_a', 'job_b') }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constantFrom('drain' as const, 'turn' as const, 'detach' as const) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('attach' as const), behind: fc.integer({ min: 0, max: 10 }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const { store } = lateStore();
        const faults: unknown[] = [];
        const outbox = new Outbox(store, limitsWith({ softBufferBytes: 30 }), (_seq, error) =>
          faults.push(error),
        );
        const all: string[] = [];
        const seqs = new Map<string, number>();
        const readers: { reader: Reader; after: number }[] = [];
        const current = (): Reader | undefined => readers.at(-1)?.reader;
        for (const one of actions) {
          if (one.do === 'event') {
            const seq = (seqs.get(one.log) ?? 0) + 1;
            seqs.set(one.log, seq);
            const event = {
              kind: 'record',
              log: one.log,
              seq,
              type: 'log',
              body: `${one.log} ${seq}`,
            } as const;
            void store.append([event]);
            all.push(event.body);
            outbox.onEvent(event as LogEvent);
          } else if (one.do === 'turn') {
            await new Promise((resolve) => setImmediate(resolve));
          } else if (one.do === 'detach') {
            outbox.detach();
          } else if (one.do === 'attach') {
            const after = Math.max(0, outbox.lastSeq - one.behind);
            readers.push({ reader: new Reader(), after });
            outbox.attach(current() ?? new Reader(), after);
          } else {
            const reader = current();
            if (reader !== undefined) reader.buffered = 0;
            outbox.resume();
          }
        }
        readers.push({ reader: new Reader(), after: 0 });
        outbox.attach(current() ?? new Reader(), 0);
        for (let round = 0; round < 80; round += 1) {
          const reader = current();
          if (reader !== undefined) reader.buffered = 0;
          outbox.resume();
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(faults).toEqual([]);
        const numbered = all.map((body, index) => `${index + 1} ${body}`);
        for (const { reader, after } of readers) {
          expect(reader.got).toEqual(numbered.slice(after, after + reader.got.length));
        }
        expect(current()?.got).toEqual(numbered);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a session that has ended', () => {
  it('is let go by the logs that it watched, and never comes back to them (L7)', async () => {
    const clock = new FakeClock();
    const limits = limitsWith();
    const journal = new Journal(memoryStore(), clock, () => undefined);
    const log = new EventLog('job_a', {}, { journal, timestamps: new Timestamps(clock) });
    const [stays, goes] = [0, 1].map(() => new Outbox(memoryStore(), limits, () => undefined));
    if (stays === undefined || goes === undefined) throw new Error('there are two');
    for (const outbox of [goes, stays]) log.observe(outbox);
    goes.close();
    log.append('log', { level: 'info', message: '' });
    await journal.flushed();
    log.observe(goes);
    expect(log.observers).toEqual([stays]);
    expect(stays.lastSeq).toBe(1);
  });
});

describe('a store that cannot be read just now', () => {
  it('cuts the connection off with 1013, and the session can be resumed (L7)', async () => {
    const { store, failures } = lateStore();
    const talker = defineAgent({
      name: 'talker',
      version: '1.0.0',
      run: (_in, ctx) => {
        for (let n = 0; n < 10; n += 1) ctx.log('info', `${n}`);
      },
    });
    await using test = bench({ agents: [talker], store });
    const client = await test.open();
    await client.terminal(await client.accepted('talker'));
    client.wire.destroy();
    failures.left = 1;
    const second = test.raw();
    await second.resume(client.resumeToken, 0);
    expect(await second.closed()).toMatchObject({ code: 1013 });
    const third = test.raw();
    await third.resume(second.resumeToken, 0);
    await third.next('job.completed');
    expect(third.events()).toEqual(client.events());
    await new FakeClock().settle();
  });
});
