/**
 * The ledger of a run: what happened to it and to its tasks, as events of the run's own job (law L1).
 *
 * (G1) A step is taken by the tables in `states/`, told as an event, and only then true here. `committed` resolves once
 *      the store has everything that was told (L2): nothing is acted upon before.
 * (G2) Folding the events of the job's log gives the ledger back as it was, in whichever life of the runtime.
 * (G3) The last event of a task and its receipt are one record: there is no task with an end and without a receipt.
 */
import type { JobContext, Json } from '../../agents/agent.js';
import type {
  FleetArtifactRef,
  FleetReceipt,
  FleetRunStatus,
  FleetTaskSpec,
  FleetWorkerEvent,
  FleetWorkerEventPayload,
  FleetWorkerStatus,
} from '../../protocol/fleet/index.js';
import type { JsonObject } from '../../protocol/scalars.js';
import type { Store } from '../../store/store.js';
import { isEnded, stepRun, type RunStepName, type TaskCounts } from '../states/run-state.js';
import { QUEUED_TASK, stepTask, type Actor, type TaskState } from '../states/task-state.js';
import { addSpending, type Spending } from './spending.js';
import type { OperatorSignal } from './roster.js';

/** The names of its events. */
export const RUN_EVENT = 'fleet.run';
export const TASK_EVENT = 'fleet.task';
export const WORKER_EVENT = 'fleet.worker';
export const VERDICT_EVENT = 'fleet.verdict';

/** `data` of `fleet.run`. */
export interface RunEntry {
  readonly step: RunStepName;
  readonly status: FleetRunStatus;
  /** RFC 3339. */
  readonly at: string;
  /** Of the first: what relative workspaces are meant from. */
  readonly base?: string | undefined;
}

/** `data` of `fleet.task`. */
export interface TaskEntry {
  readonly event: FleetWorkerEvent;
  /** The task after it. */
  readonly task: TaskState;
  /** Of `starting`: the task's job. */
  readonly job_id?: string | undefined;
  /** Of `restarted`: when the next attempt may begin, in milliseconds since 1970. */
  readonly not_before?: number | undefined;
  /** Of the last one (G3). */
  readonly receipt?: FleetReceipt | undefined;
  /** Of what ends an attempt: what its job spent, by currency. */
  readonly cost?: Readonly<Record<string, string>> | undefined;
  /** Of what a worker tells: up to which event its job was heard. */
  readonly heard?: number | undefined;
}

/** `data` of `fleet.worker`. */
export interface WorkerEntry {
  readonly worker_id: string;
  readonly status: FleetWorkerStatus;
  /** What an operator told it. */
  readonly signal?: OperatorSignal | undefined;
}

export interface TaskRecord {
  readonly spec: FleetTaskSpec;
  /** Its place in the spec. */
  readonly index: number;
  readonly priority: number;
  state: TaskState;
  jobId: string | undefined;
  notBefore: number;
  receipt: FleetReceipt | undefined;
  /** Of the present attempt. */
  artifacts: FleetArtifactRef[];
  /** Of all attempts that are over. */
  readonly cost: Spending;
  /** Of the present attempt: up to which event its job was heard. */
  heard: number;
  /** RFC 3339, of its latest event. */
  since: string | undefined;
  /** Why it failed or was cancelled, if it was. */
  reason: string | undefined;
  /** The job that asks a person about it. Not of the log: whoever asks again says it again. */
  asks: string | undefined;
}

/** What a step of a task says beside its event. */
export type StepDetails = Pick<TaskEntry, 'job_id' | 'not_before' | 'receipt' | 'cost' | 'heard'> & {
  readonly worker?: string;
  readonly extra?: JsonObject;
};

/** Records of a log that are read in one go. */
const BATCH = 500;

export class Ledger {
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  /** Kept up to date, so that nobody has to count. */
  readonly counts: { -readonly [Key in keyof TaskCounts]: number };
  readonly cost: Spending = new Map();
  /** What operators told workers, as far as it still holds. */
  readonly signals = new Map<string, Set<OperatorSignal>>();
  status: FleetRunStatus = 'pending';
  /** RFC 3339, of its end. */
  completedAt: string | undefined;
  /** Is told what has changed: a task, or where there is none the run. */
  onChange: (record?: TaskRecord) => void = () => undefined;
  /** What relative workspaces are meant from. */
  base: string | undefined;
  /** Milliseconds since 1970. */
  enqueuedAt = 0;
  readonly #ctx: Pick<JobContext, 'jobId' | 'emit' | 'flushed'>;
  readonly #now: () => number;
  readonly #seqs = new Map<string, number>();

  constructor(
    ctx: Pick<JobContext, 'jobId' | 'emit' | 'flushed'>,
    specs: readonly FleetTaskSpec[],
    now: () => number,
  ) {
    this.#ctx = ctx;
    this.#now = now;
    this.tasks = new Map(specs.map((spec, index) => [spec.id, recordOf(spec, index)]));
    this.counts = { open: specs.length, completed: 0, failed: 0, cancelled: 0 };
  }

  get runId(): string {
    return this.#ctx.jobId;
  }

