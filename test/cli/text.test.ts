import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fit, printable, widthOf } from '../../src/cli/text.js';

describe('printable text', () => {
  it('has nothing that a terminal obeys', () => {
    const hostile = 'a\u001b[2Jb\u0007c\u009bd\ne\u202ef\u200bg';
    expect(printable(hostile)).toBe('a [2Jb c d e f g');
  });

  it('keeps every other character', () => {
    expect(printable('é 漢字 👍 ─ ✓')).toBe('é 漢字 👍 ─ ✓');
  });

  it('has no control character, whatever it was made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(Array.from(printable(text)).every((one) => (one.codePointAt(0) ?? 0) >= 0x20)).toBe(true);
      }),
    );
  });
});

describe('the width of text', () => {
  it.each([
    ['abc', 3],
    ['漢字', 4],
    ['👍', 2],
    ['e\u0301', 1],
    ['─✓', 2],
  ])('of %s is %i columns', (text, columns) => {
    expect(widthOf(text)).toBe(columns);
  });

  it('is never more than what it is fitted to, and text that fits is left as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 40 }), (text, columns) => {
        const shown = printable(text);
        const fitted = fit(shown, columns);
        expect(widthOf(fitted)).toBeLessThanOrEqual(columns);
        if (widthOf(shown) <= columns) expect(fitted).toBe(shown);
        else if (columns > 0) expect(fitted.endsWith('…')).toBe(true);
      }),
    );
  });
});
