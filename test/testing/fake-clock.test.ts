/** The clock that tests move. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../src/testing/index.js';

describe('FakeClock', () => {
  it('stands still until it is moved', async () => {
    const clock = new FakeClock(1_000);
    let fired = false;
    clock.timer(0, () => {
      fired = true;
    });
    await clock.settle();
    expect([clock.now(), fired, clock.pending]).toEqual([1_000, false, 1]);
    await clock.advance(0);
    expect([clock.now(), fired, clock.pending]).toEqual([1_000, true, 0]);
  });

  it('fires what is due in the order of its times, then of its making, at those times', async () => {
    const clock = new FakeClock(0);
    const fired: [string, number][] = [];
    for (const [name, ms] of [
      ['c', 30],
      ['a', 10],
      ['b1', 20],
      ['b2', 20],
      ['d', 31],
    ] as const) {
      clock.timer(ms, () => fired.push([name, clock.now()]));
    }
    await clock.advance(30);
    expect(fired).toEqual([
      ['a', 10],
      ['b1', 20],
      ['b2', 20],
      ['c', 30],
    ]);
    expect([clock.now(), clock.pending]).toEqual([30, 1]);
  });

  it('fires timers that were set by timers, when they are due on the way', async () => {
    const clock = new FakeClock(0);
    const fired: number[] = [];
    const again = (): void => {
      fired.push(clock.now());
      clock.timer(10, again);
    };
    clock.timer(10, again);
    await clock.advance(35);
    expect(fired).toEqual([10, 20, 30]);
  });

  it('lets everything settle that one timer sets off before the next fires', async () => {
    const clock = new FakeClock(0);
    const order: string[] = [];
    clock.timer(1, () => {
      void Promise.resolve()
        .then(() => new Promise((resolve) => setImmediate(resolve)))
        .then(() => order.push('after the first'));
    });
    clock.timer(1, () => order.push('second'));
    await clock.advance(1);
    expect(order).toEqual(['after the first', 'second']);
  });

  it('does not fire what was cancelled, be it in the same instant', async () => {
    const clock = new FakeClock(0);
    let fired = 0;
    const second = { timer: clock.timer(2, () => (fired += 10)) };
    clock.timer(1, () => {
      fired += 1;
      second.timer.cancel();
    });
    await clock.advance(5);
    expect([fired, clock.pending]).toEqual([1, 0]);
  });

  it('keeps delays beyond 2^31 ms', async () => {
    const clock = new FakeClock(0);
    let fired = false;
    clock.timer(2 ** 40, () => {
      fired = true;
    });
    await clock.advance(2 ** 40 - 1);
    expect(fired).toBe(false);
    await clock.advance(1);
    expect(fired).toBe(true);
  });
});
