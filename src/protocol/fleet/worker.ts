/** Who does the work, where, and how it proves who it is (fleet.rs `FleetWorkerSpec`, `FleetHostSpec`, `FleetWorkerAuth`). */
import * as z from 'zod';
import { counter, text } from '../scalars.js';
import { fleetSecretRef } from './secret-ref.js';
import { bare, integer, labels, listOf, listOrNone, maybe, tagged, word } from './shapes.js';
import { fleetTrustLevel } from './trust.js';

export const FLEET_WORKER_STATUSES = [
  'unknown',
  'online',
  'busy',
  'offline',
  'unhealthy',
  'draining',
  'retired',
] as const;

export type FleetWorkerStatus = (typeof FLEET_WORKER_STATUSES)[number];

export const fleetWorkerStatus = word(FLEET_WORKER_STATUSES);

/** How a host's key is known. */
const hostKey = {
  known_hosts: maybe(text),
  /** `SHA256:…`; a host with any other key is refused. */
  host_key_fingerprint: maybe(text),
};

/** The host on which a worker runs. `Container` is an old spelling; `Docker` and `Local` were never read. */
export const fleetHostSpec = tagged(
  'kind',
  {
    local: bare,
    ssh: z.object({
      host: text,
      port: maybe(integer(0, 65_535)),
      user: maybe(text),
      identity: maybe(text),
      ...hostKey,
      working_directory: maybe(text),
      env_allowlist: listOrNone(text),
      /** The command that runs a worker there. */
      codewhale_binary: maybe(text),
    }),
    docker: z.object({ image: text, args: listOf(text) }),
  },
  { container: 'docker', Container: 'docker' },
);

export type FleetHostSpec = z.output<typeof fleetHostSpec>;

export const fleetWorkerAuth = tagged('method', {
  none: bare,
  ssh_key: z.object({ identity: text, ...hostKey, user: maybe(text) }),
  token: z.object({ token_ref: fleetSecretRef }),
  mtls: z.object({ cert_path: text, key_ref: fleetSecretRef }),
});

export type FleetWorkerAuth = z.output<typeof fleetWorkerAuth>;

/** `auth` is an addition to the seed's struct, which has the type and no field for it. */
export const fleetWorkerSpec = z.object({
  id: text,
  name: text,
  host: fleetHostSpec,
  trust_level: maybe(fleetTrustLevel),
  labels,
  capabilities: listOf(text),
  /** Absent is one. */
  max_concurrent_tasks: maybe(counter),
  auth: maybe(fleetWorkerAuth),
});

export type FleetWorkerSpec = z.output<typeof fleetWorkerSpec>;
