/** Laws of the patterns of leases: what they mean, that one lies within others (L4), and what that costs (L7). */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_CONTAINMENT_STEPS } from '../../src/protocol/pattern-containment.js';
import { matchesProgram } from '../../src/protocol/pattern-program.js';
import { canonicalTargets, compilePattern, TargetPatterns } from '../../src/protocol/target-patterns.js';
import type { TargetKind } from '../../src/protocol/lease-capability.js';

/** All sequences of up to `length` of these, from `least`. */
function sequences(words: readonly string[], length: number, least = 1): string[][] {
  let last: string[][] = [[]];
  const all = least === 0 ? [...last] : [];
  for (let size = 1; size <= length; size++) {
    last = last.flatMap((sequence) => words.map((word) => [...sequence, word]));
    all.push(...last);
  }
  return all;
}

/** A regex that says what a piece of a pattern means, for patterns that are known to be harmless. */
function regexOf(piece: string, character: string): string {
  if (piece === '*') return `${character}+`;
  return piece
    .split('*')
    .map((literal) => literal.replace(/[.[\]+]/g, '\\$&'))
    .join(`${character}*`);
}

describe('what patterns mean', () => {
  it('paths: * is within a segment, ** is any number of segments, for all short patterns and paths', () => {
    const means = ([first, ...rest]: readonly string[], target: readonly string[]): boolean => {
      if (first === undefined) return target.length === 0;
      if (first === '**')
        return means(rest, target) || (target.length > 0 && means([first, ...rest], target.slice(1)));
      const [segment, ...others] = target;
      if (segment === undefined || !new RegExp(`^${regexOf(first, '[^/]')}$`).test(segment)) return false;
      return means(rest, others);
    };
    const targets = sequences(['a', 'b', 'acb'], 4);
    for (const pattern of sequences(['a', '*', 'a*', '*b', '**'], 3)) {
      const program = compilePattern('path', `/${pattern.join('/')}`);
      for (const target of targets) {
        const path = `/${target.join('/')}`;
        expect(matchesProgram(program, path), `/${pattern.join('/')} and ${path}`).toBe(
          means(pattern, target),
        );
      }
    }
  });

  it('names: * ends at dots and slashes, ** at nothing, for all short patterns and names', () => {
    const names = sequences(['a', 'b', '.', '/'], 4).map((letters) => letters.join(''));
    for (const [first, separator, second] of sequences(['a', '*', 'a*', '*b', '**', '.', '/'], 3)) {
      if (first === undefined || './'.includes(first)) continue;
      if (separator !== undefined && separator !== '.' && separator !== '/') continue;
      if (separator !== undefined && (second === undefined || './'.includes(second))) continue;
      const pattern = [first, separator, second].join('');
      const before = separator === undefined ? '' : `\\${separator}`;
      const head =
        first === '**' ? (separator === undefined ? '.*' : `(.*${before})?`) : regexOf(first, '[^./]');
      const after = first === '**' ? '' : before;
      const tail =
        second === undefined
          ? ''
          : second !== '**'
            ? after + regexOf(second, '[^./]')
            : first === '**'
              ? '.*'
              : `(${before}.*)?`;
      const expression = new RegExp(`^${head}${tail}$`);
      const program = compilePattern('name', pattern);
      for (const name of names)
        expect(matchesProgram(program, name), `${pattern} and ${name}`).toBe(expression.test(name));
    }
  });
});

/** What each of the patterns covers of the targets. */
function coverage(kind: TargetKind, patterns: readonly string[], targets: readonly string[]): boolean[][] {
  return patterns.map((pattern) => {
    const compiled = new TargetPatterns(kind, [pattern]);
    return targets.map((target) => canonicalTargets(kind, target).every((form) => compiled.covers(form)));
  });
}

/**
 * Checks that containment agrees with the enumeration of targets: nothing is contained that reaches beyond, and what
 * reaches nothing beyond is contained.
 */
function agrees(
  kind: TargetKind,
  patterns: readonly string[],
  covers: readonly (readonly boolean[])[],
  outers: number,
  runs: number,
): void {
  const index = fc.nat(patterns.length - 1);
  let contained = 0;
  fc.assert(
    fc.property(index, fc.array(index, { maxLength: outers }), (inner, outer) => {
      const byInner = covers[inner] ?? [];
      const really = byInner.every((isCovered, at) => !isCovered || outer.some((one) => covers[one]?.[at]));
      const names = outer.map((one) => patterns[one] ?? '');
      const told = new TargetPatterns(kind, names).exceededBy(
        new TargetPatterns(kind, [patterns[inner] ?? '']),
      );
      if (really) contained += 1;
      expect(told.length === 0, `${patterns[inner]} within ${names.join(' or ')}`).toBe(really);
    }),
    { numRuns: runs },
  );
  expect(contained).toBeGreaterThan(runs / 200);
}

