import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutToBytes, endOf, exceedsBytes } from '../../src/transport/utf8.js';

const text = fc.string({ unit: 'binary', maxLength: 100 });

describe('text measured in bytes', () => {
  it('exceeds a limit exactly when its UTF-8 form does', () => {
    fc.assert(
      fc.property(text, fc.nat(200), (value, limit) => {
        expect(exceedsBytes(value, limit)).toBe(Buffer.byteLength(value) > limit);
      }),
    );
  });

  it('is cut to a beginning that fits, splits no character, and could not be longer', () => {
    fc.assert(
      fc.property(text, fc.nat(120), (value, limit) => {
        const cut = cutToBytes(value, limit);
        expect(value.startsWith(cut)).toBe(true);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(limit);
        const [next] = value.slice(cut.length);
        if (next === undefined) return;
        const nextChar = String.fromCodePoint(value.codePointAt(cut.length) ?? 0);
        expect(Buffer.byteLength(cut + nextChar)).toBeGreaterThan(limit);
      }),
    );
  });

  it('makes close reasons that any close frame takes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (reason) => {
        const end = endOf(1000, reason);
        expect(Buffer.byteLength(end.reason)).toBeLessThanOrEqual(123);
        expect(end.reason.isWellFormed()).toBe(true);
      }),
    );
  });
});
