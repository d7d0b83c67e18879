/**
 * The states of a worker (fleet.rs `FleetWorkerStatus`). What is kept is the worker's condition; its status follows from
 * that by one table, so that no order of signals can leave a status behind that is not true.
 */
import type { FleetWorkerStatus } from '../../protocol/fleet/index.js';

export interface WorkerCondition {
  /** Whether anything was ever heard of it. */
  readonly seen: boolean;
  readonly connected: boolean;
  /** Whether it let a deadline pass and has given no sign since. */
  readonly stale: boolean;
  /** Told to take no further task: by an operator, until it is told otherwise. */
  readonly drained: boolean;
  /** Tasks that it holds a lease of. */
  readonly tasks: number;
  /** Of those, the ones that are being interrupted. */
  readonly interrupting: number;
  readonly retired: boolean;
}

export const UNKNOWN_WORKER: WorkerCondition = {
  seen: false,
  connected: false,
  stale: false,
  drained: false,
  tasks: 0,
  interrupting: 0,
  retired: false,
};

/** From the top, the first that holds. */
const STATUSES: readonly [FleetWorkerStatus, (worker: WorkerCondition) => boolean][] = [
  ['retired', ({ retired }) => retired],
  ['unknown', ({ seen }) => !seen],
  ['offline', ({ connected }) => !connected],
  ['unhealthy', ({ stale }) => stale],
  ['draining', ({ drained, interrupting }) => drained || interrupting > 0],
  ['busy', ({ tasks }) => tasks > 0],
];

export function workerStatus(worker: WorkerCondition): FleetWorkerStatus {
  return STATUSES.find(([, holds]) => holds(worker))?.[0] ?? 'online';
}

type Change = (worker: WorkerCondition) => Partial<WorkerCondition>;

const less = (count: number): number => Math.max(0, count - 1);

/** What each signal changes. */
export const WORKER_SIGNALS = {
  connected: () => ({ seen: true, connected: true, stale: false }),
  disconnected: () => ({ connected: false }),
  /** Any sign of life: a heartbeat, or work that goes on. */
  sign: () => ({ seen: true, stale: false }),
  leased: ({ tasks }) => ({ tasks: tasks + 1 }),
  /** One of its tasks is being interrupted. */
  interrupted: ({ interrupting, tasks }) => ({ interrupting: Math.min(interrupting + 1, tasks) }),
  /** One of its tasks has ended, or was taken from it. */
  released: ({ tasks, interrupting }) => ({ tasks: less(tasks), interrupting: less(interrupting) }),
  stale: () => ({ stale: true }),
  drain: () => ({ drained: true }),
  undrain: () => ({ drained: false }),
  retire: () => ({ retired: true }),
} as const satisfies Record<string, Change>;

export type WorkerSignal = keyof typeof WORKER_SIGNALS;

/** The worker after a signal; one that is retired hears none. */
export function signalWorker(worker: WorkerCondition, signal: WorkerSignal): WorkerCondition {
  const change: Change = WORKER_SIGNALS[signal];
  return worker.retired ? worker : { ...worker, ...change(worker) };
}

/** Whether it may be given a task, if it has room. */
export function takesTasks(worker: WorkerCondition): boolean {
  const status = workerStatus(worker);
  return status === 'online' || status === 'busy';
}
