/** Law L3 as a property: wherever connections drop, no event is lost, doubled or renumbered. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { bench, type Bench } from './bench.js';
import type { RawClient } from './raw-client.js';

type Step =
  | { readonly do: 'invoke'; readonly events: number }
  | { readonly do: 'tick' }
  /** Breaks the connection when the client has this many events more, or as it stands, and resumes. */
  | { readonly do: 'drop'; readonly after: number }
  | { readonly do: 'pause' }
  | { readonly do: 'takeover' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('invoke' as const), events: fc.integer({ min: 0, max: 6 }) }),
  fc.record({ do: fc.constant('drop' as const), after: fc.integer({ min: 0, max: 3 }) }),
  fc.constantFrom<Step>({ do: 'tick' }, { do: 'pause' }, { do: 'takeover' }),
);

/** A client that loses its connection as told, and keeps each event it has seen. */
class Survivor {
  readonly #bench: Bench;
  client: Awaited<ReturnType<Bench['open']>>;
  /** By number, as text. */
  readonly seen = new Map<number, string>();
  readonly faults: string[] = [];
  token: string;

  constructor(bench: Bench, client: Awaited<ReturnType<Bench['open']>>) {
    this.#bench = bench;
    this.client = client;
    this.token = client.resumeToken;
  }

  /** Takes in what has come, in order. */
  look(): void {
    let last = Math.max(0, ...this.seen.keys());
    for (const event of this.#fresh(this.client)) {
      const seq = event.event_seq ?? 0;
      if (seq !== last + 1) this.faults.push(`${seq} came after ${last}`);
      last = seq;
      this.seen.set(seq, JSON.stringify({ ...event, session_id: '' }));
    }
    this.#taken = this.client.events().length;
  }

  #taken = 0;

  #fresh(client: RawClient) {
    return client.events().slice(this.#taken);
  }

  async resume(broken: boolean): Promise<void> {
    this.look();
    if (broken) this.client.wire.destroy();
    this.#taken = 0;
    this.client = this.#bench.raw();
    await this.client.resume(this.token, this.seen.size);
    this.token = this.client.resumeToken;
    this.client.send('ping', {});
    await this.client.next('pong');
  }
}

describe('a session whose connections drop at random', () => {
  it('tells every event of every job once, under one number, in the order of each log (L3)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        const talker = defineAgent({
          name: 'talker',
          version: '1.0.0',
          run: async (input, ctx) => {
            const { events } = input as { events: number };
            for (let n = 0; n < events; n += 1) {
              ctx.log('info', `${ctx.jobId} ${n}`);
              if (n % 2 === 0) await ctx.flushed();
            }
            return events;
          },
        });
        await using test = bench({ agents: [talker], limits: { softBufferBytes: 400 } });
        const witness = await test.open('bob');
        const survivor = new Survivor(test, await test.open('ada'));
        let expected = 0;
        for (const one of steps) {
          if (one.do === 'invoke') {
            survivor.client.invoke('talker', { events: one.events });
            expected += one.events + 3;
            await Promise.resolve();
          } else if (one.do === 'tick') {
            await test.clock.settle();
          } else if (one.do === 'pause') {
            survivor.client.wire.pause();
            await Promise.resolve();
            survivor.client.wire.resume();
          } else if (one.do === 'takeover') {
            await test.clock.settle();
            await survivor.resume(false);
          } else {
            for (let turn = 0; turn < 5 + one.after; turn += 1) await Promise.resolve();
            // What was sent may be lost with the connection: commands are awaited first.
            await test.clock.settle();
            await survivor.resume(true);
          }
        }
        await test.clock.settle();
        survivor.look();
        // Another session resumed from nothing must be told the very same.
        const again = test.raw();
        await again.resume(survivor.token, 0);
        await test.clock.settle();
        expect(survivor.faults).toEqual([]);
        expect([...survivor.seen.keys()]).toEqual(Array.from({ length: expected }, (_, index) => index + 1));
        expect(again.events().map((event) => JSON.stringify({ ...event, session_id: '' }))).toEqual([
          ...survivor.seen.values(),
        ]);
        expect(witness.events()).toEqual([]);
      }),
      { numRuns: 120 },
    );
  }, 60_000);
});
