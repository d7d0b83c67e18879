/**
 * What a task may do on a worker: the trust level's authority and the grants beyond it, narrowed by the task's role, its
 * tool profile and its tools.
 *
 * (A1) A grant adds what it names, within its scope, and nothing that the run's ceiling may not have.
 * (A2) Role and tool profile only narrow (L4); so does naming tools.
 * (A3) A task that writes at all can write its own folder: sandboxed work has to be put somewhere.
 * (A4) Pushing and releasing are an operator's, or granted; no level below has them by itself.
 */
import { FLEET_TRUST, type FleetCapabilityGrant, type FleetTaskSpec } from '../../protocol/fleet/index.js';
import { isGrant, type FleetGrant } from './grants.js';
import { TOOL_PROFILES, toolProfile } from './tool-profiles.js';
import type { EffectiveTrust } from './effective-trust.js';

/** All of a kind, some of it by name or pattern, or none. */
export type Reach = 'all' | readonly string[];

export const NOTHING: Reach = [];

export interface TaskAuthority {
  /** (A3) */
  readonly ownFolder: boolean;
  /** Paths of the workspace, as patterns. */
  readonly write: Reach;
  /** Hosts. */
  readonly network: Reach;
  /** Names of secrets, of those that the policy allows at all. */
  readonly secrets: Reach;
  readonly push: Reach;
  readonly release: Reach;
  readonly shell: ShellReach;
  /** The tools that may be called; `undefined` is all that the agent has. */
  readonly tools: readonly string[] | undefined;
}

export type ShellReach = 'none' | 'read_only' | 'full';

/** What a role allows, of itself. */
export interface RolePosture {
  readonly write: boolean;
  readonly network: boolean;
  readonly shell: ShellReach;
}

export function taskAuthority(
  task: FleetTaskSpec,
  role: RolePosture,
  trust: EffectiveTrust,
  grants: readonly FleetCapabilityGrant[],
): TaskAuthority {
  const profile = TOOL_PROFILES[toolProfile(task.worker?.tool_profile ?? 'inherit') ?? 'read-only'];
  const own = FLEET_TRUST[trust.level];
  const most = FLEET_TRUST[trust.ceiling];
  const isOperator = trust.level === 'operator';
  const mayBeOperator = trust.ceiling === 'operator';
  const granted = (name: FleetGrant, may: boolean): Reach => (may ? scopesOf(name, grants) : NOTHING);
  const write = join(own.workspace, granted('write', most.workspace));
  const network = join(own.network, granted('network', most.network));
  const writes = role.write && profile.write;
  return {
    ownFolder: writes,
    write: writes ? write : NOTHING,
    network: role.network && profile.network ? network : NOTHING,
    secrets: join(own.secrets, granted('provider-secrets', most.secrets)),
    push: join(isOperator, granted('git-push', mayBeOperator)),
    release: join(isOperator, granted('release', mayBeOperator)),
    shell: stricter(role.shell, profile.shell),
    tools: task.worker?.tools,
  };
}

/** The scopes of all grants of a name; one without a scope is all (A1). */
function scopesOf(name: FleetGrant, grants: readonly FleetCapabilityGrant[]): Reach {
  const named = grants.filter(({ capability }) => isGrant(capability) && capability === name);
  if (named.some(({ scope }) => scope === undefined)) return 'all';
  return [...new Set(named.flatMap(({ scope }) => scope ?? []))];
}

function join(all: boolean, some: Reach): Reach {
  return all ? 'all' : some;
}

const SHELLS: readonly ShellReach[] = ['none', 'read_only', 'full'];

function stricter(one: ShellReach, other: ShellReach): ShellReach {
  return SHELLS.indexOf(one) <= SHELLS.indexOf(other) ? one : other;
}
