import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../src/protocol/errors.js';
import {
  allowsShell,
  allowsTool,
  canSpawnChild,
  DEFAULT_PROFILE,
  deriveChild,
  FULL_PERMISSIONS,
  intersectPermissions,
  MAX_SPAWN_DEPTH_CEILING,
  minShellPolicy,
  narrowProfile,
  profileForRole,
  READ_ONLY_PERMISSIONS,
  SHELL_POLICIES,
  shellPolicyFromLegacy,
  WORKER_ROLES,
  type ToolScope,
  type WorkerProfile,
  type WorkerRole,
} from '../../src/protocol/worker-profile.js';
import {
  MAX_SCOPED_TOOLS,
  parseWorkerProfile,
  requestedProfile,
} from '../../src/protocol/worker-profile-json.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { errorOf } from './error-of.js';

interface Case {
  readonly input:
    | { readonly role: WorkerRole }
    | { readonly read: unknown }
    | { readonly requested: unknown; readonly parent?: WorkerProfile }
    | { readonly legacy_shell: boolean };
  readonly expect: {
    readonly profile?: unknown;
    readonly can_spawn_child?: boolean;
    readonly shell?: string;
    readonly allows_shell?: boolean;
    readonly error?: string;
    readonly mentions?: string;
  };
}

function resultOf(input: Case['input']): WorkerProfile {
  if ('role' in input) return profileForRole(input.role);
  if ('read' in input) return parseWorkerProfile(input.read);
  if ('legacy_shell' in input)
    return { ...DEFAULT_PROFILE, shell: shellPolicyFromLegacy(input.legacy_shell) };
  if (input.parent === undefined) return requestedProfile(input.requested);
  return deriveChild(parseWorkerProfile(input.parent), parseWorkerProfile(input.requested));
}

