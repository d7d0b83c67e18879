/**
 * What a principal's trust level decides (RFC 0001 §15.6). This table is the whole of it.
 *
 * (T1) A level comes with the principal from its authenticator; a job has the level of the principal that it runs for,
 *      and its children have the same.
 * (T2) A job is lifted for a while by a lease for `trust.elevate.<level>`, which only somebody `approves` can grant. The
 *      lease is the job's alone, and each elevation is told by a log line, a `log` and a `metric`.
 * (T3) A level is a ceiling over the worker profiles of its jobs, whatever their agents declare and their leases say. It is
 *      asked at each act, so that it rises with an elevation and falls with its end.
 */
import type { UnnamedPolicy } from '../protocol/lease.js';
import { exceedsTrust, type TrustLevel } from '../protocol/trust-level.js';
import {
  FULL_PERMISSIONS,
  intersectPermissions,
  minShellPolicy,
  READ_ONLY_PERMISSIONS,
  type WorkerProfile,
} from '../protocol/worker-profile.js';

interface TrustRule {
  /** Generations below a root job of this level. `maxDelegationDepth` bounds them all. */
  readonly delegationDepth: number;
  /** Whether the principal may grant what its own jobs ask to be allowed; else somebody who `approves` must. */
  readonly grantsItself: boolean;
  /** Whether the principal sees and answers what the jobs of all principals ask to be allowed. */
  readonly approves: boolean;
  /** The most that the profiles of its jobs have (T3). */
  readonly ceiling: Pick<WorkerProfile, 'permissions' | 'shell'>;
  /** What its jobs may do beside what their leases name, where the operator would allow it (decision 26). */
  readonly unnamed: UnnamedPolicy;
  readonly meaning: string;
}

const NO_CEILING = { permissions: FULL_PERMISSIONS, shell: 'full' } as const;

export const TRUST: Readonly<Record<TrustLevel, TrustRule>> = {
  untrusted: {
    delegationDepth: 0,
    grantsItself: false,
    approves: false,
    ceiling: { permissions: READ_ONLY_PERMISSIONS, shell: 'none' },
    unnamed: 'refuse',
    meaning:
      'From outside: its jobs read what their leases name and delegate nothing; somebody else decides what they are allowed on top.',
  },
  constrained: {
    delegationDepth: 2,
    grantsItself: false,
    approves: false,
    ceiling: { permissions: FULL_PERMISSIONS, shell: 'read_only' },
    unnamed: 'allow',
    meaning:
      'Limited: its jobs delegate a little and run no programs but those that read; somebody else decides what they are allowed on top.',
  },
  trusted: {
    delegationDepth: Infinity,
    grantsItself: true,
    approves: false,
    ceiling: NO_CEILING,
    unnamed: 'allow',
    meaning: 'Internal: it decides for its own jobs. The default.',
  },
  privileged: {
    delegationDepth: Infinity,
    grantsItself: true,
    approves: true,
    ceiling: NO_CEILING,
    unnamed: 'allow',
    meaning: 'The operator: it also decides for the jobs of others, and on elevations.',
  },
};

/** The profile under the ceiling of a level (T3). */
export function underCeiling(profile: WorkerProfile, level: TrustLevel): WorkerProfile {
  const { ceiling } = TRUST[level];
  if (ceiling === NO_CEILING) return profile;
  return {
    ...profile,
    permissions: intersectPermissions(profile.permissions, ceiling.permissions),
    shell: minShellPolicy(profile.shell, ceiling.shell),
  };
}

/** The level of one job, with what it was lifted to. */
export class JobTrust {
  readonly base: TrustLevel;
  /** By the lease that lifts it. Most jobs are never lifted. */
  #elevations: Map<string, { readonly level: TrustLevel; readonly until: number }> | undefined;

  constructor(base: TrustLevel) {
    this.base = base;
  }

  /** The lease lifts the job until then, in milliseconds since 1970. */
  elevate(lease: string, level: TrustLevel, until: number): void {
    (this.#elevations ??= new Map()).set(lease, { level, until });
  }

  /** The lease was taken back. */
  lower(lease: string): void {
    this.#elevations?.delete(lease);
  }

  /** The highest level that holds now. */
  at(now: number): TrustLevel {
    let highest = this.base;
    if (this.#elevations === undefined) return highest;
    for (const { level, until } of this.#elevations.values())
      if (until > now && exceedsTrust(level, highest)) highest = level;
    return highest;
  }
}
