/** The system's clock: timers that keep any delay, and timestamps that are made once a millisecond. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { Timestamps } from '../../src/runtime/timestamps.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { DEFAULT_LIMITS, LIMITS, limitsWith } from '../../src/runtime/limits.js';

describe('a timer of the system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1_000, 3 * 2 ** 31])(
    'of %i ms fires then and not before',
    async (ms) => {
      let fired = 0;
      systemClock.timer(ms, () => (fired += 1));
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(fired).toBe(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(fired).toBe(1);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it.each([10, 2 ** 31 + 10])('of %i ms can be cancelled at any time', async (ms) => {
    let fired = 0;
    const timer = systemClock.timer(ms, () => (fired += 1));
    await vi.advanceTimersByTimeAsync(ms - 5);
    timer.cancel();
    timer.cancel();
    await vi.advanceTimersByTimeAsync(10);
    expect([fired, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('of a time that is past fires at once, and one of infinity never', async () => {
    let fired = 0;
    systemClock.timer(-5, () => (fired += 1));
    const never = systemClock.timer(Infinity, () => (fired += 10));
    await vi.advanceTimersByTimeAsync(0);
    await vi.advanceTimersByTimeAsync(2 ** 33);
    expect(fired).toBe(1);
    never.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('timestamps are RFC 3339 in UTC and follow their clock', async () => {
  const clock = new FakeClock();
  const timestamps = new Timestamps(clock);
  expect(timestamps.now()).toBe('2026-01-01T00:00:00.000Z');
  expect(timestamps.now()).toBe(timestamps.now());
  await clock.advance(1);
  expect(timestamps.now()).toBe('2026-01-01T00:00:00.001Z');
});

describe('limits (L7)', () => {
  it('each have a positive default, or 0 where that means none, a unit and a meaning', () => {
    for (const [name, { default: value, unit, meaning }] of Object.entries(LIMITS)) {
      expect(value > 0 || /; 0 is no /.test(meaning), name).toBe(true);
      expect(unit.length * meaning.length, name).toBeGreaterThan(0);
    }
    expect(DEFAULT_LIMITS).toMatchObject({
      maxFrameBytes: 1_572_864,
      maxChunkBytes: 1_048_576,
      maxResultBytes: 268_435_456,
      helloTimeoutMs: 10_000,
      maxRunningJobsPerPrincipal: 100,
      cancelDeadlineMs: 5_000,
      heartbeatIntervalMs: 30_000,
      idempotencyWindowMs: 86_400_000,
    });
  });

  it.each([
    ['maxFrameBytes', 0],
    ['maxFrameBytes', -1],
    ['maxFrameBytes', Number.NaN],
    ['maxFrames', 1],
    ['toString', 1],
  ])('that make no sense are refused: %s of %d', (name, value) => {
    expect(() => limitsWith({ [name]: value })).toThrow(RangeError);
  });

  it('may be 0 where that means none', () => {
    expect(limitsWith({ ackWindow: 0 })).toEqual(DEFAULT_LIMITS);
  });

  it('that are not named keep their defaults', () => {
    expect(limitsWith({ maxNesting: 9 })).toEqual({ ...DEFAULT_LIMITS, maxNesting: 9 });
  });
});
