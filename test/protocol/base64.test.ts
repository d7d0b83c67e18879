import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Base64Error,
  decodeBase64,
  encodeBase64,
  encodePortably,
  measureBase64,
  sizeOfOwnBase64,
  type Base64Fault,
} from '../../src/protocol/base64.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { oneOf } from './characters.js';
import { errorOf } from './error-of.js';
import { seedDecodeBase64 } from './seed-model.js';

interface Case {
  readonly input: string;
  readonly expect:
    | { readonly hex: string; readonly canonical?: string }
    | { readonly error: string; readonly fault: Base64Fault; readonly offset: number };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** The bytes, or `undefined` where the text is refused. */
function tryDecode(text: string): Uint8Array | undefined {
  try {
    return decodeBase64(text);
  } catch (error) {
    expect(error).toBeInstanceOf(Base64Error);
    expect(errorOf(Base64Error, () => measureBase64(text)).message).toBe((error as Base64Error).message);
    return undefined;
  }
}

describe('decodeBase64 (decision 18)', () => {
  it.each(fixtureCases<Case>('base64.json'))('$id: $shows', ({ input, expect: expected }) => {
    if ('error' in expected) {
      const { fault, offset } = expected;
      const error = errorOf(Base64Error, () => decodeBase64(input));
      expect({ error: error.code, fault: error.fault, offset: error.offset }).toEqual(expected);
      expect(error.details).toEqual({ fault, offset });
      expect(errorOf(Base64Error, () => measureBase64(input)).details).toEqual({ fault, offset });
    } else {
      const bytes = decodeBase64(input);
      expect(hex(bytes)).toBe(expected.hex);
      expect(measureBase64(input)).toBe(expected.hex.length / 2);
      expect(encodeBase64(bytes)).toBe(expected.canonical ?? input);
    }
  });

  it('refuses lone surrogates like any other character', () => {
    expect(errorOf(Base64Error, () => decodeBase64('AAA\ud800')).fault).toBe('character');
  });
});

/** Text on and around the edge of being base64. */
const nearly = fc.oneof(
  fc.string({ unit: oneOf('AZaz09+/==== \n-_é\u000b\u0141') }),
  fc.string({ unit: fc.constantFrom('AA', 'aGk=', 'AA==', '=', '==', 'A', ' ', '\t', '====', '*') }),
  fc.string({ unit: 'binary' }),
);

describe('laws of base64', () => {
  it('the decoder agrees with execution.rs, but for the named deviation, on arbitrary text', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        const bytes = tryDecode(text);
        expect(bytes === undefined ? undefined : [...bytes]).toEqual(seedDecodeBase64(text));
        if (bytes !== undefined) expect(measureBase64(text)).toBe(bytes.length);
      }),
      { numRuns: 5000 },
    );
  });

  it('whatever is encoded decodes to the same bytes, and is the same where there is no `Buffer`', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = encodeBase64(bytes);
        expect(encodePortably(bytes)).toBe(text);
        expect(sizeOfOwnBase64(text)).toBe(bytes.length);
        expect(decodeBase64(text)).toEqual(bytes);
        expect(measureBase64(text)).toBe(bytes.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('a part of a larger buffer is encoded as if it stood alone', () => {
    const whole = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
    expect(encodeBase64(whole.subarray(5, 12))).toBe(encodeBase64(whole.slice(5, 12)));
  });

  it('whitespace anywhere changes nothing', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(100), fc.constantFrom(' ', '\t', '\n', '\f', '\r')), { maxLength: 8 }),
        (bytes, blanks) => {
          let text = encodeBase64(bytes);
          for (const [at, blank] of blanks) text = text.slice(0, at) + blank + text.slice(at);
          expect(decodeBase64(text)).toEqual(bytes);
        },
      ),
    );
  });

  it('an invalid character anywhere is reported where it stands', () => {
    const invalid = fc.constantFrom(
      '-',
      '_',
      '*',
      '\u0000',
      '\u000b',
      '\u00a0',
      'é',
      '\u0141',
      '\uff21',
      '\ud800',
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.nat(),
        invalid,
        (bytes, place, character) => {
          const text = encodeBase64(bytes);
          const at = place % text.length;
          const error = errorOf(Base64Error, () =>
            decodeBase64(text.slice(0, at) + character + text.slice(at + 1)),
          );
          expect(error.offset).toBe(at);
        },
      ),
    );
  });

  it('a megabyte of each hostile kind is dealt with in one pass or two', () => {
    const size = 1 << 20;
    expect(decodeBase64('='.repeat(size))).toHaveLength(0);
    expect(decodeBase64(' '.repeat(size))).toHaveLength(0);
    expect(decodeBase64('A '.repeat(size))).toHaveLength((size / 4) * 3);
    expect(errorOf(Base64Error, () => decodeBase64(`${'A'.repeat(size - 1)}*`)).offset).toBe(size - 1);
  });
});
