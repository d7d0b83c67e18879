/** What is shown of a run: how it stands as a whole, and each of its tasks. */
import * as z from 'zod';
import { FLEET_RUN_STATUSES } from '../../protocol/fleet/index.js';
import { fleetReceipt } from '../../protocol/fleet/receipt.js';
import { fleetArtifactRef } from '../../protocol/fleet/artifact.js';
import { FLEET_WORKER_STATUSES } from '../../protocol/fleet/worker.js';
import { TASK_STATUSES } from '../states/task-state.js';

const money = z.record(z.string(), z.string());
const count = z.int().min(0);

const taskView = z.object({
  task_id: z.string(),
  name: z.string(),
  /** Its place in the spec, from 0. */
  index: count,
  status: z.enum(TASK_STATUSES),
  settled: z.boolean(),
  attempt: count,
  worker_id: z.string().optional(),
  /** Of its latest attempt. */
  job_id: z.string().optional(),
  /** When its latest event was, RFC 3339. */
  since: z.string().optional(),
  /** Not before this instant there is another attempt, RFC 3339. */
  not_before: z.string().optional(),
  reason: z.string().optional(),
  /** The job that asks a person for the verdict. */
  asks: z.string().optional(),
  /** What its attempts cost, by currency. */
  cost: money.optional(),
  artifacts: z.array(fleetArtifactRef),
  receipt: fleetReceipt.optional(),
});

export type TaskView = z.output<typeof taskView>;

/** A task as it stands in a list. */
export type TaskLine = Omit<TaskView, 'artifacts' | 'receipt'>;

const taskLine = taskView.omit({ artifacts: true, receipt: true });

const runView = z.object({
  run_id: z.string(),
  name: z.string(),
  principal: z.string(),
  status: z.enum(FLEET_RUN_STATUSES),
  /** RFC 3339. */
  created_at: z.string(),
  updated_at: z.string(),
  completed_at: z.string().optional(),
  tasks: z.object({
    total: count,
    /** Waiting for a worker, or for another attempt. */
    queued: count,
    /** With a worker, or with who judges them. */
    running: count,
    completed: count,
    failed: count,
    cancelled: count,
  }),
  cost: money,
  /** How long the rest takes at the rate so far. */
  eta_seconds: z.number().optional(),
  workers: z.array(
    z.object({
      worker_id: z.string(),
      host: z.string(),
      status: z.enum(FLEET_WORKER_STATUSES),
      tasks: count,
    }),
  ),
  /** Workers beyond those. */
  more_workers: count,
  /** At most `maxShownTasks` of them. */
  running: z.array(taskLine),
  /** The latest that failed. */
  failed: z.array(taskLine),
});

export type RunView = z.output<typeof runView>;

/** A view as it was stored; `undefined` where it cannot be understood. */
export function readRunView(text: string): RunView | undefined {
  return read(runView, text);
}

export function readTaskViews(text: string): readonly TaskView[] {
  return read(z.array(taskView), text) ?? [];
}

function read<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    const found = schema.safeParse(JSON.parse(text));
    return found.success ? found.data : undefined;
  } catch {
    return undefined;
  }
}
