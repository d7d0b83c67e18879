/**
 * What one job may do: the bounds of its lease, the leases that were granted to it since, its worker profile and the
 * trust level that is a ceiling over that.
 *
 * (U1) An act is allowed where the profile has its kind, and the lease or a granted lease covers its target in all of
 *      its forms. A grant does not reach beyond the profile.
 * (U2) A target that only a revoked lease covers is refused with LEASE_REVOKED, one that only an expired one covers
 *      with LEASE_EXPIRED, every other with PERMISSION_DENIED; each says the capability and the target.
 * (U3) Granted leases are a fold over the job's events (L1), so that they are the same after a restart. They are the
 *      job's alone: its children inherit what its bounds allow and no more, so that to revoke one is to end it.
 * Whether the job is over, its lease has expired or its budget is used up is for `JobRun.authorize`, which asks this.
 */
import { ArcpError, type ErrorCode, type ErrorOptions } from '../protocol/errors.js';
import type { Id } from '../protocol/ids.js';
import type { LeaseBounds } from '../protocol/lease.js';
import { capabilityOf, targetKind, type Capability } from '../protocol/lease-capability.js';
import type { Payload } from '../protocol/messages.js';
import { canonicalTargets, TargetPatterns } from '../protocol/target-patterns.js';
import { allowsTool, canSpawnChild, type WorkerProfile } from '../protocol/worker-profile.js';
import { TRUST, underCeiling, type JobTrust } from './trust.js';

export type LeaseId = Id<'lease'>;

/** A lease that was granted to a job while it ran. */
export interface HeldLease {
  readonly id: LeaseId;
  /** As it was asked for. */
  readonly permission: string;
  readonly capability: Capability;
  readonly resource: string;
  readonly operation: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Why it was revoked, if it was. */
  readonly revoked: string | undefined;
}

interface Held extends HeldLease {
  readonly patterns: TargetPatterns;
}

type AboutLease = 'lease.granted' | 'lease.extended' | 'lease.revoked';

/** Whether an event is one that `JobAuthority` follows. */
export function isAboutLease(type: string): type is AboutLease {
  return type === 'lease.granted' || type === 'lease.extended' || type === 'lease.revoked';
}

/** An act that nothing but the lease stands in the way of, and that no lease covers which a person took back. */
export class UncoveredAct extends ArcpError {
  readonly capability: Capability;
  readonly target: string;
  /** Whether `target` stands for all that it matches. */
  readonly isPattern: boolean;
  /** The lease that covered it and has run out, if one did. */
  readonly leaseId: LeaseId | undefined;

  constructor(capability: Capability, target: string, isPattern: boolean, expired: HeldLease | undefined) {
    const code = expired === undefined ? 'PERMISSION_DENIED' : 'LEASE_EXPIRED';
    super(code, ...refusalOf(code, capability, target, expired));
    this.capability = capability;
    this.target = target;
    this.isPattern = isPattern;
    this.leaseId = expired?.id;
  }
}

export class JobAuthority {
  readonly bounds: LeaseBounds;
  /** Its own; what its trust level leaves of it is `profileAt`. */
  readonly profile: WorkerProfile;
  readonly trust: JobTrust;
  /** The model of whoever delegated it, if somebody did. */
  readonly inheritedModel: string | undefined;
  /** The model that it was allowed last. */
  model: string | undefined;
  #compiled: Map<Capability, TargetPatterns> | undefined;
  #held: Map<LeaseId, Held> | undefined;

  constructor(bounds: LeaseBounds, profile: WorkerProfile, trust: JobTrust, inheritedModel?: string) {
    this.bounds = bounds;
    this.profile = profile;
    this.trust = trust;
    this.inheritedModel = inheritedModel;
  }

  /** The profile that holds now (`trust.ts`, T3). */
  profileAt(now: number): WorkerProfile {
    return underCeiling(this.profile, this.trust.at(now));
  }

