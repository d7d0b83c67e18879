/**
 * How far a worker is trusted, and what a run allows its workers (fleet.rs `FleetTrustLevel`, `FleetSecurityPolicy`).
 * Trust levels are ordered; a higher one is not a superset of a lower one: a verified remote may not write the
 * workspace, which a local worker may.
 */
import * as z from 'zod';
import { bool, text } from '../scalars.js';
import { fleetSecretRef } from './secret-ref.js';
import { listOrNone, maybe, otherwise, word } from './shapes.js';

interface TrustRule {
  /** Place in the order; a policy's ceiling compares by it. */
  readonly rank: number;
  readonly secrets: boolean;
  /** Writes outside the worker's own folder. */
  readonly workspace: boolean;
  readonly network: boolean;
}

/** The `may_*` table. */
export const FLEET_TRUST = {
  sandbox: { rank: 0, secrets: false, workspace: false, network: false },
  local: { rank: 1, secrets: true, workspace: true, network: true },
  remote_verified: { rank: 2, secrets: true, workspace: false, network: true },
  operator: { rank: 3, secrets: true, workspace: true, network: true },
} as const satisfies Record<string, TrustRule>;

export type FleetTrustLevel = keyof typeof FLEET_TRUST;

export const FLEET_TRUST_LEVELS = Object.keys(FLEET_TRUST) as [FleetTrustLevel, ...FleetTrustLevel[]];

export const fleetTrustLevel = word(FLEET_TRUST_LEVELS, {
  'remote-verified': 'remote_verified',
  remoteVerified: 'remote_verified',
});

/** Negative where `a` is trusted less than `b`, positive where more. */
export function compareTrust(a: FleetTrustLevel, b: FleetTrustLevel): number {
  return FLEET_TRUST[a].rank - FLEET_TRUST[b].rank;
}

/** An authority beyond what the trust level gives. */
export const fleetCapabilityGrant = z.object({
  capability: text,
  /** What of it, e.g. a host for `network` or a path pattern for `write`. Absent: all of it. */
  scope: maybe(text),
  /** Why, for whoever audits the run. */
  reason: maybe(text),
});

export type FleetCapabilityGrant = z.output<typeof fleetCapabilityGrant>;

const no = () => false;

export const fleetSecurityPolicy = z.object({
  /** Of workers that name no level. */
  default_trust_level: otherwise(fleetTrustLevel, (): FleetTrustLevel => 'sandbox'),
  /** The secrets that may be resolved; absent is none. */
  allowed_secrets: listOrNone(fleetSecretRef),
  capability_grants: listOrNone(fleetCapabilityGrant),
  /** The ceiling for every worker, whatever its spec asks for. */
  max_trust_level: otherwise(fleetTrustLevel, (): FleetTrustLevel => 'operator'),
  /** Whether a remote whose identity was not verified stays at `sandbox`. */
  require_identity_verification: otherwise(bool, no),
  /** Whether workers may batch reads that do not depend on each other. */
  allow_parallel_reads: otherwise(bool, no),
});

export type FleetSecurityPolicy = z.output<typeof fleetSecurityPolicy>;

/** The policy of a run that names none. */
export const DEFAULT_SECURITY_POLICY: FleetSecurityPolicy = fleetSecurityPolicy.parse({});
