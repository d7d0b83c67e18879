import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesModel, subsumesModel } from '../../src/protocol/model-pattern.js';

/** What a pattern means, written as its definition: a star takes nothing, or one character and then what it may. */
function means(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  if (pattern.startsWith('*')) {
    return means(pattern.slice(1), name) || (name !== '' && means(pattern, name.slice(1)));
  }
  return name !== '' && pattern[0] === name[0] && means(pattern.slice(1), name.slice(1));
}

/** All words over the alphabet, up to a length. */
function words(alphabet: string, maxLength: number): string[] {
  const all = [''];
  let last = [''];
  for (let length = 1; length <= maxLength; length++) {
    last = last.flatMap((word) => Array.from(alphabet, (letter) => word + letter));
    all.push(...last);
  }
  return all;
}

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 7 });

describe('model patterns', () => {
  it('match what their definition says, for all short patterns and names', () => {
    const names = words('ab', 5);
    for (const pattern of words('ab*', 4)) {
      for (const name of names) {
        expect(matchesModel(pattern, name), `${pattern} and ${name}`).toBe(means(pattern, name));
      }
    }
  });

  it('match what their definition says, for longer ones', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 14 });
    fc.assert(
      fc.property(pattern, name, (pattern, name) => {
        expect(matchesModel(pattern, name)).toBe(means(pattern, name));
      }),
      { numRuns: 3000 },
    );
  });

  it('a star takes slashes, and passes over a first occurrence of the next piece (a*b matches abXb)', () => {
    expect(matchesModel('a*b', 'abXb')).toBe(true);
    expect(matchesModel('vendor/*', 'vendor/family/model')).toBe(true);
  });

  it('stay linear on hostile patterns: reading characters is counted, not time', () => {
    for (const size of [1000, 2000, 4000]) {
      const repetitive = 'a'.repeat(size);
      const hostile: readonly (readonly [string, string])[] = [
        [`*${'a'.repeat(size / 2)}b*`, repetitive],
        ['*a'.repeat(size / 2) + '*b', repetitive],
        [`*${'ab'.repeat(size / 4)}c*`, 'ab'.repeat(size / 2)],
        ['*'.repeat(size), repetitive],
      ];
      let reads = 0;
      for (const [pattern, name] of hostile) {
        const counted = new CountedText(name);
        expect(matchesModel(pattern, counted.text)).toBe(matchesModel(pattern, name));
        expect(counted.reads).toBeLessThan(4 * (pattern.length + name.length));
        reads += counted.reads;
      }
      expect(reads).toBeGreaterThan(size);
    }
  });
});

/** Text that counts how often its characters are looked at one by one. */
class CountedText {
  reads = 0;
  readonly text: string;

  constructor(text: string) {
    this.text = new Proxy(Object(text) as object, {
      get: (target, key) => {
        if (typeof key === 'string' && /^\d+$/.test(key)) this.reads++;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }) as unknown as string;
  }
}

describe('laws of pattern containment (L4)', () => {
  it('agrees with brute force: a pattern contains another exactly when it matches all that the other matches', () => {
    const patterns = words('ab*', 4);
    const names = words('abz', 5);
    const matched = new Map(
      patterns.map((pattern) => [pattern, names.map((name) => matchesModel(pattern, name))]),
    );
    for (const [outer, byOuter] of matched) {
      for (const [inner, byInner] of matched) {
        const contains = byInner.every((isMatch, i) => !isMatch || byOuter[i] === true);
        expect(subsumesModel(outer, inner), `${outer} contains ${inner}`).toBe(contains);
      }
    }
  });

  it('is sound for longer ones: no name that the inner matches escapes the outer', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'z'), maxLength: 10 });
    fc.assert(
      fc.property(pattern, pattern, fc.array(name, { maxLength: 20 }), (outer, inner, names) => {
        if (!subsumesModel(outer, inner)) return;
        for (const name of names) if (matchesModel(inner, name)) expect(matchesModel(outer, name)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('is reflexive and transitive, and a star contains everything', () => {
    fc.assert(
      fc.property(pattern, pattern, pattern, (a, b, c) => {
        expect(subsumesModel(a, a)).toBe(true);
        expect(subsumesModel('*', a)).toBe(true);
        if (subsumesModel(a, b) && subsumesModel(b, c)) expect(subsumesModel(a, c)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('a pattern lies within a union only where one member contains it', () => {
    const names = words('abz', 5);
    const short = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(short, { minLength: 1, maxLength: 4 }), short, (outers, inner) => {
        const covers = names.every(
          (name) => !matchesModel(inner, name) || outers.some((outer) => matchesModel(outer, name)),
        );
        expect(outers.some((outer) => subsumesModel(outer, inner))).toBe(covers);
      }),
      { numRuns: 1000 },
    );
  });
});