describe('worker profiles', () => {
  it.each(fixtureCases<Case>('worker-profiles.json'))('$id: $shows', ({ input, expect: expected }) => {
    if (expected.error !== undefined) {
      const error = errorOf(ArcpError, () => resultOf(input));
      expect(error.code).toBe(expected.error);
      expect(error.message).toContain(`${expected.mentions}`);
      return;
    }
    const profile = resultOf(input);
    if (expected.shell !== undefined) {
      expect(profile.shell).toBe(expected.shell);
      expect(allowsShell(profile.shell)).toBe(expected.allows_shell);
      return;
    }
    // The text counts: every field, in the order of the seed.
    expect(JSON.stringify(profile)).toBe(JSON.stringify(expected.profile));
    if (expected.can_spawn_child !== undefined) expect(canSpawnChild(profile)).toBe(expected.can_spawn_child);
  });

  it('a set of permissions that is intersected with more is what it was', () => {
    expect(intersectPermissions(READ_ONLY_PERMISSIONS, FULL_PERMISSIONS)).toEqual(READ_ONLY_PERMISSIONS);
    expect(intersectPermissions(FULL_PERMISSIONS, FULL_PERMISSIONS)).toEqual(FULL_PERMISSIONS);
  });

  it('the stricter of two shell policies is taken, in either order', () => {
    for (const [strict, policy] of SHELL_POLICIES.entries()) {
      for (const [wide, other] of SHELL_POLICIES.entries()) {
        expect(minShellPolicy(policy, other)).toBe(SHELL_POLICIES[Math.min(strict, wide)]);
      }
    }
  });

  it('a worker that says nothing is a general one', () => {
    expect(DEFAULT_PROFILE).toEqual(profileForRole('general'));
    expect(WORKER_ROLES).toHaveLength(7);
  });

  it('a scope of too many tools is refused (L7)', () => {
    const tools = (count: number) => ({ explicit: Array.from({ length: count }, (_, i) => `t${i}`) });
    expect(() => requestedProfile({ tools: tools(MAX_SCOPED_TOOLS) })).not.toThrow();
    expect(() => requestedProfile({ tools: tools(MAX_SCOPED_TOOLS + 1) })).toThrow('profile.tools');
    expect(() => requestedProfile({ provider: 'x'.repeat(257) })).toThrow('profile.provider');
  });

  it('reading fails with nothing but INVALID_ARGUMENT, whatever it is (L6)', () => {
    const fields = fc.record(
      Object.fromEntries(Object.keys(DEFAULT_PROFILE).map((field) => [field, fc.anything()])),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fields), (value) => {
        for (const read of [parseWorkerProfile, requestedProfile]) {
          try {
            read(value);
          } catch (error) {
            expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const TOOLS = ['a', 'b', 'c'];
const tools: fc.Arbitrary<ToolScope> = fc.oneof(
  fc.constant('inherit' as const),
  fc.record({ explicit: fc.array(fc.constantFrom(...TOOLS), { maxLength: 4 }) }),
);
const profile: fc.Arbitrary<WorkerProfile> = fc.record({
  role: fc.constantFrom(...WORKER_ROLES),
  permissions: fc.record({ write: fc.boolean(), network: fc.boolean() }),
  shell: fc.constantFrom(...SHELL_POLICIES),
  tools,
  model: fc.oneof(
    fc.constantFrom('inherit' as const, 'faster' as const, 'auto' as const),
    fc.record({ fixed: fc.string({ maxLength: 5 }) }),
  ),
  provider: fc.option(fc.string({ maxLength: 5 }), { nil: null }),
  max_spawn_depth: fc.oneof(fc.nat(10), fc.nat(0xffff_ffff)),
  background: fc.boolean(),
});

/** Whether `one` grants nothing that `other` does not. */
function grantsNoMore(one: WorkerProfile, other: WorkerProfile): void {
  expect(one.permissions.write && !other.permissions.write).toBe(false);
  expect(one.permissions.network && !other.permissions.network).toBe(false);
  expect(SHELL_POLICIES.indexOf(one.shell)).toBeLessThanOrEqual(SHELL_POLICIES.indexOf(other.shell));
  expect([...TOOLS, 'other'].filter((tool) => allowsTool(one, tool) && !allowsTool(other, tool))).toEqual([]);
  expect(one.max_spawn_depth).toBeLessThanOrEqual(other.max_spawn_depth);
}

describe('laws of profiles (L4)', () => {
  it('no chain of children of any length grants in any field what an ancestor or the request did not', () => {
    fc.assert(
      fc.property(profile, fc.array(profile, { maxLength: 12 }), (root, requests) => {
        const ancestors = [root];
        for (const requested of requests) {
          const parent = ancestors.at(-1) ?? root;
          const child = deriveChild(parent, requested);
          for (const ancestor of ancestors) grantsNoMore(child, ancestor);
          grantsNoMore(child, requested);
          if (canSpawnChild(parent)) expect(child.max_spawn_depth).toBeLessThan(parent.max_spawn_depth);
          expect(child.max_spawn_depth).toBeLessThanOrEqual(MAX_SPAWN_DEPTH_CEILING);
          const { role, model, background } = requested;
          expect(child).toMatchObject({ role, model, background });
          ancestors.push(child);
        }
        expect(ancestors.slice(2 + MAX_SPAWN_DEPTH_CEILING).some(canSpawnChild)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it('a child that asks for exactly what its parent has loses a level and nothing else', () => {
    fc.assert(
      fc.property(profile, (parent) => {
        const level = Math.max(0, parent.max_spawn_depth - 1);
        const max_spawn_depth = Math.min(level, MAX_SPAWN_DEPTH_CEILING);
        expect(deriveChild(parent, parent)).toEqual({ ...parent, max_spawn_depth });
      }),
    );
  });

  it('a root that asks for a profile has no more than its agent declares, and loses no level', () => {
    fc.assert(
      fc.property(profile, profile, (declared, requested) => {
        const narrowed = narrowProfile(declared, requested);
        grantsNoMore(narrowed, declared);
        grantsNoMore(narrowed, requested);
        const depth = Math.min(declared.max_spawn_depth, requested.max_spawn_depth, MAX_SPAWN_DEPTH_CEILING);
        expect(narrowed.max_spawn_depth).toBe(depth);
      }),
    );
  });

  it('what is written is read again as it was', () => {
    fc.assert(
      fc.property(profile, (one) => {
        expect(parseWorkerProfile(JSON.parse(JSON.stringify(one)))).toEqual(one);
        expect(requestedProfile(JSON.parse(JSON.stringify(one)))).toEqual(one);
      }),
    );
  });
});
