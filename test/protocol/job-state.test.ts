import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../src/protocol/errors.js';
import {
  assertTransition,
  canTransition,
  isJobState,
  isTerminal,
  JOB_STATES,
  JOB_TRANSITIONS,
  type JobState,
} from '../../src/protocol/job-state.js';
import { fixtureCases } from '../spec-fixtures/load.js';
import { errorOf } from './error-of.js';

interface Case {
  readonly input: { readonly from: JobState };
  readonly expect: { readonly to: readonly JobState[]; readonly terminal: boolean };
}

const cases = fixtureCases<Case>('transitions.json');

describe('job states (decision 6)', () => {
  it.each(cases)('$id: $shows', ({ input: { from }, expect: { to, terminal } }) => {
    expect(isTerminal(from)).toBe(terminal);
    for (const next of JOB_STATES) {
      const isAllowed = to.includes(next);
      expect(canTransition(from, next), `${from} to ${next}`).toBe(isAllowed);
      if (isAllowed) {
        assertTransition(from, next);
      } else {
        const error = errorOf(ArcpError, () => {
          assertTransition(from, next);
        });
        expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', retryable: false });
        expect(error.details).toEqual({ from, to: next });
      }
    }
  });

  it('are named as on the wire, and the fixtures name them all', () => {
    expect(JOB_STATES).toEqual([
      'accepted',
      'queued',
      'running',
      'blocked',
      'paused',
      'completed',
      'failed',
      'cancelled',
    ]);
    expect(cases.map(({ input }) => input.from)).toEqual([...JOB_STATES]);
    expect(Object.keys(JOB_TRANSITIONS)).toEqual([...JOB_STATES]);
  });

  it('are recognised by name, and the members that every object has are not among them', () => {
    expect(JOB_STATES.every(isJobState)).toBe(true);
    for (const text of ['Running', '', 'constructor', '__proto__', 'toString', 'done']) {
      expect(isJobState(text), text).toBe(false);
    }
  });
});

describe('laws of job states', () => {
  it('no path leaves a terminal state, and so no job has two terminals (L1)', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...JOB_STATES), { maxLength: 30 }), (attempts) => {
        let state: JobState = 'accepted';
        const taken: JobState[] = [state];
        for (const next of attempts) {
          if (!canTransition(state, next)) continue;
          state = next;
          taken.push(state);
        }
        const terminals = taken.filter(isTerminal);
        expect(terminals.length).toBeLessThanOrEqual(1);
        if (terminals.length === 1) expect(isTerminal(taken[taken.length - 1] ?? 'accepted')).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('from every state that is not terminal a job can fail and be cancelled, and nothing returns to accepted', () => {
    for (const state of JOB_STATES) {
      expect(canTransition(state, 'accepted'), state).toBe(false);
      expect(canTransition(state, state), state).toBe(false);
      if (isTerminal(state)) continue;
      expect(canTransition(state, 'failed'), state).toBe(true);
      expect(canTransition(state, 'cancelled'), state).toBe(true);
    }
  });
});
