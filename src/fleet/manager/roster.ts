/**
 * The workers of a run: what each holds, and how it is.
 *
 * (W1) Its status follows from what happened to it by the table of `states/worker-state.ts`, and each change is told.
 * (W2) Who was told to take no further task, or to leave for good, stays so in every life of the runtime.
 */
import type { FleetWorkerStatus } from '../../protocol/fleet/index.js';
import type { Candidate } from '../scheduling/placement.js';
import type { WriteSet } from '../scheduling/writers.js';
import { Workload } from '../scheduling/workload.js';
import {
  signalWorker,
  UNKNOWN_WORKER,
  workerStatus,
  type WorkerCondition,
  type WorkerSignal,
} from '../states/worker-state.js';
import type { Ledger, TaskRecord } from './ledger.js';

export interface Held {
  readonly worker: Candidate;
  readonly writes: WriteSet;
}

/** The signals that an operator gives. */
export type OperatorSignal = Extract<WorkerSignal, 'drain' | 'undrain' | 'retire'>;

export class Roster {
  readonly workers: ReadonlyMap<string, Candidate>;
  readonly load = new Workload();
  readonly #ledger: Ledger;
  readonly #conditions = new Map<string, WorkerCondition>();
  readonly #held = new Map<TaskRecord, Held>();
  #takers: readonly Candidate[] | undefined;
  /** Places of all workers, those that are taken included. */
  #places = 0;

  constructor(workers: readonly Candidate[], ledger: Ledger) {
    this.workers = new Map(workers.map((worker) => [worker.spec.id, worker]));
    this.#ledger = ledger;
  }

  /** This machine is there; those that were sent away or told to rest in an earlier life stay so (W2). */
  open(): void {
    for (const [id, { spec }] of this.workers) {
      for (const signal of this.#ledger.signals.get(id) ?? []) this.#change(id, signal);
      if (spec.host.kind === 'local') this.signal(id, 'connected');
    }
  }

  /** Those that may be given tasks; one that does not run is started for the task that it is given. */
  get takers(): readonly Candidate[] {
    this.#takers ??= [...this.workers.values()].filter(({ spec }) => {
      const { drained, retired } = this.condition(spec.id);
      return !drained && !retired;
    });
    return this.#takers;
  }

  /** Those that can ever be given tasks again. */
  get lasting(): readonly Candidate[] {
    return [...this.workers.values()].filter(({ spec }) => !this.condition(spec.id).retired);
  }

  /** Whether one of them could hold one more task. */
  get hasRoom(): boolean {
    if (this.#places === 0) {
      for (const { spec } of this.takers) this.#places += spec.max_concurrent_tasks ?? 1;
    }
    return this.load.run < this.#places;
  }

  condition(id: string): WorkerCondition {
    return this.#conditions.get(id) ?? UNKNOWN_WORKER;
  }

  status(id: string): FleetWorkerStatus {
    return workerStatus(this.condition(id));
  }

  get held(): ReadonlyMap<TaskRecord, Held> {
    return this.#held;
  }

  hold(record: TaskRecord, held: Held): void {
    this.#held.set(record, held);
    this.load.add(record.spec, held.worker);
    if (this.condition(held.worker.spec.id).connected) this.signal(held.worker.spec.id, 'sign');
    this.signal(held.worker.spec.id, 'leased');
  }

  free(record: TaskRecord): void {
    const held = this.#held.get(record);
    if (held === undefined) return;
    this.#held.delete(record);
    this.load.remove(record.spec, held.worker);
    this.signal(held.worker.spec.id, 'released');
  }

  /** (W1) */
  signal(id: string, signal: WorkerSignal): void {
    const before = this.status(id);
    this.#change(id, signal);
    const status = this.status(id);
    if (status !== before) this.#ledger.worker(id, status);
  }

  /** (W2) */
  order(id: string, signal: OperatorSignal): void {
    this.#change(id, signal);
    this.#ledger.worker(id, this.status(id), signal);
  }

  #change(id: string, signal: WorkerSignal): void {
    this.#conditions.set(id, signalWorker(this.condition(id), signal));
    this.#takers = undefined;
    this.#places = 0;
  }
}
