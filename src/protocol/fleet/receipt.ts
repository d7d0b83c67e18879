/** How a task ended, for good (fleet.rs `FleetReceipt`). */
import * as z from 'zod';
import { decimal, text } from '../scalars.js';
import { fleetArtifactRef } from './artifact.js';
import { listOf, maybe, orNull, word } from './shapes.js';

export const FLEET_TASK_RESULTS = ['pass', 'partial', 'fail', 'skip', 'timeout'] as const;
export type FleetTaskResult = (typeof FLEET_TASK_RESULTS)[number];
export const fleetTaskResult = word(FLEET_TASK_RESULTS);

/** Where the fault lay: on the way to the worker, in the work, or in the check of it. */
export const FLEET_TASK_FAILURE_KINDS = ['transport', 'task', 'verifier'] as const;
export type FleetTaskFailureKind = (typeof FLEET_TASK_FAILURE_KINDS)[number];
export const fleetTaskFailureKind = word(FLEET_TASK_FAILURE_KINDS);

export const fleetScore = z.object({ value: decimal, max: maybe(decimal), notes: maybe(text) });
export type FleetScore = z.output<typeof fleetScore>;

export const fleetReceipt = z.object({
  run_id: text,
  task_id: text,
  worker_id: text,
  completed_at: text,
  result: fleetTaskResult,
  failure_kind: maybe(fleetTaskFailureKind),
  artifacts: listOf(fleetArtifactRef),
  score: orNull(fleetScore),
});

export type FleetReceipt = z.output<typeof fleetReceipt>;
