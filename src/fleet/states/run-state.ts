/**
 * The states of a run (fleet.rs `FleetRunStatus`) and the one table of the steps between them.
 * A run ends when its last task does; a task that an operator restarts opens its run again.
 */
import { ArcpError } from '../../protocol/errors.js';
import type { FleetRunStatus } from '../../protocol/fleet/index.js';

interface RunStep {
  readonly from: readonly FleetRunStatus[];
  readonly to: FleetRunStatus;
}

export const RUN_STEPS = {
  /** Its tasks are in the inbox. */
  enqueue: { from: ['pending'], to: 'queued' },
  /** Its first task has a worker. */
  start: { from: ['queued'], to: 'running' },
  /** No further task is leased; those that run go on. */
  pause: { from: ['queued', 'running'], to: 'paused' },
  resume: { from: ['paused'], to: 'running' },
  complete: { from: ['queued', 'running', 'paused'], to: 'completed' },
  fail: { from: ['pending', 'queued', 'running', 'paused'], to: 'failed' },
  cancel: { from: ['pending', 'queued', 'running', 'paused'], to: 'cancelled' },
  /** One of its tasks is restarted by an operator. */
  reopen: { from: ['completed', 'failed', 'cancelled'], to: 'running' },
} as const satisfies Record<string, RunStep>;

export type RunStepName = keyof typeof RUN_STEPS;

/** @throws ArcpError FAILED_PRECONDITION where the table has no such step. */
export function stepRun(status: FleetRunStatus, name: RunStepName): FleetRunStatus {
  const { from, to }: RunStep = RUN_STEPS[name];
  if (from.includes(status)) return to;
  throw new ArcpError('FAILED_PRECONDITION', `a run that is ${status} cannot ${name}`, {
    details: { from: status, step: name },
  });
}

/** Whether nothing more happens in the run by itself. */
export function isEnded(status: FleetRunStatus): status is 'completed' | 'failed' | 'cancelled' {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** How the tasks of a run ended, counted. */
export interface TaskCounts {
  /** Not ended. */
  readonly open: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** The step that ends a run with these tasks, or `undefined` while one of them is open. */
export function endingOf({
  open,
  failed,
  cancelled,
}: TaskCounts): 'complete' | 'fail' | 'cancel' | undefined {
  if (open > 0) return undefined;
  if (failed > 0) return 'fail';
  return cancelled > 0 ? 'cancel' : 'complete';
}
