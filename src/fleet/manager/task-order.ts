/**
 * What the agent of a task is given: the whole task spec, and beside it under `fleet` where the manager has put it. Agents
 * that do not know the fleet read the spec alone.
 */
import * as z from 'zod';
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';
import { fleetTaskSpec } from '../../protocol/fleet/task.js';

const place = z.object({
  run_id: z.string(),
  worker_id: z.string(),
  attempt: z.number(),
  /** Absolute, with its links followed. */
  workspace: z.string(),
  /** The task's own folder, absolute. */
  folder: z.string(),
});

export type TaskPlace = z.output<typeof place>;

/** How an agent reads its task. */
export const taskOrder = z.custom<unknown>().transform((given, ctx): TaskOrder => {
  const spec = fleetTaskSpec.safeParse(given);
  const where = z.object({ fleet: place }).safeParse(given);
  for (const { error } of [spec, where]) {
    for (const issue of error?.issues ?? []) ctx.issues.push({ ...issue, input: undefined });
  }
  if (!spec.success || !where.success) return z.NEVER;
  return { spec: spec.data, place: where.data.fleet };
});

export interface TaskOrder {
  readonly spec: FleetTaskSpec;
  readonly place: TaskPlace;
}

export function orderOf(spec: FleetTaskSpec, fleet: TaskPlace): Readonly<Record<string, unknown>> {
  return { ...spec, fleet };
}
