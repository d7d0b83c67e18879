import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  signalWorker,
  takesTasks,
  UNKNOWN_WORKER,
  WORKER_SIGNALS,
  workerStatus,
  type WorkerCondition,
  type WorkerSignal,
} from '../../../src/fleet/states/worker-state.js';
import { FLEET_WORKER_STATUSES, type FleetWorkerStatus } from '../../../src/protocol/fleet/index.js';

const SIGNALS = Object.keys(WORKER_SIGNALS) as WorkerSignal[];
const signals = fc.array(fc.constantFrom(...SIGNALS), { maxLength: 40 });

function after(...given: WorkerSignal[]): FleetWorkerStatus {
  return workerStatus(given.reduce(signalWorker, UNKNOWN_WORKER));
}

describe('a worker', () => {
  it.each<[FleetWorkerStatus, WorkerSignal[]]>([
    ['unknown', []],
    ['online', ['connected']],
    ['busy', ['connected', 'leased']],
    ['busy', ['connected', 'leased', 'leased', 'released']],
    ['online', ['connected', 'leased', 'released']],
    ['draining', ['connected', 'leased', 'interrupted']],
    ['online', ['connected', 'leased', 'interrupted', 'released']],
    ['unhealthy', ['connected', 'leased', 'stale']],
    ['busy', ['connected', 'leased', 'stale', 'sign']],
    ['online', ['connected', 'leased', 'stale', 'released', 'sign']],
    ['offline', ['connected', 'leased', 'disconnected']],
    ['busy', ['connected', 'leased', 'disconnected', 'connected']],
    ['draining', ['connected', 'drain']],
    ['draining', ['connected', 'leased', 'drain', 'released', 'sign']],
    ['online', ['connected', 'drain', 'undrain']],
    ['offline', ['connected', 'drain', 'disconnected']],
    ['retired', ['connected', 'retire']],
    ['retired', ['retire', 'connected', 'undrain']],
  ])('is %s after %j', (status, given) => {
    expect(after(...given)).toBe(status);
  });

  it('can reach every status that the contract names', () => {
    const reached = new Set<FleetWorkerStatus>(['unknown']);
    fc.assert(
      fc.property(signals, (given) => {
        let worker = UNKNOWN_WORKER;
        for (const signal of given) reached.add(workerStatus((worker = signalWorker(worker, signal))));
      }),
      { numRuns: 500 },
    );
    expect([...reached].sort()).toEqual([...FLEET_WORKER_STATUSES].sort());
  });

  it('counts its tasks right whatever the order, is given none unless it is well, and never comes back from retirement', () => {
    fc.assert(
      fc.property(signals, (given) => {
        let worker: WorkerCondition = UNKNOWN_WORKER;
        for (const signal of given) {
          const before = worker;
          worker = signalWorker(worker, signal);
          expect(worker.tasks).toBeGreaterThanOrEqual(0);
          expect(worker.interrupting).toBeLessThanOrEqual(worker.tasks);
          if (before.retired) expect(worker).toEqual(before);
          if (takesTasks(worker)) {
            expect(worker).toMatchObject({ connected: true, stale: false, drained: false, retired: false });
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
