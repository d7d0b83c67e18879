import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskAuthority } from '../../../src/fleet/trust/authority.js';
import { effectiveTrust } from '../../../src/fleet/trust/effective-trust.js';
import {
  postureOf,
  PUSH,
  roleOf,
  taskLease,
  taskProfile,
  TOKENS,
} from '../../../src/fleet/trust/task-lease.js';
import {
  FLEET_TRUST_LEVELS,
  readFleet,
  type FleetCapabilityGrant,
  type FleetTaskSpec,
  type FleetTrustLevel,
} from '../../../src/protocol/fleet/index.js';
import { leaseSubset } from '../../../src/protocol/lease-subset.js';
import { allows, parseLeaseRequest, rootBounds, type LeaseBounds } from '../../../src/protocol/lease.js';
import { DEFAULT_PROFILE, WORKER_ROLES, type WorkerProfile } from '../../../src/protocol/worker-profile.js';
import { parseWorkerProfile } from '../../../src/protocol/worker-profile-json.js';

const PLACES = { workspace: '/work/repo', own: '/work/fleet/run-1/t' };

interface Given {
  readonly level: FleetTrustLevel;
  readonly grants?: readonly FleetCapabilityGrant[];
  readonly max?: FleetTrustLevel;
}

function task(parts: object = {}): FleetTaskSpec {
  return readFleet('task_spec', { id: 't', name: 'T', instructions: 'x', ...parts });
}

function job(
  parts: object,
  { level, grants = [], max = 'operator' }: Given,
): { bounds: LeaseBounds; profile: WorkerProfile } {
  const spec = task(parts);
  const worker = readFleet('worker_spec', {
    id: 'w',
    name: 'W',
    host: { kind: 'local' },
    trust_level: level,
  });
  const trust = effectiveTrust(worker, readFleet('security_policy', { max_trust_level: max }), true);
  const authority = taskAuthority(spec, postureOf(spec), trust, grants);
  const lease = taskLease(spec, authority, PLACES);
  const profile = taskProfile(spec, authority);
  expect(parseWorkerProfile(JSON.parse(JSON.stringify(profile)))).toEqual(profile);
  return { bounds: rootBounds(parseLeaseRequest(JSON.parse(JSON.stringify(lease))), 'allow'), profile };
}

