import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nestsDeeperThan } from '../../src/protocol/nesting.js';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((deepest, inner) => Math.max(deepest, depthOf(inner)), 0);
}

/** Strings in which a scanner could lose its way: brackets, quotes and runs of backslashes, long and short. */
const trickyText = fc
  .array(fc.constantFrom('[', ']', '{', '}', '"', '\\', '\\\\', 'a', 'é', 'x'.repeat(60)))
  .map((parts) => parts.join(''));

const tricky = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'large', withCrossShrink: true },
    trickyText,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(trickyText, tie('value'), { maxKeys: 3 }),
  ),
})).value;

describe('nestsDeeperThan', () => {
  it('agrees with the depth of the parsed value, wherever brackets stand in strings', () => {
    fc.assert(
      fc.property(tricky, fc.integer({ min: 0, max: 6 }), fc.boolean(), (value, limit, spaced) => {
        const text = JSON.stringify(value, undefined, spaced ? 2 : undefined);
        expect(nestsDeeperThan(text, limit)).toBe(depthOf(value) > limit);
      }),
      { numRuns: 3_000 },
    );
  });

  it('answers for text that is not JSON, too', () => {
    fc.assert(
      fc.property(trickyText, fc.integer({ min: 0, max: 6 }), (text, limit) => {
        expect(typeof nestsDeeperThan(text, limit)).toBe('boolean');
      }),
    );
  });

  it('needs no stack: a million brackets', () => {
    const text = '['.repeat(1_000_000) + ']'.repeat(1_000_000);
    expect(nestsDeeperThan(text, 999_999)).toBe(true);
    expect(nestsDeeperThan(text, 1_000_000)).toBe(false);
  });
});