  /**
   * The target in the form in which to act on it.
   * @throws ArcpError (U2), or INVALID_ARGUMENT for what is no target of the capability.
   */
  check(capability: Capability, target: string, now: number): string {
    const forms = canonicalTargets(targetKind(capability), target);
    const [form] = forms;
    this.#refuseByProfile(capability, form, now);
    const covered = (patterns: TargetPatterns): boolean => forms.every((one) => patterns.covers(one));
    if (this.#isBounded(capability, now, covered)) return form;
    this.#requireGrant(capability, form, false, now, covered);
    return form;
  }

  /**
   * Whether everything that a pattern matches may be done, the profile apart. Throws where it may not (U2).
   */
  checkAll(capability: Capability, pattern: string, now: number): void {
    const all = new TargetPatterns(targetKind(capability), [pattern]);
    const covered = (patterns: TargetPatterns): boolean => patterns.exceededBy(all).length === 0;
    if (!this.#isBounded(capability, now, covered))
      this.#requireGrant(capability, pattern, true, now, covered);
  }

  /** Whether its own lease and profile allow it, what was granted to it apart: what its children may have at most. */
  isWithinLease(capability: Capability, target: string, isPattern: boolean, now: number): boolean {
    const kind = targetKind(capability);
    if (isPattern) {
      const all = new TargetPatterns(kind, [target]);
      return this.#isBounded(capability, now, (patterns) => patterns.exceededBy(all).length === 0);
    }
    if (!hasKind(this.profileAt(now), capability, target)) return false;
    const forms = canonicalTargets(kind, target);
    return this.#isBounded(capability, now, (patterns) => forms.every((form) => patterns.covers(form)));
  }

  /** Follows an event of the job's log that is about its leases (U3). */
  apply(type: AboutLease, payload: unknown): void {
    switch (type) {
      case 'lease.granted': {
        const granted = payload as Payload<'lease.granted'>;
        const capability = capabilityOf(granted.permission) ?? granted.permission;
        (this.#held ??= new Map()).set(granted.lease_id, {
          id: granted.lease_id,
          permission: granted.permission,
          capability,
          resource: granted.resource,
          operation: granted.operation,
          expiresAt: Date.parse(granted.expires_at),
          revoked: undefined,
          patterns: new TargetPatterns(targetKind(capability), [granted.resource]),
        });
        return;
      }
      case 'lease.extended': {
        const { lease_id, expires_at } = payload as Payload<'lease.extended'>;
        const held = this.#held?.get(lease_id);
        if (held !== undefined) this.#held?.set(lease_id, { ...held, expiresAt: Date.parse(expires_at) });
        return;
      }
      case 'lease.revoked': {
        const { lease_id, reason } = payload as Payload<'lease.revoked'>;
        const held = this.#held?.get(lease_id);
        if (held !== undefined) this.#held?.set(lease_id, { ...held, revoked: reason });
        return;
      }
    }
  }

  /** The leases that were granted to it, the revoked and expired ones included. */
  get leases(): readonly HeldLease[] {
    return this.#held === undefined ? [] : [...this.#held.values()];
  }

  lease(id: LeaseId): HeldLease | undefined {
    return this.#held?.get(id);
  }

  #isBounded(capability: Capability, now: number, covered: (patterns: TargetPatterns) => boolean): boolean {
    const sources = this.bounds.capabilities?.get(capability);
    if (sources === undefined)
      return this.bounds.closed !== true && TRUST[this.trust.at(now)].unnamed === 'allow';
    let patterns = this.#compiled?.get(capability);
    if (patterns === undefined) {
      patterns = new TargetPatterns(targetKind(capability), sources);
      (this.#compiled ??= new Map()).set(capability, patterns);
    }
    return covered(patterns);
  }

  #requireGrant(
    capability: Capability,
    target: string,
    isPattern: boolean,
    now: number,
    covered: (patterns: TargetPatterns) => boolean,
  ): void {
    let lease: HeldLease | undefined;
    for (const held of this.#held?.values() ?? []) {
      if (held.capability !== capability || !covered(held.patterns)) continue;
      const isRevoked = held.revoked !== undefined;
      if (!isRevoked && held.expiresAt > now) return;
      if (lease !== undefined && !isRevoked) continue;
      lease = held;
    }
    if (lease?.revoked === undefined) throw new UncoveredAct(capability, target, isPattern, lease);
    throw new ArcpError('LEASE_REVOKED', ...refusalOf('LEASE_REVOKED', capability, target, lease));
  }

  #refuseByProfile(capability: Capability, target: string, now: number): void {
    if (hasKind(this.profileAt(now), capability, target)) return;
    const { role } = this.profile;
    const level = this.trust.at(now);
    const isByTrust = hasKind(this.profile, capability, target);
    const why = isByTrust
      ? `who is ${level} has it in no profile`
      : `the profile of this ${role} does not have it`;
    const details = { capability, target, profile: role, ...(isByTrust ? { trust_level: level } : {}) };
    throw new ArcpError('PERMISSION_DENIED', `${capability} of ${target}: ${why}`, { details });
  }
}

function hasKind(profile: WorkerProfile, capability: Capability, target: string): boolean {
  switch (capability) {
    case 'fs.write':
      return profile.permissions.write;
    case 'net.fetch':
      return profile.permissions.network;
    case 'tool.call':
      return allowsTool(profile, target);
    case 'agent.delegate':
      return canSpawnChild(profile);
    default:
      return true;
  }
}

const REASONS: Readonly<Partial<Record<ErrorCode, string>>> = {
  LEASE_REVOKED: 'the lease for it was revoked',
  LEASE_EXPIRED: 'the lease for it has run out',
};

function refusalOf(
  code: ErrorCode,
  capability: Capability,
  target: string,
  lease: HeldLease | undefined,
): [message: string, options: ErrorOptions] {
  const reason = REASONS[code] ?? 'the lease of this job does not cover it';
  const details = { capability, target, ...(lease === undefined ? {} : { lease_id: lease.id }) };
  return [`${capability} of ${target}: ${reason}`, { details }];
}