describe('the lease of a task', () => {
  it('of a sandboxed worker reads the workspace, writes its own folder, and reaches nothing else', () => {
    const { bounds, profile } = job({}, { level: 'sandbox' });
    expect(allows(bounds, 'fs.read', '/work/repo/src/a.ts')).toBe(true);
    expect(allows(bounds, 'fs.read', '/etc/passwd')).toBe(false);
    expect(allows(bounds, 'fs.write', '/work/fleet/run-1/t/out.txt')).toBe(true);
    expect(allows(bounds, 'fs.write', '/work/repo/a')).toBe(false);
    expect(allows(bounds, 'net.fetch', 'https://github.com/x')).toBe(false);
    expect(allows(bounds, PUSH, 'origin')).toBe(false);
    expect(allows(bounds, 'x-vendor.acme.gpu', 'any')).toBe(false);
    expect(profile).toMatchObject({ role: 'general', permissions: { write: true, network: false } });
  });

  it('of a verified remote has the network and does not write the workspace', () => {
    const { bounds } = job({}, { level: 'remote_verified' });
    expect(allows(bounds, 'net.fetch', 'https://github.com/x')).toBe(true);
    expect(allows(bounds, 'fs.write', '/work/repo/a')).toBe(false);
  });

  it('is widened by grants within their scope', () => {
    const grants = [
      { capability: 'network', scope: 'github.com' },
      { capability: 'write', scope: 'docs/**' },
      { capability: 'git-push', scope: 'origin' },
    ];
    const { bounds, profile } = job({}, { level: 'sandbox', grants });
    expect(allows(bounds, 'net.fetch', 'https://github.com/x/y')).toBe(true);
    expect(allows(bounds, 'net.fetch', 'https://example.com/')).toBe(false);
    expect(allows(bounds, 'net.fetch', 'https://github.com.evil.example/')).toBe(false);
    expect(allows(bounds, 'fs.write', '/work/repo/docs/a/b.md')).toBe(true);
    expect(allows(bounds, 'fs.write', '/work/repo/src/a.ts')).toBe(false);
    expect(allows(bounds, 'fs.write', '/work/repo/docs/../src/a.ts')).toBe(false);
    expect(allows(bounds, PUSH, 'origin')).toBe(true);
    expect(allows(bounds, PUSH, 'upstream')).toBe(false);
    expect(profile.permissions.network).toBe(true);
  });

  it('writes where both its spec and its grants let it (J2)', () => {
    const paths = (writable_paths: string[]): object => ({ workspace: { writable_paths } });
    const local = job(paths(['out', './build/x']), { level: 'local' }).bounds;
    expect(allows(local, 'fs.write', '/work/repo/out')).toBe(true);
    expect(allows(local, 'fs.write', '/work/repo/out/deep/a')).toBe(true);
    expect(allows(local, 'fs.write', '/work/repo/build/x/a')).toBe(true);
    expect(allows(local, 'fs.write', '/work/repo/outer')).toBe(false);
    const grants = [{ capability: 'write', scope: 'docs/**' }];
    const narrowed = job(paths(['docs/api', 'src']), { level: 'sandbox', grants }).bounds;
    expect(allows(narrowed, 'fs.write', '/work/repo/docs/api/a')).toBe(true);
    expect(allows(narrowed, 'fs.write', '/work/repo/docs/other')).toBe(false);
    expect(allows(narrowed, 'fs.write', '/work/repo/src/a')).toBe(false);
  });

  it('has the budgets of the task, its tools and its end (J3)', () => {
    const spec = task({ budget: { max_tokens: 8000, max_tool_calls: 20 }, worker: { tools: ['grep'] } });
    const trust = effectiveTrust(
      readFleet('worker_spec', { id: 'w', name: 'W', host: { kind: 'local' } }),
      readFleet('security_policy', {}),
      true,
    );
    const authority = taskAuthority(spec, postureOf(spec), trust, []);
    const lease = parseLeaseRequest(taskLease(spec, authority, PLACES, '2026-06-12T17:05:00Z'));
    expect([...(lease.budget?.keys() ?? [])]).toEqual([TOKENS, 'tool_calls']);
    expect(lease.expiresAt).toBe(Date.UTC(2026, 5, 12, 17, 5));
    const bounds = rootBounds(lease, 'allow');
    expect(allows(bounds, 'tool.call', 'grep')).toBe(true);
    expect(allows(bounds, 'tool.call', 'bash')).toBe(false);
    expect(taskProfile(spec, authority).tools).toEqual({ explicit: ['grep'] });
  });

  it('is refused for a folder whose name is a pattern', () => {
    const spec = task();
    const trust = { level: 'local', ceiling: 'local', lowered: undefined } as const;
    const authority = taskAuthority(spec, postureOf(spec), trust, []);
    for (const workspace of ['/work/*', 'relative', '/a/[b]']) {
      expect(() => taskLease(spec, authority, { ...PLACES, workspace })).toThrow(
        'cannot be part of a pattern',
      );
    }
  });
});

describe('the role of a task', () => {
  it('is general where none is named, and locked where it is unknown', () => {
    expect(roleOf(task())).toBe('general');
    expect(roleOf(task({ worker: { role: 'verifier' } }))).toBe('verifier');
    expect(roleOf(task({ worker: { role: 'release-checker' } }))).toBe('custom');
  });
});

describe('laws of the lease of a task (L4)', () => {
  it('less trust, a lower ceiling, fewer grants or a read-only profile never widen it', () => {
    const levels = fc.constantFrom(...FLEET_TRUST_LEVELS);
    const scopes = fc.option(fc.constantFrom('a', 'docs/**'), { nil: undefined });
    const grants = fc.array(
      fc.record({ capability: fc.constantFrom('network', 'write', 'git-push', 'release'), scope: scopes }),
      { maxLength: 3 },
    );
    const roles = fc.constantFrom(...WORKER_ROLES);
    const paths = fc.option(fc.array(fc.constantFrom('a', 'docs', 'docs/x', 'src'), { maxLength: 2 }), {
      nil: undefined,
    });
    fc.assert(
      fc.property(levels, levels, grants, roles, paths, (level, max, given, role, writable_paths) => {
        const all = job({ worker: { role } }, { level, max, grants: given }).bounds;
        const narrower = [
          job({ worker: { role } }, { level, max }).bounds,
          job({ worker: { role, tool_profile: 'read-only' } }, { level, max, grants: given }).bounds,
          job({ worker: { role }, workspace: { writable_paths } }, { level, max, grants: given }).bounds,
          job({ worker: { role, tools: ['x'] } }, { level, max, grants: given }).bounds,
        ];
        for (const bounds of narrower) expect(leaseSubset(bounds, all)).toBeUndefined();
        expect(leaseSubset(all, job({}, { level, max, grants: given }).bounds)).toBeUndefined();
      }),
      { numRuns: 60 },
    );
    expect(DEFAULT_PROFILE.role).toBe('general');
  });
});
