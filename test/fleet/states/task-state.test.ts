import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  QUEUED_TASK,
  stepTask,
  TASK_STATUSES,
  TASK_TRANSITIONS,
  type Actor,
  type TaskState,
  type TaskStatus,
  type TaskStep,
} from '../../../src/fleet/states/task-state.js';
import {
  FLEET_WORKER_EVENT_STATES,
  type FleetWorkerEventPayload,
} from '../../../src/protocol/fleet/index.js';

const OPERATOR: Actor = { kind: 'operator' };

function manager(expected: TaskState): Actor {
  return { kind: 'manager', expected };
}

function workerOf(task: TaskState): Actor {
  return { kind: 'worker', worker: task.worker ?? 'nobody', attempt: task.attempt };
}

function taken(step: TaskStep): TaskState {
  if (!step.ok) throw new Error(step.why);
  return step.state;
}

/** By the manager, which expects what it sees. */
function step(task: TaskState, event: FleetWorkerEventPayload): TaskState {
  return taken(stepTask(task, event, manager(task), { worker: 'w1' }));
}

function told(task: TaskState, event: FleetWorkerEventPayload): TaskState {
  return taken(stepTask(task, event, workerOf(task)));
}

const leased = step(QUEUED_TASK, { state: 'leased' });
const running = told(told(leased, { state: 'starting' }), { state: 'running' });
const LOST = { state: 'failed', reason: 'lost', recoverable: true } as const;
const BROKEN = { state: 'failed', reason: 'broken', recoverable: false } as const;

describe('a task', () => {
  it('is leased, runs, and settles once with its end (T2)', () => {
    expect(leased).toEqual({ status: 'leased', worker: 'w1', attempt: 1, forgiven: 0, settled: false });
    const waiting = told(told(running, { state: 'model_wait' }), { state: 'running_tool', tool: 'sh' });
    const ended = stepTask(waiting, { state: 'completed', exit_code: 0 }, manager(waiting));
    expect(ended).toMatchObject({ ok: true, settles: true, state: { status: 'completed', settled: true } });
  });

  it('is tried again after it went stale or failed in a way that may pass, with another attempt each time (T3)', () => {
    const stale = step(running, { state: 'stale' });
    const second = step(step(stale, { state: 'restarted', restart_count: 1 }), { state: 'leased' });
    expect(second).toMatchObject({ status: 'leased', attempt: 2 });
    const failed = stepTask(second, LOST, manager(second));
    expect(failed).toMatchObject({ ok: true, settles: false });
    const third = step(step(taken(failed), { state: 'restarted', restart_count: 2 }), { state: 'leased' });
    expect(stepTask(third, BROKEN, manager(third))).toMatchObject({ ok: true, settles: true });
  });

  it('hears nothing of an attempt that is over, and nothing late (T1)', () => {
    const second = step(step(step(running, { state: 'stale' }), { state: 'restarted', restart_count: 1 }), {
      state: 'leased',
    });
    expect(stepTask(second, { state: 'running' }, workerOf(running))).toEqual({
      ok: false,
      why: 'another_attempt',
    });
    const stale = step(running, { state: 'stale' });
    expect(stepTask(stale, { state: 'running' }, workerOf(stale))).toEqual({ ok: false, why: 'changed' });
    const done = step(running, { state: 'completed' });
    expect(stepTask(done, { state: 'running' }, workerOf(done))).toEqual({ ok: false, why: 'ended' });
    expect(stepTask(done, { state: 'cancelled' }, manager(done))).toEqual({ ok: false, why: 'ended' });
  });

  it('is changed by whoever sees it as it is, and by nobody else (T1)', () => {
    expect(stepTask(running, { state: 'stale' }, manager(leased))).toEqual({ ok: false, why: 'changed' });
    for (const other of [{ worker: 'w2' }, { attempt: 2 }, { status: 'stale' as const }]) {
      const actor = manager({ ...running, ...other });
      expect(stepTask(running, { state: 'stale' }, actor)).toEqual({ ok: false, why: 'changed' });
    }
  });

  it('is ended by no worker: a verdict comes first', () => {
    for (const event of [{ state: 'completed' }, { state: 'cancelled' }, BROKEN] as const) {
      expect(stepTask(running, event, workerOf(running))).toEqual({ ok: false, why: 'no_such_step' });
    }
  });

  it('is restarted by an operator from any status, with all of its attempts anew (T3)', () => {
    for (const status of TASK_STATUSES) {
      const task = { ...running, status, attempt: 3, settled: status === 'completed' };
      const restarted = taken(stepTask(task, { state: 'restarted', restart_count: 1 }, OPERATOR));
      expect(restarted).toEqual({
        status: 'restarted',
        worker: undefined,
        attempt: 3,
        forgiven: 3,
        settled: false,
      });
    }
  });

  it('is moved by no heartbeat, artifact or escalation', () => {
    for (const event of [
      { state: 'heartbeat' },
      { state: 'artifact', kind: 'log', path: 'x', size_bytes: null },
    ] as const) {
      expect(told(running, event)).toBe(running);
    }
    const done = step(running, { state: 'completed' });
    expect(step(done, { state: 'escalated', channel: 'slack' })).toBe(done);
  });

  it('has a step into every status, and all but the ends lead on', () => {
    const entered = new Set<TaskStatus>(['queued', ...Object.values(TASK_TRANSITIONS).flat()]);
    expect([...entered].sort()).toEqual([...TASK_STATUSES].sort());
    const unmoving = FLEET_WORKER_EVENT_STATES.filter(
      (state) => !(TASK_STATUSES as readonly string[]).includes(state),
    );
    expect(unmoving).toEqual(['heartbeat', 'artifact', 'escalated']);
  });
});

const EVENTS: readonly FleetWorkerEventPayload[] = [
  { state: 'leased' },
  { state: 'starting' },
  { state: 'running' },
  { state: 'model_wait' },
  { state: 'running_tool', tool: 'x' },
  { state: 'heartbeat' },
  { state: 'completed' },
  LOST,
  BROKEN,
  { state: 'cancelled' },
  { state: 'interrupted' },
  { state: 'stale' },
  { state: 'restarted', restart_count: 1 },
  { state: 'escalated', channel: 'x' },
];

describe('laws of tasks', () => {
  it('however many act on whatever they last saw, a task settles once between restarts and attempts only grow', () => {
    const acts = fc.array(
      fc.record({
        event: fc.constantFrom(...EVENTS),
        who: fc.constantFrom('worker', 'manager', 'operator'),
        seen: fc.nat(),
        by: fc.constantFrom('w1', 'w2'),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(acts, (all) => {
        const history: TaskState[] = [QUEUED_TASK];
        let settlements = 0;
        for (const { event, who, seen, by } of all) {
          const now = history.at(-1) ?? QUEUED_TASK;
          const then = history[seen % history.length] ?? QUEUED_TASK;
          const actor = who === 'operator' ? OPERATOR : who === 'manager' ? manager(then) : workerOf(then);
          // An operator restarts and cancels; it tells nothing of the work.
          if (who === 'operator' && event.state !== 'restarted' && event.state !== 'cancelled') continue;
          const result = stepTask(now, event, actor, { worker: by });
          if (!result.ok) continue;
          if (result.state.status === 'restarted' && now.status !== 'restarted') settlements = 0;
          if (result.settles) settlements += 1;
          expect(settlements).toBeLessThanOrEqual(1);
          expect(result.state.attempt - now.attempt).toBe(event.state === 'leased' ? 1 : 0);
          expect(result.state.settled).toBe(settlements === 1);
          history.push(result.state);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
