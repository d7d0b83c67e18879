import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  endingOf,
  isEnded,
  RUN_STEPS,
  stepRun,
  type RunStepName,
} from '../../../src/fleet/states/run-state.js';
import { ArcpError } from '../../../src/protocol/errors.js';
import { FLEET_RUN_STATUSES, type FleetRunStatus } from '../../../src/protocol/fleet/index.js';
import { errorOf } from '../../protocol/error-of.js';

const STEPS = Object.keys(RUN_STEPS) as RunStepName[];

describe('a run', () => {
  it('goes from the inbox to its end', () => {
    const path = (['enqueue', 'start', 'pause', 'resume', 'complete'] as const).reduce<FleetRunStatus[]>(
      (statuses, step) => [...statuses, stepRun(statuses.at(-1) ?? 'pending', step)],
      ['pending'],
    );
    expect(path).toEqual(['pending', 'queued', 'running', 'paused', 'running', 'completed']);
  });

  it('takes no step that the table does not have, and says which it was', () => {
    for (const status of FLEET_RUN_STATUSES) {
      for (const step of STEPS) {
        const from: readonly FleetRunStatus[] = RUN_STEPS[step].from;
        if (from.includes(status)) {
          expect(stepRun(status, step)).toBe(RUN_STEPS[step].to);
        } else {
          const error = errorOf(ArcpError, () => stepRun(status, step));
          expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', details: { from: status, step } });
        }
      }
    }
  });

  it('ends as its tasks did: failed before cancelled before completed, and not while one is open', () => {
    expect(endingOf({ open: 1, completed: 5, failed: 1, cancelled: 1 })).toBeUndefined();
    expect(endingOf({ open: 0, completed: 5, failed: 1, cancelled: 1 })).toBe('fail');
    expect(endingOf({ open: 0, completed: 5, failed: 0, cancelled: 1 })).toBe('cancel');
    expect(endingOf({ open: 0, completed: 5, failed: 0, cancelled: 0 })).toBe('complete');
  });

  it('can reach every status that the contract names, and leaves an end only when it is opened again', () => {
    const reached = new Set<FleetRunStatus>(['pending']);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...STEPS), { maxLength: 30 }), (steps) => {
        let status: FleetRunStatus = 'pending';
        for (const step of steps) {
          const from: readonly FleetRunStatus[] = RUN_STEPS[step].from;
          if (!from.includes(status)) continue;
          if (isEnded(status)) expect(step).toBe('reopen');
          status = stepRun(status, step);
          expect(status).not.toBe('pending');
          reached.add(status);
        }
      }),
      { numRuns: 500 },
    );
    expect([...reached].sort()).toEqual([...FLEET_RUN_STATUSES].sort());
  });
});
