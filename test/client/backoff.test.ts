import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Backoff, DEFAULT_RECONNECT } from '../../src/client/backoff.js';

describe('backoff', () => {
  it('doubles its ceiling up to maxDelayMs, and gives up after maxAttempts', () => {
    const backoff = new Backoff({ initialDelayMs: 100, maxDelayMs: 500, maxAttempts: 5 }, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 500, 500, undefined]);
  });

  it('begins anew after a success', () => {
    const backoff = new Backoff({ ...DEFAULT_RECONNECT, maxAttempts: 2 }, () => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it('has full jitter: every delay is anywhere between nothing and its ceiling', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.array(random, { minLength: 1, maxLength: 20 }), (draws) => {
        const left = [...draws];
        const backoff = new Backoff(DEFAULT_RECONNECT, () => left.shift() ?? 0);
        for (const [i, draw] of draws.entries()) {
          expect(backoff.next()).toBe(draw * Math.min(10_000, 100 * 2 ** i));
        }
      }),
    );
  });
});
