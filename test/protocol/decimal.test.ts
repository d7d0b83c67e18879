import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AMOUNT_UNIT, amountFromNumber, formatAmount, parseAmount } from '../../src/protocol/decimal.js';
import { ArcpError } from '../../src/protocol/errors.js';
import { oneOf } from './characters.js';
import { errorOf } from './error-of.js';

/** Every amount there is. */
const amount = fc.bigInt({ min: 0n, max: AMOUNT_UNIT * AMOUNT_UNIT - 1n });
const digits = (maxLength: number) => fc.string({ unit: oneOf('0123456789'), minLength: 1, maxLength });

describe('laws of decimal amounts (decision 15)', () => {
  it('what is printed parses as the same amount, and is the shortest text that does', () => {
    fc.assert(
      fc.property(amount, (amount) => {
        const text = formatAmount(amount);
        expect(parseAmount(text)).toBe(amount);
        expect(text).toMatch(/^(0|[1-9]\d*)(\.\d*[1-9])?$/);
      }),
    );
  });

  it('text is read digit by digit, and its zeros at either end do not matter', () => {
    fc.assert(
      fc.property(digits(18), digits(18), (whole, fraction) => {
        expect(parseAmount(`${whole}.${fraction}`)).toBe(BigInt(whole + fraction.padEnd(18, '0')));
        expect(parseAmount(whole)).toBe(parseAmount(`${whole}.0`));
      }),
    );
  });

  it('sums of what is printed are exact', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { maxLength: 50 }), (cents) => {
        const sum = cents.map((n) => parseAmount(formatAmount((BigInt(n) * AMOUNT_UNIT) / 100n)));
        const total = cents.reduce((a, b) => a + b, 0);
        expect(sum.reduce((a, b) => a + b, 0n)).toBe((BigInt(total) * AMOUNT_UNIT) / 100n);
      }),
    );
  });

  it('parsing fails with nothing but INVALID_ARGUMENT on arbitrary text', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: oneOf('0123456789.-+e _') }));
    fc.assert(
      fc.property(text, (text) => {
        if (/^\d{1,18}(\.\d{1,18})?$/.test(text)) {
          expect(parseAmount(text)).toBeTypeOf('bigint');
          return;
        }
        const error = errorOf(ArcpError, () => parseAmount(text));
        expect(error.code).toBe('INVALID_ARGUMENT');
        expect(error.message.isWellFormed()).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('an overdrawn remainder prints with a minus sign', () => {
    expect(formatAmount(parseAmount('0.58') - parseAmount('0.70'))).toBe('-0.12');
  });

  it('a JSON number is the amount of its shortest text, digit for digit, or is refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double(),
          fc.double({ min: 0, max: 1 }),
          fc.nat().map((n) => n / 1e12),
        ),
        (value) => {
          let text: string;
          try {
            text = amountFromNumber(value);
          } catch (error) {
            expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
            const places = /^(?:\d+)(?:\.(\d+))?(?:e-(\d+))?$/.exec(String(value));
            const fits = places !== null && (places[1]?.length ?? 0) + Number(places[2] ?? 0) <= 18;
            expect(fits && value < 1e18, String(value)).toBe(false);
            return;
          }
          expect(Number(text)).toBe(value === 0 ? 0 : value);
          expect(text).not.toContain('e');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([NaN, Infinity, -Infinity, -1e-300, -1, 1e18, 1e-300])('%d is no amount', (value) => {
    expect(errorOf(ArcpError, () => amountFromNumber(value)).code).toBe('INVALID_ARGUMENT');
  });
});
