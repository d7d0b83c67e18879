/** What a worker must be so that it can be started and reached. */
import { compareTrust, DEFAULT_SECURITY_POLICY } from '../../protocol/fleet/index.js';
import type {
  FleetHostSpec,
  FleetSecurityPolicy,
  FleetWorkerAuth,
  FleetWorkerSpec,
} from '../../protocol/fleet/index.js';
import { isVerified } from '../hosts/identity.js';
import { FLEET_GRANT_NAMES, isGrant } from '../trust/grants.js';
import { repeated, nameRules } from './naming.js';
import type { Problems } from '../../documents/problems.js';
import { secretRule } from './secret-rules.js';
import { unknownWord, variableRule } from './task-rules.js';

type Path = readonly PropertyKey[];

/** A host or a user as ssh takes it; never what it would take for an option. */
const HOST = /^[A-Za-z0-9[][A-Za-z0-9._:%[\]-]{0,254}$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/;
/** The reference of an image, in the alphabet of registries. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$/;

export function workerRules(
  worker: FleetWorkerSpec,
  path: Path,
  policy: FleetSecurityPolicy = DEFAULT_SECURITY_POLICY,
  problems: Problems,
): void {
  nameRules(worker, path, problems);
  hostRules(worker.host, [...path, 'host'], problems);
  if (worker.max_concurrent_tasks === 0) {
    problems.error([...path, 'max_concurrent_tasks'], 'a worker with 0 takes no task');
  }
  for (const index of repeated(worker.capabilities)) {
    problems.error([...path, 'capabilities', index], 'this capability is given twice');
  }
  if (worker.trust_level !== undefined && compareTrust(worker.trust_level, policy.max_trust_level) > 0) {
    const message = `above the run's ceiling, so it is ${policy.max_trust_level}`;
    problems.warning([...path, 'trust_level'], message);
  }
  if (policy.require_identity_verification && worker.host.kind === 'ssh' && !isVerified(worker)) {
    const message =
      'without known_hosts or host_key_fingerprint its identity cannot be verified: it stays at sandbox';
    problems.warning([...path, 'host'], message);
  }
  if (worker.auth !== undefined) authRules(worker.auth, worker.host, [...path, 'auth'], problems);
}

function hostRules(host: FleetHostSpec, path: Path, problems: Problems): void {
  if (host.kind === 'docker' && !IMAGE.test(host.image)) {
    problems.error([...path, 'image'], 'expected the reference of an image');
  }
  if (host.kind !== 'ssh') return;
  if (!HOST.test(host.host)) problems.error([...path, 'host'], 'expected the name or the address of a host');
  if (host.user !== undefined && !USER.test(host.user)) {
    problems.error([...path, 'user'], 'expected the name of a user');
  }
  if (host.port === 0) problems.error([...path, 'port'], 'expected a port from 1 to 65535');
  fingerprintRule(host.host_key_fingerprint, path, problems);
  for (const [index, name] of (host.env_allowlist ?? []).entries()) {
    variableRule(name, [...path, 'env_allowlist', index], true, problems);
  }
}

function fingerprintRule(fingerprint: string | undefined, path: Path, problems: Problems): void {
  if (fingerprint === undefined || FINGERPRINT.test(fingerprint)) return;
  problems.error([...path, 'host_key_fingerprint'], 'expected SHA256: and 43 characters of base64');
}

function authRules(auth: FleetWorkerAuth, host: FleetHostSpec, path: Path, problems: Problems): void {
  switch (auth.method) {
    case 'none':
      return;
    case 'ssh_key':
      if (host.kind !== 'ssh') problems.error(path, 'ssh_key is for a host that is reached over ssh');
      fingerprintRule(auth.host_key_fingerprint, path, problems);
      return;
    case 'token':
      secretRule(auth.token_ref, [...path, 'token_ref'], problems);
      return;
    case 'mtls':
      problems.error(
        [...path, 'method'],
        'mtls needs TLS, which this runtime does not speak yet; use token or ssh_key',
      );
      return;
  }
}

export function policyRules(policy: FleetSecurityPolicy, path: Path, problems: Problems): void {
  for (const [index, secret] of (policy.allowed_secrets ?? []).entries()) {
    secretRule(secret, [...path, 'allowed_secrets', index], problems);
  }
  for (const [index, { capability, reason }] of (policy.capability_grants ?? []).entries()) {
    const here = [...path, 'capability_grants', index];
    if (!isGrant(capability)) {
      problems.error([...here, 'capability'], unknownWord('capability', capability, FLEET_GRANT_NAMES));
    }
    if (reason === undefined) problems.warning(here, 'a grant without a reason cannot be audited');
  }
  if (compareTrust(policy.default_trust_level, policy.max_trust_level) > 0) {
    const message = `above the run's ceiling, so it is ${policy.max_trust_level}`;
    problems.warning([...path, 'default_trust_level'], message);
  }
}
