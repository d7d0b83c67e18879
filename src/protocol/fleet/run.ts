/** A run of tasks on workers, and its inbox (fleet.rs `FleetRun`, `FleetInboxEntry`). */
import * as z from 'zod';
import { counter32, text } from '../scalars.js';
import { fleetAlertPolicy } from './alert.js';
import { integer, labels, listOf, maybe, orNull, otherwise, word } from './shapes.js';
import { fleetTaskSpec } from './task.js';
import { fleetSecurityPolicy } from './trust.js';
import { fleetWorkerSpec } from './worker.js';

export const fleetRunId = text;

export const FLEET_RUN_STATUSES = [
  'pending',
  'queued',
  'running',
  'paused',
  'completed',
  'failed',
  'cancelled',
] as const;

export type FleetRunStatus = (typeof FLEET_RUN_STATUSES)[number];

export const fleetRunStatus = word(FLEET_RUN_STATUSES);

/** `alert_policy` is an addition to the seed's struct: what holds for tasks that have none of their own. */
export const fleetRun = z.object({
  id: fleetRunId,
  name: text,
  status: fleetRunStatus,
  task_specs: listOf(fleetTaskSpec),
  worker_specs: listOf(fleetWorkerSpec),
  labels,
  security_policy: maybe(fleetSecurityPolicy),
  created_at: text,
  updated_at: maybe(text),
  completed_at: maybe(text),
  alert_policy: maybe(fleetAlertPolicy),
});

export type FleetRun = z.output<typeof fleetRun>;

/** A task that waits for a worker. */
export const fleetInboxEntry = z.object({
  run_id: fleetRunId,
  task_id: text,
  priority: integer(-0x8000_0000, 0x7fff_ffff),
  enqueued_at: text,
  lease_deadline: orNull(text),
  attempts: otherwise(counter32, () => 0),
});

export type FleetInboxEntry = z.output<typeof fleetInboxEntry>;
