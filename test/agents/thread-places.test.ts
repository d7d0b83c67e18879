/** Places for threads: a line that loses nobody and nothing. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ThreadPlaces, type Place } from '../../src/agents/thread-places.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

const never = new AbortController().signal;

describe('places', () => {
  it('are handed on in the order of asking', async () => {
    const places = new ThreadPlaces(1, 8);
    const got: string[] = [];
    const place = await places.take(never);
    for (const name of ['a', 'b']) void places.take(never).then(() => got.push(name));
    await new FakeClock().settle();
    expect(got).toEqual([]);
    place.release();
    await new FakeClock().settle();
    expect(got).toEqual(['a']);
  });

  it('are not waited for by whoever was stopped, at once and for a reason', async () => {
    const places = new ThreadPlaces(1, 8);
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
          const places = new ThreadPlaces(limit, 8);
          const clock = new FakeClock();
          const line: AbortController[] = [];
          const held: Place[] = [];
          for (const one of actions) {
            if (one === 'take') {
              const stop = new AbortController();
              line.push(stop);
              void places.take(stop.signal).then(
                (place) => {
                  held.push(place);
                  line.splice(line.indexOf(stop), 1);
                },
                () => line.splice(line.indexOf(stop), 1),
              );
            } else if (one === 'release') {
              held.shift()?.release();
            } else {
              line.at(-1)?.abort(new Error('x'));
            }
            await clock.settle();
            expect(held.length).toBeLessThanOrEqual(limit);
            expect(line.length === 0 || held.length === limit).toBe(true);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are lent to those in line while their threads wait for children, and taken back at once (P1)', async () => {
    const places = new ThreadPlaces(1, 8);
    const parent = await places.take(never);
    const waiting = places.take(never);
    parent.lend();
    parent.lend();
    const child = await waiting;
    parent.takeBack();
    parent.takeBack();
    const got: string[] = [];
    void places.take(never).then(() => got.push('next'));
    child.release();
    await new FakeClock().settle();
    expect(got).toEqual([]);
    parent.release();
    await new FakeClock().settle();
    expect(got).toEqual(['next']);
  });

  it('that were lent come back once, however their threads end (P1)', async () => {
    const places = new ThreadPlaces(1, 8);
    const parent = await places.take(never);
    parent.lend();
    parent.release();
    parent.takeBack();
    parent.release();
    const next = await places.take(never);
    const stop = new AbortController();
    const second = places.take(stop.signal);
    stop.abort(new Error('one place only'));
    await expect(second).rejects.toThrow('one place only');
    next.release();
    await places.take(never);
  });

  it('that were lent are refused with RESOURCE_EXHAUSTED at the most threads, also to those in line (P2)', async () => {
    const places = new ThreadPlaces(1, 2);
    const parent = await places.take(never);
    parent.lend();
    const child = await places.take(never);
    const inLine = places.take(never);
    child.lend();
    await expect(inLine).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    await expect(places.take(never)).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    child.release();
    await places.take(never);
  });
});
