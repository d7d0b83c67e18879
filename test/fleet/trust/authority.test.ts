import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskAuthority, type Reach, type RolePosture } from '../../../src/fleet/trust/authority.js';
import { effectiveTrust } from '../../../src/fleet/trust/effective-trust.js';
import { FLEET_GRANT_NAMES } from '../../../src/fleet/trust/grants.js';
import { TOOL_PROFILE_NAMES } from '../../../src/fleet/trust/tool-profiles.js';
import {
  compareTrust,
  FLEET_TRUST,
  FLEET_TRUST_LEVELS,
  readFleet,
  type FleetCapabilityGrant,
  type FleetSecurityPolicy,
  type FleetTrustLevel,
  type FleetWorkerSpec,
} from '../../../src/protocol/fleet/index.js';

const DOER: RolePosture = { write: true, network: true, shell: 'full' };
const READER: RolePosture = { write: false, network: false, shell: 'read_only' };

function task(worker: object = {}): ReturnType<typeof readFleet<'task_spec'>> {
  return readFleet('task_spec', { id: 't', name: 'T', instructions: 'x', worker });
}

function worker(trust_level?: FleetTrustLevel, host: object = { kind: 'local' }): FleetWorkerSpec {
  return readFleet('worker_spec', { id: 'w', name: 'W', host, trust_level });
}

function policy(parts: object = {}): FleetSecurityPolicy {
  return readFleet('security_policy', parts);
}

const SSH = { kind: 'ssh', host: 'h' };

describe('the trust in a worker', () => {
  it('is what its spec asks for, else the policy’s default, and never above the ceiling', () => {
    expect(effectiveTrust(worker(), policy(), true).level).toBe('sandbox');
    expect(effectiveTrust(worker(), policy({ default_trust_level: 'local' }), true).level).toBe('local');
    expect(effectiveTrust(worker('operator'), policy({ max_trust_level: 'local' }), true)).toEqual({
      level: 'local',
      ceiling: 'local',
      lowered: 'ceiling',
    });
  });

  it('stays at sandbox for a remote that has not proven who it is, where that is required, whatever is granted', () => {
    const strict = policy({ require_identity_verification: true });
    const trust = effectiveTrust(worker('remote_verified', SSH), strict, false);
    expect(trust).toEqual({ level: 'sandbox', ceiling: 'sandbox', lowered: 'identity' });
    expect(
      taskAuthority(task(), DOER, trust, [{ capability: 'network' }, { capability: 'write' }]),
    ).toMatchObject({
      network: [],
      write: [],
    });
    expect(effectiveTrust(worker('remote_verified', SSH), strict, true).level).toBe('remote_verified');
    expect(effectiveTrust(worker('remote_verified', SSH), policy(), false).level).toBe('remote_verified');
    expect(effectiveTrust(worker('local'), strict, false).level).toBe('local');
  });
});

describe('the authority of a task', () => {
  it.each(FLEET_TRUST_LEVELS)('is what the table says of %s, for a role that may do all', (level) => {
    const all = (may: boolean): Reach => (may ? 'all' : []);
    const authority = taskAuthority(task(), DOER, effectiveTrust(worker(level), policy(), true), []);
    expect(authority).toEqual({
      ownFolder: true,
      write: all(FLEET_TRUST[level].workspace),
      network: all(FLEET_TRUST[level].network),
      secrets: all(FLEET_TRUST[level].secrets),
      push: all(level === 'operator'),
      release: all(level === 'operator'),
      shell: 'full',
      tools: undefined,
    });
  });

  it('grows by a grant within its scope, up to the ceiling (A1)', () => {
    const sandboxed = effectiveTrust(worker('sandbox'), policy(), true);
    const grants = [
      { capability: 'network', scope: 'github.com' },
      { capability: 'network', scope: 'crates.io' },
      { capability: 'write', scope: 'docs/**' },
      { capability: 'provider-secrets', scope: 'GH_TOKEN' },
      { capability: 'git-push', scope: 'origin' },
      { capability: 'fly' },
    ];
    expect(taskAuthority(task(), DOER, sandboxed, grants)).toMatchObject({
      network: ['github.com', 'crates.io'],
      write: ['docs/**'],
      secrets: ['GH_TOKEN'],
      push: ['origin'],
      release: [],
    });
    const low = effectiveTrust(worker('sandbox'), policy({ max_trust_level: 'remote_verified' }), true);
    expect(taskAuthority(task(), DOER, low, grants)).toMatchObject({
      network: ['github.com', 'crates.io'],
      write: [],
      push: [],
    });
    expect(taskAuthority(task(), DOER, sandboxed, [...grants, { capability: 'network' }]).network).toBe(
      'all',
    );
  });

  it('is narrowed by role, tool profile and tools (A2)', () => {
    const operator = effectiveTrust(worker('operator'), policy(), true);
    expect(taskAuthority(task(), READER, operator, [{ capability: 'write' }])).toMatchObject({
      ownFolder: false,
      write: [],
      network: [],
      shell: 'read_only',
    });
    expect(taskAuthority(task({ tool_profile: 'no-network' }), DOER, operator, [])).toMatchObject({
      write: 'all',
      network: [],
    });
    expect(
      taskAuthority(task({ tool_profile: 'read_only', tools: ['grep'] }), DOER, operator, []),
    ).toMatchObject({
      write: [],
      shell: 'read_only',
      tools: ['grep'],
    });
    expect(
      taskAuthority(task({ tool_profile: 'nonsense' }), DOER, operator, []).write,
      'the unknown is narrow',
    ).toEqual([]);
  });
});

/** Whether the one lies within the other. */
function within(one: Reach, other: Reach): boolean {
  if (other === 'all') return true;
  return one !== 'all' && one.every((each) => other.includes(each));
}

describe('laws of authority (L4)', () => {
  const levels = fc.constantFrom(...FLEET_TRUST_LEVELS);
  const grants = fc.array(
    fc.record({
      capability: fc.constantFrom<string>(...FLEET_GRANT_NAMES, 'x'),
      scope: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
    }),
    { maxLength: 4 },
  ) as fc.Arbitrary<FleetCapabilityGrant[]>;
  const roles = fc.record({
    write: fc.boolean(),
    network: fc.boolean(),
    shell: fc.constantFrom('none', 'read_only', 'full'),
  });
  const KINDS = ['write', 'network', 'secrets', 'push', 'release'] as const;

  it('without grants no task has more than with them, and no role or profile has more than the role that may do all', () => {
    fc.assert(
      fc.property(
        levels,
        levels,
        grants,
        roles,
        fc.constantFrom(...TOOL_PROFILE_NAMES),
        (asked, max, given, role, profile) => {
          const trust = effectiveTrust(worker(asked), policy({ max_trust_level: max }), true);
          expect(compareTrust(trust.level, max)).toBeLessThanOrEqual(0);
          const narrow = taskAuthority(task({ tool_profile: profile }), role, trust, given);
          const wide = taskAuthority(task(), DOER, trust, given);
          const bare = taskAuthority(task(), DOER, trust, []);
          for (const kind of KINDS) {
            expect(within(narrow[kind], wide[kind]), kind).toBe(true);
            expect(within(bare[kind], wide[kind]), kind).toBe(true);
          }
          const most = FLEET_TRUST[max];
          if (!most.network) expect(wide.network).toEqual([]);
          if (!most.workspace && trust.level !== 'local') expect(wide.write).toEqual([]);
          if (!most.secrets) expect(wide.secrets).toEqual([]);
        },
      ),
    );
  });
});