describe('laws of containment (L4): it agrees with the enumeration of targets', () => {
  const paths = sequences(['a', '*', 'a*', '*b', '**'], 3).map((segments) => `/${segments.join('/')}`);
  const files = ['/', ...sequences(['a', 'b', 'c', 'ab', 'ac', 'cb'], 4).map((one) => `/${one.join('/')}`)];

  it('of paths, within one pattern and within several together', () => {
    const covers = coverage('path', paths, files);
    agrees('path', paths, covers, 1, 2000);
    agrees('path', paths, covers, 4, 1500);
  });

  it('of names, within one pattern', () => {
    const names = sequences(['a', '*', 'a*', '*b', '**'], 3).map((segments) => segments.join('.'));
    const tools = sequences(['a', 'b', 'c', 'ab', 'acb'], 4).flatMap((one) => [one.join('.'), one.join('/')]);
    const odd = [
      '.',
      'a.',
      '.a',
      'a..b',
      'a./',
      '',
      'b/a.a',
      'a.b/a',
      'a/a.b',
      'ab.',
      '.ab',
      '..',
      'c.',
      '.c',
    ];
    const more = sequences(['', 'a', 'cb'], 4, 2).map((one) => one.join('.'));
    const targets = [...new Set([...tools, ...odd, ...more])].filter((name) => name !== '');
    agrees('name', names, coverage('name', names, targets), 1, 1500);
  });

  it('of agents and their versions', () => {
    const names = ['a', '*', 'a*', '**', 'b.a', '*.a'];
    const patterns = names.flatMap((name) =>
      ['', '@1', '@*', '@1*', '@*.0'].map((version) => name + version),
    );
    const agents = ['a', 'b', 'ab', 'b.a', 'c.a', 'c', 'a.c', 'c.c.a'].flatMap((name) =>
      ['', '@1', '@1.0', '@2', '@2.0', '@11'].map((version) => name + version),
    );
    agrees('agent', patterns, coverage('agent', patterns, agents), 1, 1000);
  });

  it('of addresses, within one pattern and within two', () => {
    const patterns = ['http', 'https'].flatMap((scheme) =>
      ['h', 'a.h', '*.h', '**.h', 'a*.h', '*', '**'].flatMap((host) =>
        ['', ':1', ':*'].flatMap((port) =>
          ['/', '/a', '/*', '/a*', '/a/**', '/**'].map((path) => `${scheme}://${host}${port}${path}`),
        ),
      ),
    );
    const targets = ['http', 'https'].flatMap((scheme) =>
      ['h', 'a.h', 'ab.h', 'b.h', 'b.a.h', 'x', 'x.y', '[::1]'].flatMap((host) =>
        ['', ':1', ':2'].flatMap((port) =>
          ['/', '/a', '/b', '/ab', '/a/', '/a/b', '/b/b', '//'].map(
            (path) => `${scheme}://${host}${port}${path}`,
          ),
        ),
      ),
    );
    const covers = coverage('url', patterns, targets);
    agrees('url', patterns, covers, 1, 1000);
    agrees('url', patterns, covers, 2, 500);
  });

  it('is transitive, so that no chain of any length reaches beyond its beginning', () => {
    const index = fc.constantFrom(...paths);
    const within = (inner: string, outer: string): boolean =>
      new TargetPatterns('path', [outer]).exceededBy(new TargetPatterns('path', [inner])).length === 0;
    fc.assert(
      fc.property(fc.array(index, { minLength: 3, maxLength: 12 }), ([first = '', ...chain]) => {
        let held = first;
        for (const asked of chain) if (within(asked, held)) held = asked;
        expect(within(held, first)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('laws of cost (L7): steps are counted, not time', () => {
  const hostile = (size: number): readonly (readonly [string, string])[] => [
    [`/${'a*'.repeat(size / 2)}b`, `/${'a'.repeat(size)}`],
    [`/${'*a'.repeat(size / 2)}*b`, `/${'a'.repeat(size)}`],
    [`/**${'/*'.repeat(size / 2)}/b`, '/a'.repeat(size / 2)],
    [`${'/**/a'.repeat(size / 5)}/b`, '/a'.repeat(size / 2)],
    ['/**'.repeat(size / 3), '/a'.repeat(size / 2)],
    [`/${'a'.repeat(size - 1)}*b`, `/${'a'.repeat(size)}`],
    [`/*${'ab'.repeat(size / 2)}c`, `/${'ab'.repeat(size)}`],
  ];
  const program = (pattern: string) => compilePattern('path', pattern);

  it('a match takes at most the product of both lengths, whatever they are', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 60 });
    fc.assert(
      fc.property(text, text, (pattern, target) => {
        let compiled;
        try {
          compiled = program(`/${pattern}`);
        } catch {
          return;
        }
        const steps = { count: 0 };
        matchesProgram(compiled, `/${target}`, steps);
        const bound = (target.length + 2) * (compiled.instructions.length + 1);
        expect(steps.count).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 3000 },
    );
  });

  it('on hostile patterns the steps grow with the target, not with a power of it', () => {
    for (const [index, [pattern]] of hostile(240).entries()) {
      const compiled = program(pattern);
      const stepsFor = (size: number): number => {
        const steps = { count: 0 };
        const [, target = ''] = hostile(size)[index] ?? [];
        matchesProgram(compiled, target, steps);
        return steps.count;
      };
      const [small, large] = [stepsFor(960), stepsFor(3840)];
      expect(large, pattern.slice(0, 20)).toBeLessThanOrEqual(4.5 * small + 1000);
    }
  });

  it('a containment that takes too long is answered with no, and the steps are within the limit', () => {
    const sources = Array.from({ length: 60 }, (_, i) => `/**/a${'/*'.repeat(i)}`);
    const steps = { count: 0 };
    const inner = new TargetPatterns('path', ['/**/a/**/a/**/a/**/b*a*b*a']);
    expect(new TargetPatterns('path', sources).exceededBy(inner, steps)).toHaveLength(1);
    expect(steps.count).toBeGreaterThan(MAX_CONTAINMENT_STEPS);
    expect(steps.count).toBeLessThan(1.1 * MAX_CONTAINMENT_STEPS);
  });

  it('single patterns are far within the limit, hostile or not', () => {
    for (const [pattern] of hostile(120)) {
      for (const [outer] of hostile(120)) {
        const steps = { count: 0 };
        new TargetPatterns('path', [outer]).exceededBy(new TargetPatterns('path', [pattern]), steps);
        expect(steps.count, `${pattern.slice(0, 12)} in ${outer.slice(0, 12)}`).toBeLessThan(
          MAX_CONTAINMENT_STEPS,
        );
      }
    }
  });
});
