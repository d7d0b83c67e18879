/**
 * The states of a task and the one table of the steps between them. A task's status is the state that its latest worker
 * event told; heartbeats, artifacts and escalations tell none.
 *
 * (T1) Every step is a compare-and-set on status, worker and attempt: what a worker tells of an attempt that is over
 *      changes nothing, and what it tells late never revives a task that has ended.
 * (T2) A task is settled once it has completed, was cancelled, or has failed for good; it settles once for each time that
 *      an operator restarts it, and a receipt is written exactly then.
 * (T3) Each lease is an attempt. Attempts only grow; an operator's restart gives the task all of its policy's anew.
 */
import type { FleetWorkerEventPayload, FleetWorkerEventState } from '../../protocol/fleet/index.js';

/** Of the states that worker events tell, those that move the task. */
export const TASK_STATUSES = [
  'queued',
  'leased',
  'starting',
  'running',
  'model_wait',
  'running_tool',
  'interrupted',
  'stale',
  'restarted',
  'completed',
  'failed',
  'cancelled',
] as const satisfies readonly FleetWorkerEventState[];

export type TaskStatus = (typeof TASK_STATUSES)[number];

/** `failed` is left only where it was recoverable, and every status is left for `restarted` by an operator. */
export const TASK_TRANSITIONS = {
  queued: ['leased', 'failed', 'cancelled'],
  leased: ['starting', 'running', 'interrupted', 'stale', 'failed', 'cancelled'],
  starting: [
    'running',
    'model_wait',
    'running_tool',
    'interrupted',
    'stale',
    'completed',
    'failed',
    'cancelled',
  ],
  running: [
    'running',
    'model_wait',
    'running_tool',
    'interrupted',
    'stale',
    'completed',
    'failed',
    'cancelled',
  ],
  model_wait: [
    'running',
    'model_wait',
    'running_tool',
    'interrupted',
    'stale',
    'completed',
    'failed',
    'cancelled',
  ],
  running_tool: [
    'running',
    'model_wait',
    'running_tool',
    'interrupted',
    'stale',
    'completed',
    'failed',
    'cancelled',
  ],
  interrupted: ['restarted', 'failed', 'cancelled'],
  stale: ['restarted', 'failed', 'cancelled'],
  restarted: ['leased', 'failed', 'cancelled'],
  completed: [],
  failed: ['restarted'],
  cancelled: [],
} as const satisfies Record<TaskStatus, readonly TaskStatus[]>;

/** What is kept of a task. */
export interface TaskState {
  readonly status: TaskStatus;
  /** Who works on it, or did last; `undefined` while it waits. */
  readonly worker: string | undefined;
  /** Leases so far (T3). */
  readonly attempt: number;
  /** Of those, the leases before the operator's latest restart. */
  readonly forgiven: number;
  readonly settled: boolean;
}

export const QUEUED_TASK: TaskState = {
  status: 'queued',
  worker: undefined,
  attempt: 0,
  forgiven: 0,
  settled: false,
};

/** What a step expects to find (T1). */
export type Expected = Pick<TaskState, 'status' | 'worker' | 'attempt'>;

/** Who takes a step: a worker of its own attempt, the manager, or an operator. */
export type Actor =
  | { readonly kind: 'worker'; readonly worker: string; readonly attempt: number }
  | { readonly kind: 'manager'; readonly expected: Expected }
  | { readonly kind: 'operator' };

export type TaskStep =
  | { readonly ok: true; readonly state: TaskState; /** (T2) */ readonly settles: boolean }
  | { readonly ok: false; readonly why: 'ended' | 'another_attempt' | 'changed' | 'no_such_step' };

/** The steps of a worker; the rest is the manager's or an operator's. */
const WORKERS: ReadonlySet<FleetWorkerEventState> = new Set([
  'starting',
  'running',
  'model_wait',
  'running_tool',
  'heartbeat',
  'artifact',
  'interrupted',
]);

/** The task after an event. `lease` names the worker of a `leased`. */
export function stepTask(
  task: TaskState,
  event: FleetWorkerEventPayload,
  actor: Actor,
  lease?: { readonly worker: string },
): TaskStep {
  const refusal = refusalOf(task, event, actor);
  if (refusal !== undefined) return { ok: false, why: refusal };
  if (!moves(event.state)) return { ok: true, state: task, settles: false };
  if (!mayFollow(task, event.state, actor)) return { ok: false, why: 'no_such_step' };
  if (event.state === 'leased') {
    if (lease === undefined) return { ok: false, why: 'no_such_step' };
    const state = { ...task, status: event.state, worker: lease.worker, attempt: task.attempt + 1 };
    return { ok: true, state, settles: false };
  }
  if (event.state === 'restarted') {
    const forgiven = actor.kind === 'operator' ? task.attempt : task.forgiven;
    return {
      ok: true,
      state: { ...task, status: 'restarted', worker: undefined, forgiven, settled: false },
      settles: false,
    };
  }
  const settles = isFinal(event);
  return { ok: true, state: { ...task, status: event.state, settled: settles }, settles };
}

function refusalOf(
  task: TaskState,
  { state }: FleetWorkerEventPayload,
  actor: Actor,
): Exclude<TaskStep, { ok: true }>['why'] | undefined {
  switch (actor.kind) {
    case 'worker':
      if (actor.worker !== task.worker || actor.attempt !== task.attempt) return 'another_attempt';
      if (task.settled || task.status === 'failed') return 'ended';
      // Late signs of an attempt that was given up.
      if (task.status === 'stale' || task.status === 'interrupted') return 'changed';
      return WORKERS.has(state) ? undefined : 'no_such_step';
    case 'manager': {
      const { status, worker, attempt } = actor.expected;
      if (status !== task.status || worker !== task.worker || attempt !== task.attempt) return 'changed';
      return task.settled && state !== 'escalated' ? 'ended' : undefined;
    }
    case 'operator':
      return undefined;
  }
}

function mayFollow(task: TaskState, next: TaskStatus, actor: Actor): boolean {
  if (next === 'restarted' && actor.kind === 'operator') return true;
  if (task.settled) return false;
  const allowed: readonly TaskStatus[] = TASK_TRANSITIONS[task.status];
  return allowed.includes(next);
}

function isFinal(event: FleetWorkerEventPayload): boolean {
  if (event.state === 'failed') return !event.recoverable;
  return event.state === 'completed' || event.state === 'cancelled';
}

function moves(state: FleetWorkerEventState): state is TaskStatus {
  const statuses: readonly string[] = TASK_STATUSES;
  return statuses.includes(state);
}
