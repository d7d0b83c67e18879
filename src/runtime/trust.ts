/**
 * What a principal's trust level decides (RFC 0001 §15.6). This table is the whole of it.
 *
 * (T1) A level comes with the principal from its authenticator; a job has the level of the principal that it runs for,
 *      and its children have the same.
 * (T2) A job is lifted for a while by a lease for `trust.elevate.<level>`, which only somebody `approves` can grant. The
 *      lease is the job's alone, and each elevation is told by a log line, a `log` and a `metric`.
 */
import { exceedsTrust, type TrustLevel } from '../protocol/trust-level.js';

interface TrustRule {
  /** Generations below a root job of this level. `maxDelegationDepth` bounds them all. */
  readonly delegationDepth: number;
  /** Whether the principal may grant what its own jobs ask to be allowed; else somebody who `approves` must. */
  readonly grantsItself: boolean;
  /** Whether the principal sees and answers what the jobs of all principals ask to be allowed. */
  readonly approves: boolean;
  readonly meaning: string;
}

export const TRUST: Readonly<Record<TrustLevel, TrustRule>> = {
  untrusted: {
    delegationDepth: 0,
    grantsItself: false,
    approves: false,
    meaning:
      'From outside: its jobs delegate nothing, and somebody else decides what they are allowed on top.',
  },
  constrained: {
    delegationDepth: 2,
    grantsItself: false,
    approves: false,
    meaning: 'Limited: its jobs delegate a little, and somebody else decides what they are allowed on top.',
  },
  trusted: {
    delegationDepth: Infinity,
    grantsItself: true,
    approves: false,
    meaning: 'Internal: it decides for its own jobs. The default.',
  },
  privileged: {
    delegationDepth: Infinity,
    grantsItself: true,
    approves: true,
    meaning: 'The operator: it also decides for the jobs of others, and on elevations.',
  },
};

/** The level of one job, with what it was lifted to. */
export class JobTrust {
  readonly base: TrustLevel;
  #elevations: { readonly level: TrustLevel; readonly until: number }[] = [];

  constructor(base: TrustLevel) {
    this.base = base;
  }

  /** Lifts the job until then, in milliseconds since 1970. */
  elevate(level: TrustLevel, until: number): void {
    this.#elevations.push({ level, until });
  }

  /** What it was lifted to this level for was taken back. */
  lower(level: TrustLevel): void {
    this.#elevations = this.#elevations.filter((one) => one.level !== level);
  }

  /** The highest level that holds now. */
  at(now: number): TrustLevel {
    this.#elevations = this.#elevations.filter(({ until }) => until > now);
    let highest = this.base;
    for (const { level } of this.#elevations) if (exceedsTrust(level, highest)) highest = level;
    return highest;
  }
}
