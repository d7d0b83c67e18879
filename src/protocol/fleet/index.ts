/**
 * The contract of the fleet control plane: every type of fleet.rs, read and written as serde does, see `shapes.ts`.
 * `FLEET_TYPES` is the one table of them.
 */
import type * as z from 'zod';
import { ArcpError } from '../errors.js';
import { problemsIn } from '../issues.js';
import { fleetAlertChannel, fleetAlertEndpoint, fleetAlertEventClass, fleetAlertPolicy } from './alert.js';
import { fleetArtifactKind, fleetArtifactRef } from './artifact.js';
import { fleetWorkerEvent, fleetWorkerEventPayload } from './event.js';
import { fleetReceipt, fleetScore, fleetTaskFailureKind, fleetTaskResult } from './receipt.js';
import { fleetInboxEntry, fleetRun, fleetRunId, fleetRunStatus } from './run.js';
import { fleetSecretRef } from './secret-ref.js';
import {
  fleetEnvironmentRequirements,
  fleetRetryPolicy,
  fleetScorerSpec,
  fleetTaskBudget,
  fleetTaskSpec,
  fleetTaskWorkerProfile,
  fleetWorkspaceRequirements,
} from './task.js';
import { fleetCapabilityGrant, fleetSecurityPolicy, fleetTrustLevel } from './trust.js';
import { fleetHostSpec, fleetWorkerAuth, fleetWorkerSpec, fleetWorkerStatus } from './worker.js';

export {
  FLEET_ALERT_EVENT_CLASSES,
  redactedEndpoint,
  type FleetAlertChannel,
  type FleetAlertEndpoint,
  type FleetAlertEventClass,
  type FleetAlertPolicy,
} from './alert.js';
export { FLEET_ARTIFACT_KINDS, type FleetArtifactKind, type FleetArtifactRef } from './artifact.js';
export {
  FLEET_WORKER_EVENT_STATES,
  type FleetWorkerEvent,
  type FleetWorkerEventPayload,
  type FleetWorkerEventState,
} from './event.js';
export {
  FLEET_TASK_FAILURE_KINDS,
  FLEET_TASK_RESULTS,
  type FleetReceipt,
  type FleetScore,
  type FleetTaskFailureKind,
  type FleetTaskResult,
} from './receipt.js';
export { FLEET_RUN_STATUSES, type FleetInboxEntry, type FleetRun, type FleetRunStatus } from './run.js';
export { redactedSecretRef, type FleetSecretRef } from './secret-ref.js';
export {
  DEFAULT_RETRY_POLICY,
  type FleetEnvironmentRequirements,
  type FleetRetryPolicy,
  type FleetScorerSpec,
  type FleetTaskBudget,
  type FleetTaskSpec,
  type FleetTaskWorkerProfile,
  type FleetWorkspaceRequirements,
} from './task.js';
export {
  compareTrust,
  DEFAULT_SECURITY_POLICY,
  FLEET_TRUST,
  FLEET_TRUST_LEVELS,
  type FleetCapabilityGrant,
  type FleetSecurityPolicy,
  type FleetTrustLevel,
} from './trust.js';
export {
  FLEET_WORKER_STATUSES,
  type FleetHostSpec,
  type FleetWorkerAuth,
  type FleetWorkerSpec,
  type FleetWorkerStatus,
} from './worker.js';

/** Of the contract as fleet.rs states it. */
export const FLEET_PROTOCOL_VERSION = '0.1.0';

export const FLEET_TYPES = {
  run: fleetRun,
  run_id: fleetRunId,
  run_status: fleetRunStatus,
  task_spec: fleetTaskSpec,
  task_worker_profile: fleetTaskWorkerProfile,
  workspace_requirements: fleetWorkspaceRequirements,
  environment_requirements: fleetEnvironmentRequirements,
  task_budget: fleetTaskBudget,
  artifact_ref: fleetArtifactRef,
  artifact_kind: fleetArtifactKind,
  scorer_spec: fleetScorerSpec,
  worker_spec: fleetWorkerSpec,
  host_spec: fleetHostSpec,
  trust_level: fleetTrustLevel,
  security_policy: fleetSecurityPolicy,
  secret_ref: fleetSecretRef,
  worker_auth: fleetWorkerAuth,
  capability_grant: fleetCapabilityGrant,
  worker_status: fleetWorkerStatus,
  inbox_entry: fleetInboxEntry,
  worker_event: fleetWorkerEvent,
  worker_event_payload: fleetWorkerEventPayload,
  retry_policy: fleetRetryPolicy,
  alert_policy: fleetAlertPolicy,
  alert_event_class: fleetAlertEventClass,
  alert_channel: fleetAlertChannel,
  alert_endpoint: fleetAlertEndpoint,
  receipt: fleetReceipt,
  task_result: fleetTaskResult,
  task_failure_kind: fleetTaskFailureKind,
  score: fleetScore,
} as const satisfies Record<string, z.ZodType>;

export type FleetTypeName = keyof typeof FLEET_TYPES;

/** A value of one of the types, as it was read and as it is written. */
export type FleetValue<Name extends FleetTypeName> = z.output<(typeof FLEET_TYPES)[Name]>;

/**
 * Reads a value that came as JSON, e.g. `readFleet('task_spec', JSON.parse(text))`.
 * @throws ArcpError INVALID_ARGUMENT with the place and the fault of each mistake, never a value.
 */
export function readFleet<Name extends FleetTypeName>(name: Name, value: unknown): FleetValue<Name> {
  const read = FLEET_TYPES[name].safeParse(value);
  if (read.success) return read.data as FleetValue<Name>;
  const problems = problemsIn(read.error.issues, value);
  const told = problems.slice(0, MAX_TOLD).map(({ place, message }) => `${name}${place}: ${message}`);
  const more = problems.length > MAX_TOLD ? `; and ${problems.length - MAX_TOLD} more` : '';
  throw new ArcpError('INVALID_ARGUMENT', `${told.join('; ')}${more}`);
}

/** Mistakes that one message tells of. */
const MAX_TOLD = 5;
