/** Decision 10 as a property: whenever one begins to watch, and wherever connections drop, history and live join. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { bench } from './bench.js';

type Step =
  | { readonly do: 'say'; readonly lines: number }
  | { readonly do: 'turns'; readonly count: number }
  | { readonly do: 'drop' | 'pause' | 'settle' | 'noise' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('say' as const), lines: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ do: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ do: fc.constantFrom('drop' as const, 'pause' as const, 'settle' as const, 'noise' as const) }),
);

describe('a watcher that comes at any moment and drops at random', () => {
  it('is told exactly the job’s events from there on, once, in order, renumbered without a gap (L3)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        fc.array(step, { maxLength: 20 }),
        fc.option(fc.nat({ max: 30 }), { nil: undefined }),
        async (before, after, from) => {
          let say = (): void => undefined;
          let end = (): void => undefined;
          const talker = defineAgent({
            name: 'talker',
            version: '1.0.0',
            run: (_input, ctx) =>
              new Promise((resolve) => {
                say = () => ctx.log('info', 'x'.repeat(50));
                end = () => {
                  resolve('done');
                };
              }),
          });
          const noise = defineAgent({ name: 'noise', version: '1.0.0', run: () => 'noise' });
          await using test = bench({ agents: [talker, noise], limits: { softBufferBytes: 1_000 } });
          const owner = await test.open();
          const jobId = await owner.accepted('talker');
          await test.clock.settle();
          let watcher = await test.open();
          const ids: string[] = [];
          const faults: string[] = [];
          let taken = 0;
          const look = (): void => {
            for (const event of watcher.events().slice(taken)) {
              if (event.event_seq !== ids.length + 1) faults.push(`${event.event_seq} after ${ids.length}`);
              if (event.job_id !== jobId) faults.push(`an event of ${event.job_id}`);
              ids.push(event.id);
            }
            taken = watcher.events().length;
          };
          const play = async (steps: readonly Step[]): Promise<void> => {
            for (const one of steps) {
              if (one.do === 'say') for (let n = 0; n < one.lines; n += 1) say();
              else if (one.do === 'turns') for (let n = 0; n < one.count; n += 1) await Promise.resolve();
              else if (one.do === 'settle') await test.clock.settle();
              else if (one.do === 'noise') owner.invoke('noise');
              else if (one.do === 'pause') {
                watcher.wire.pause();
                await Promise.resolve();
                watcher.wire.resume();
              } else {
                look();
                const token = watcher.resumeToken;
                watcher.wire.destroy();
                watcher = test.raw();
                taken = 0;
                await watcher.resume(token, ids.length);
              }
            }
          };
          await play(before);
          const history = from !== undefined;
          watcher.send('job.subscribe', {
            job_id: jobId,
            history,
            ...(history ? { from_event_seq: from } : {}),
          });
          const { payload } = await watcher.next('job.subscribed');
          await play(after);
          end();
          await test.clock.settle();
          look();
          const all = owner.events().filter(({ job_id }) => job_id === jobId);
          const first = payload.subscribed_from;
          const expected = all.filter(({ event_seq = 0 }) => event_seq > first).map(({ id }) => id);
          expect(faults).toEqual([]);
          expect(ids).toEqual(expected);
          expect(watcher.seen('nack')).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);
});
