import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../src/protocol/errors.js';
import { targetKind } from '../../src/protocol/lease-capability.js';
import { canonicalTargets, TargetPatterns } from '../../src/protocol/target-patterns.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { errorOf } from './error-of.js';

interface PatternCase {
  readonly input: { readonly capability: string; readonly pattern: string };
  readonly expect:
    | { readonly error: 'INVALID_ARGUMENT' }
    | { readonly error?: never; readonly covers: readonly string[]; readonly leaves: readonly string[] };
}

interface TargetCase {
  readonly input: { readonly capability: string; readonly target: string };
  readonly expect:
    { readonly error: 'INVALID_ARGUMENT' } | { readonly error?: never; readonly forms: readonly string[] };
}

interface ContainmentCase {
  readonly input: {
    readonly capability: string;
    readonly child: readonly string[];
    readonly parent: readonly string[];
  };
  readonly expect: { readonly exceeding: readonly string[] };
}

describe('patterns of leases', () => {
  it.each(fixtureCases<PatternCase>('lease-patterns.json'))('$id: $shows', ({ input, expect: expected }) => {
    const kind = targetKind(input.capability);
    if (expected.error !== undefined) {
      const error = errorOf(ArcpError, () => new TargetPatterns(kind, [input.pattern]));
      expect(error.code).toBe('INVALID_ARGUMENT');
      return;
    }
    const patterns = new TargetPatterns(kind, [input.pattern]);
    const covers = (target: string): boolean =>
      canonicalTargets(kind, target).every((form) => patterns.covers(form));
    for (const target of expected.covers) expect(covers(target), `covers ${target}`).toBe(true);
    for (const target of expected.leaves) expect(covers(target), `covers ${target}`).toBe(false);
  });

  it.each(fixtureCases<TargetCase>('lease-targets.json'))('$id: $shows', ({ input, expect: expected }) => {
    const kind = targetKind(input.capability);
    if (expected.error === undefined) expect(canonicalTargets(kind, input.target)).toEqual(expected.forms);
    else expect(errorOf(ArcpError, () => canonicalTargets(kind, input.target)).code).toBe(expected.error);
  });

  it.each(fixtureCases<ContainmentCase>('lease-containment.json'))(
    '$id: $shows',
    ({ input, expect: expected }) => {
      const kind = targetKind(input.capability);
      const child = new TargetPatterns(kind, input.child);
      expect(new TargetPatterns(kind, input.parent).exceededBy(child)).toEqual(expected.exceeding);
    },
  );

  it('canonical forms are canonical: the form of a form is the form', () => {
    for (const { input, expect: expected } of fixtureCases<TargetCase>('lease-targets.json')) {
      if (expected.error !== undefined) continue;
      const [first] = expected.forms;
      expect(canonicalTargets(targetKind(input.capability), first ?? '')).toEqual(expected.forms);
    }
  });
});
