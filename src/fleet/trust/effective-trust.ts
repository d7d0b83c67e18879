/**
 * How far a worker is really trusted: what its spec asks for, under the run's ceiling, and no further than its identity
 * is known (fleet.rs `FleetSecurityPolicy`).
 */
import {
  compareTrust,
  type FleetSecurityPolicy,
  type FleetTrustLevel,
  type FleetWorkerSpec,
} from '../../protocol/fleet/index.js';

export interface EffectiveTrust {
  readonly level: FleetTrustLevel;
  /** The level above which no grant reaches. */
  readonly ceiling: FleetTrustLevel;
  /** Why it is lower than what was asked for, if it is. */
  readonly lowered: 'ceiling' | 'identity' | undefined;
}

/** @param verified whether the host has proven who it is: a known or a pinned key */
export function effectiveTrust(
  { trust_level: asked, host }: FleetWorkerSpec,
  policy: FleetSecurityPolicy,
  verified: boolean,
): EffectiveTrust {
  const wanted = asked ?? policy.default_trust_level;
  const isRemote = host.kind === 'ssh';
  if (isRemote && policy.require_identity_verification && !verified) {
    return { level: 'sandbox', ceiling: 'sandbox', lowered: wanted === 'sandbox' ? undefined : 'identity' };
  }
  const ceiling = policy.max_trust_level;
  return compareTrust(wanted, ceiling) > 0
    ? { level: ceiling, ceiling, lowered: 'ceiling' }
    : { level: wanted, ceiling, lowered: undefined };
}
