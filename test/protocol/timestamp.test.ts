import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTimestamp } from '../../src/protocol/index.js';
import { parseTimestamp } from '../../src/protocol/timestamp.js';

const FIRST = new Date('0000-01-01T00:00:00.000Z');
const LAST = new Date('9999-12-31T23:59:59.999Z');

describe('timestamps', () => {
  it('are read as Date reads them, in every year that RFC 3339 can write', () => {
    fc.assert(
      fc.property(fc.date({ min: FIRST, max: LAST, noInvalidDate: true }), (date) => {
        expect(parseTimestamp(date.toISOString())).toBe(date.getTime());
      }),
      { numRuns: 1_000 },
    );
  });

  it('are moved by their offset', () => {
    const minutes = fc.integer({ min: -(23 * 60 + 59), max: 23 * 60 + 59 });
    fc.assert(
      fc.property(fc.date({ min: FIRST, max: LAST, noInvalidDate: true }), minutes, (date, offset) => {
        const [hours, rest] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
        const two = (part: number): string => String(part).padStart(2, '0');
        const text = date.toISOString().replace('Z', `${offset < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`);
        expect(parseTimestamp(text)).toBe(date.getTime() - offset * 60_000);
      }),
    );
  });

  it('have fractions of 1 to 18 digits, of which three count', () => {
    expect(parseTimestamp('1970-01-01T00:00:00.1Z')).toBe(100);
    expect(parseTimestamp('1970-01-01T00:00:00.0129999Z')).toBe(12);
    expect(parseTimestamp(`1970-01-01T00:00:00.${'9'.repeat(18)}Z`)).toBe(999);
    expect(parseTimestamp(`1970-01-01T00:00:00.${'9'.repeat(19)}Z`)).toBeUndefined();
  });

  it('are known by any text whatever, and a day that does not exist is none', () => {
    const date = fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.nat({ max: 14 }), fc.nat({ max: 33 }));
    fc.assert(
      fc.property(date, ([year, month, day]) => {
        const pad = (part: number, length: number): string => String(part).padStart(length, '0');
        const text = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
        const at = new Date(`${text}T00:00:00Z`);
        const exists = !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
        expect(isTimestamp(`${text}T00:00:00Z`)).toBe(exists);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !isTimestamp(text)));
  });
});
