/** Whether a worker's host proves who it is, and how far the worker is trusted then. */
import { FLEET_TRUST, type FleetSecurityPolicy, type FleetWorkerSpec } from '../../protocol/fleet/index.js';
import { effectiveTrust, type EffectiveTrust } from '../trust/effective-trust.js';

/**
 * A remote host has to have a known or a pinned key: it is not connected to then unless it shows that one (ssh.ts, S2).
 * This machine, and what runs in containers on it, needs no proof.
 */
export function isVerified({ host, auth }: FleetWorkerSpec): boolean {
  if (host.kind !== 'ssh') return true;
  const places = [...(auth?.method === 'ssh_key' ? [auth] : []), host];
  return places.some(
    ({ known_hosts, host_key_fingerprint }) =>
      known_hosts !== undefined || host_key_fingerprint !== undefined,
  );
}

export function trustOf(worker: FleetWorkerSpec, policy: FleetSecurityPolicy): EffectiveTrust {
  return effectiveTrust(worker, policy, isVerified(worker));
}

/** Whether anything on the worker may be given what the table gives to its level, or a grant gives beyond it. */
export function mayHave(
  what: 'network' | 'secrets',
  worker: FleetWorkerSpec,
  policy: FleetSecurityPolicy,
): boolean {
  const { level, ceiling } = trustOf(worker, policy);
  if (FLEET_TRUST[level][what]) return true;
  const grant = what === 'network' ? 'network' : 'provider-secrets';
  return (
    FLEET_TRUST[ceiling][what] &&
    (policy.capability_grants ?? []).some(({ capability }) => capability === grant)
  );
}