  /** (G2) */
  async restore(store: Pick<Store, 'read'>): Promise<void> {
    for (let after = 0; ;) {
      const page = await store.read(this.runId, after, BATCH);
      for (const { type, body } of page) {
        if (type !== 'event.emit') continue;
        const { payload } = JSON.parse(`{${body}`) as { readonly payload: { name: string; data: unknown } };
        if (payload.name === RUN_EVENT) this.#foldRun(payload.data as RunEntry);
        if (payload.name === TASK_EVENT) this.#foldTask(payload.data as TaskEntry);
        if (payload.name === WORKER_EVENT) this.#foldWorker(payload.data as WorkerEntry);
      }
      if (page.length < BATCH) return;
      after += page.length;
    }
  }

  /** Throws FAILED_PRECONDITION where the table has no such step. */
  run(step: RunStepName, base?: string): void {
    const at = new Date(this.#now()).toISOString();
    const entry: RunEntry = { step, status: stepRun(this.status, step), at, base };
    this.#ctx.emit(RUN_EVENT, entry as unknown as Json);
    this.#foldRun(entry);
  }

  /** Takes a step of a task; `false` where it is not to be taken, and nothing has changed (states/task-state.ts, T1). */
  task(
    record: TaskRecord,
    payload: FleetWorkerEventPayload,
    actor: Actor,
    { worker, extra, ...details }: StepDetails = {},
  ): boolean {
    const step = stepTask(record.state, payload, actor, worker === undefined ? undefined : { worker });
    if (!step.ok) return false;
    const workerId = worker ?? record.state.worker ?? '';
    const event: FleetWorkerEvent = {
      seq: (this.#seqs.get(seqKey(workerId, record)) ?? 0) + 1,
      run_id: this.runId,
      worker_id: workerId,
      task_id: record.spec.id,
      timestamp: new Date(this.#now()).toISOString(),
      ...payload,
      ...(extra === undefined ? {} : { extra }),
    };
    const entry: TaskEntry = { event, task: step.state, ...details };
    this.#ctx.emit(TASK_EVENT, entry as unknown as Json);
    this.#foldTask(entry);
    return true;
  }

  worker(id: string, status: FleetWorkerStatus, signal?: OperatorSignal): void {
    const entry: WorkerEntry = { worker_id: id, status, signal };
    this.#ctx.emit(WORKER_EVENT, entry as unknown as Json);
    this.#foldWorker(entry);
  }

  /** Which job asks a person about a task, and in the end that none does any more. Each life tells it anew. */
  asks(taskId: string, jobId: string | undefined): void {
    const record = this.tasks.get(taskId);
    if (record === undefined) return;
    record.asks = jobId;
    if (jobId !== undefined) this.#ctx.emit(VERDICT_EVENT, { task_id: taskId, job_id: jobId });
    this.onChange(record);
  }

  committed(): Promise<void> {
    return this.#ctx.flushed();
  }

  #foldRun({ status, at, base, step }: RunEntry): void {
    this.status = status;
    if (base !== undefined) this.base = base;
    if (step === 'enqueue') this.enqueuedAt = Date.parse(at);
    this.completedAt = isEnded(status) ? at : undefined;
    this.onChange();
  }

  #foldWorker({ worker_id: id, signal }: WorkerEntry): void {
    if (signal !== undefined) {
      const signals = this.signals.get(id) ?? new Set();
      if (signal === 'undrain') signals.delete('drain');
      else signals.add(signal);
      this.signals.set(id, signals);
    }
    this.onChange();
  }

  #foldTask(entry: TaskEntry): void {
    const { event, task, job_id, not_before, receipt, cost, heard } = entry;
    const record = this.tasks.get(event.task_id);
    if (record === undefined) return;
    this.counts[countOf(record.state)] -= 1;
    // JSON leaves out what is `undefined`.
    record.state = { ...QUEUED_TASK, ...task };
    this.counts[countOf(record.state)] += 1;
    record.since = event.timestamp;
    if (cost !== undefined) {
      addSpending(record.cost, cost);
      addSpending(this.cost, cost);
    }
    if (heard !== undefined) record.heard = heard;
    if (event.state === 'restarted') record.receipt = undefined;
    record.reason = reasonIn(event) ?? (event.state === 'leased' ? undefined : record.reason);
    this.#seqs.set(seqKey(event.worker_id, record), event.seq);
    if (event.state === 'leased') {
      record.artifacts = [];
      record.jobId = undefined;
      record.heard = 0;
    }
    if (job_id !== undefined) record.jobId = job_id;
    if (not_before !== undefined) record.notBefore = not_before;
    if (receipt !== undefined) record.receipt = receipt;
    if (event.state === 'artifact') {
      const { kind, path, checksum, mime_type, size_bytes } = event;
      record.artifacts.push({ kind, path, checksum, mime_type, size_bytes });
    }
    this.onChange(record);
  }
}

function countOf({ settled, status }: TaskState): keyof TaskCounts {
  if (!settled) return 'open';
  return status === 'completed' || status === 'cancelled' ? status : 'failed';
}

function reasonIn(event: FleetWorkerEvent): string | undefined {
  if (event.state === 'failed') return event.reason;
  return event.state === 'cancelled' ? event.cancelled_by : undefined;
}

function recordOf(spec: FleetTaskSpec, index: number): TaskRecord {
  const priority = spec.metadata['priority'];
  return {
    spec,
    index,
    priority: typeof priority === 'number' ? priority : 0,
    state: QUEUED_TASK,
    jobId: undefined,
    notBefore: 0,
    receipt: undefined,
    artifacts: [],
    cost: new Map(),
    heard: 0,
    since: undefined,
    reason: undefined,
    asks: undefined,
  };
}

function seqKey(workerId: string, { spec }: TaskRecord): string {
  return `${workerId} ${spec.id}`;
}
