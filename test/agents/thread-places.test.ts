/** Places for threads: a line that loses nobody and nothing. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ThreadPlaces } from '../../src/agents/thread-places.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const never = new AbortController().signal;

describe('places', () => {
  it('are handed on in the order of asking', async () => {
    const places = new ThreadPlaces(1);
    const got: string[] = [];
    await places.take(never);
    for (const name of ['a', 'b']) void places.take(never).then(() => got.push(name));
    await new FakeClock().settle();
    expect(got).toEqual([]);
    places.release();
    await new FakeClock().settle();
    expect(got).toEqual(['a']);
  });

  it('are not waited for by whoever was stopped, at once and for a reason', async () => {
    const places = new ThreadPlaces(1);
    await places.take(never);
    const stop = new AbortController();
    const waiting = places.take(stop.signal);
    stop.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    await expect(places.take(stop.signal)).rejects.toThrow('cancelled');
  });

  it('are never lost and never given twice, whoever comes, leaves or gives up', async () => {
    const action = fc.constantFrom('take', 'release', 'give up');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(action, { maxLength: 40 }),
        async (limit, actions) => {
          const places = new ThreadPlaces(limit);
          const clock = new FakeClock();
          const line: AbortController[] = [];
          let held = 0;
          for (const one of actions) {
            if (one === 'take') {
              const stop = new AbortController();
              line.push(stop);
              void places.take(stop.signal).then(
                () => {
                  held += 1;
                  line.splice(line.indexOf(stop), 1);
                },
                () => line.splice(line.indexOf(stop), 1),
              );
            } else if (one === 'release' && held > 0) {
              held -= 1;
              places.release();
            } else if (one === 'give up') {
              line.at(-1)?.abort(new Error('x'));
            }
            await clock.settle();
            expect(held).toBeLessThanOrEqual(limit);
            expect(line.length === 0 || held === limit).toBe(true);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
