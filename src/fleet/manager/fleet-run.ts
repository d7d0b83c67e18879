/**
 * Runs a fleet: leases tasks to workers that fit, by priority and age, has each attempt judged, and tries again what may go
 * better. It is the body of a job, `fleet.run`; tasks are jobs below it, and there is no other engine.
 *
 * (M1) What happens is in the ledger before it is acted upon; what the ledger has, a later life goes on with. An attempt
 *      that had been leased goes on as that attempt.
 * (M2) Each task ends once, with one receipt, whatever ends it: its work, its time, its operator, or that no worker fits.
 * (M3) Tasks that write the same places never run together; nothing beyond the caps runs at all (L7).
 */
import type { JobContext, Json } from '../../agents/agent.js';
import type { Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import {
  DEFAULT_RETRY_POLICY,
  DEFAULT_SECURITY_POLICY,
  type FleetAlertEventClass,
  type FleetReceipt,
  type FleetWorkerEventPayload,
  type FleetWorkerStatus,
} from '../../protocol/fleet/index.js';
import { compareInbox } from '../scheduling/inbox-order.js';
import { choose, classOf, hostKey, isLasting, misfit, type Candidate } from '../scheduling/placement.js';
import { mayRetry, retryDelay } from '../scheduling/retry.js';
import { overlap, type WriteSet } from '../scheduling/writers.js';
import { lastEventOf, receiptOf } from '../scoring/receipt.js';
import { endingOf } from '../states/run-state.js';
import type { Actor } from '../states/task-state.js';
import {
  signalWorker,
  UNKNOWN_WORKER,
  workerStatus,
  type WorkerCondition,
  type WorkerSignal,
} from '../states/worker-state.js';
import { effectiveTrust } from '../trust/effective-trust.js';
import { Attempt, cancelled, type Done } from './attempt.js';
import { Ledger, WORKER_EVENT, type TaskRecord } from './ledger.js';
import type { FleetPorts } from './ports.js';
import { hashed } from './hashing.js';
import type { RunPlan } from './run-arguments.js';
import { countsOf, summaryOf, type RunSummary } from './summary.js';
import { authorityOn, taskTerms, writeSet, Workspaces } from './task-terms.js';
import { join } from 'node:path';

interface Running {
  readonly worker: Candidate;
  readonly writes: WriteSet;
}

export class FleetRun {
  readonly #ctx: JobContext;
  readonly #plan: RunPlan;
  readonly #ports: FleetPorts;
  readonly #ledger: Ledger;
  readonly #workers: ReadonlyMap<string, Candidate>;
  readonly #conditions = new Map<string, WorkerCondition>();
  /** By priority and age; of those that wait for their backoff too. */
  readonly #inbox: TaskRecord[] = [];
  /** Attempts that hold a worker. */
  readonly #running = new Map<TaskRecord, Running>();
  /** Attempts that are not over: those, and work that waits for its verdict. */
  readonly #open = new Set<TaskRecord>();
  #workspaces = new Workspaces('/');
  #wake: (() => void) | undefined;
  #woken = false;
  #fault: unknown;

  constructor(ctx: JobContext, plan: RunPlan, ports: FleetPorts) {
    this.#ctx = ctx;
    this.#plan = plan;
    this.#ports = ports;
    this.#ledger = new Ledger(ctx, plan.spec.tasks, () => ports.clock.now());
    const policy = plan.spec.security_policy ?? DEFAULT_SECURITY_POLICY;
    this.#workers = new Map(
      plan.workers.map((spec) => [spec.id, { spec, trust: effectiveTrust(spec, policy, true).level }]),
    );
  }

  /** Resolves with the run's summary; rejects with the reason where the run is stopped. */
  async run(): Promise<RunSummary> {
    const { signal } = this.#ctx;
    const wake = (): void => {
      this.#changed();
    };
    signal.addEventListener('abort', wake);
    await this.#begin();
    for (;;) {
      if (this.#fault !== undefined) throw ArcpError.from(this.#fault);
      if (signal.aborted && !isStop(signal.reason)) throw signal.reason;
      if (signal.aborted) await this.#cancelWaiting();
      else this.#fill();
      if (this.#inbox.length === 0 && this.#open.size === 0) break;
      await this.#change();
    }
    signal.removeEventListener('abort', wake);
    return await this.#end();
  }

  async #begin(): Promise<void> {
    const { spec } = this.#plan;
    if (this.#ctx.attempt > 1) await this.#ledger.restore(this.#ports.store);
    if (this.#ledger.status === 'pending') {
      this.#ledger.run('enqueue', this.#ports.base);
      await this.#ledger.committed();
    }
    this.#workspaces = new Workspaces(this.#ledger.base ?? this.#ports.base);
    await this.#workspaces.find(spec.tasks);
    for (const id of this.#workers.keys()) this.#signal(id, 'connected');
    const channels = [spec.alert_policy, ...spec.tasks.map((task) => task.alert_policy)].flatMap(
      (policy) => policy?.channels ?? [],
    );
    if (channels.length > 0) await this.#ports.alerts.recover(this.#ledger.runId, channels);
    for (const record of this.#ledger.tasks.values()) this.#takeUp(record);
  }

  /** (M1) */
  #takeUp(record: TaskRecord): void {
    const { status, settled, worker: workerId } = record.state;
    if (settled) return;
    if (status === 'queued' || status === 'restarted') {
      this.#enqueue(record);
      return;
    }
    const worker = this.#workers.get(workerId ?? '');
    if (worker === undefined) throw new ArcpError('DATA_LOSS', 'the run has a worker that its spec has not');
    const writes = this.#writes(record, worker);
    this.#hold(record, { worker, writes });
    if (status === 'stale' || status === 'interrupted' || status === 'failed') {
      // The attempt is over; what follows from that was not told any more.
      const outcome = { kind: 'failed', reason: 'the attempt was lost', transport: true } as const;
      this.#free(record);
      this.#follow(record, this.#conclude(record, { outcome, verdict: undefined, recoverable: true }));
      return;
    }
    this.#follow(record, this.#attempt(record));
  }

  #enqueue(record: TaskRecord): void {
    const entry = this.#entryOf(record);
    const at = this.#inbox.findIndex((other) => compareInbox(entry, this.#entryOf(other)) < 0);
    this.#inbox.splice(at === -1 ? this.#inbox.length : at, 0, record);
  }

  #entryOf({ spec, priority, state }: TaskRecord) {
    return {
      run_id: this.#ledger.runId,
      task_id: spec.id,
      priority,
      enqueued_at: new Date(this.#ledger.enqueuedAt).toISOString(),
      lease_deadline: null,
      attempts: state.attempt,
    };
  }

  /** Leases whatever can be leased now. */
  #fill(): void {
    const now = this.#ports.clock.now();
    const { caps } = this.#plan;
    for (let at = 0; at < this.#inbox.length && this.#running.size < caps.perRun;) {
      const record = this.#inbox[at];
      if (record === undefined) break;
      const taken = record.notBefore <= now && this.#place(record);
      if (taken) this.#inbox.splice(at, 1);
      else at += 1;
    }
  }

  /** Whether the task is not to wait any longer. */
  #place(record: TaskRecord): boolean {
    const load = this.#load();
    const { caps } = this.#plan;
    const candidates = [...this.#workers.values()];
    const worker = choose(record.spec, candidates, load, caps);
    if (worker !== undefined) {
      const writes = this.#writes(record, worker);
      for (const other of this.#running.values()) if (overlap(writes, other.writes)) return false;
      this.#hold(record, { worker, writes });
      this.#follow(record, this.#lease(record, worker));
      return true;
    }
    const reasons = candidates.map((candidate) => misfit(record.spec, candidate, load, caps));
    if (!reasons.every((reason) => reason !== undefined && isLasting(reason))) return false;
    const outcome = {
      kind: 'failed',
      reason: `no worker fits: ${[...new Set(reasons)].join(', ')}`,
      transport: true,
    } as const;
    this.#open.add(record);
    this.#follow(record, this.#conclude(record, { outcome, verdict: undefined, recoverable: false }));
    return true;
  }

  #load() {
    const byWorker = new Map<string, number>();
    const byHost = new Map<string, number>();
    const byClass = new Map<string, number>();
    const add = (counts: Map<string, number>, key: string): void => {
      counts.set(key, (counts.get(key) ?? 0) + 1);
    };
    for (const [{ spec }, { worker }] of this.#running) {
      add(byWorker, worker.spec.id);
      add(byHost, hostKey(worker.spec.host));
      add(byClass, classOf(spec));
    }
    return { run: this.#running.size, byWorker, byHost, byClass };
  }

  #writes({ spec }: TaskRecord, { spec: worker }: Candidate): WriteSet {
    const workspace = this.#workspaces.of(spec);
    if (workspace === undefined) return [];
    return writeSet(spec, authorityOn(this.#plan, spec, worker), workspace);
  }

  /** Attempts are followed to their ends, and none of them is nobody's. */
  #follow(record: TaskRecord, attempt: Promise<void>): void {
    attempt
      .catch((error: unknown) => {
        // What the store or the ledger refuses is the end of the run.
        this.#fault ??= error;
      })
      .finally(() => {
        this.#free(record);
        this.#open.delete(record);
        this.#changed();
      });
  }

  async #lease(record: TaskRecord, worker: Candidate): Promise<void> {
    const { clock } = this.#ports;
    if (this.#ledger.status === 'queued') this.#ledger.run('start');
    const { timeout_seconds: timeout, budget } = record.spec;
    const limits = [timeout, budget?.max_seconds].filter((one) => typeof one === 'number');
    const expires =
      limits.length === 0
        ? {}
        : { lease_expires_at: new Date(clock.now() + Math.min(...limits) * 1_000).toISOString() };
    this.#step(record, { state: 'leased', ...expires }, { worker: worker.spec.id });
    await this.#ledger.committed();
    await this.#attempt(record);
  }

  async #attempt(record: TaskRecord): Promise<void> {
    const worker = this.#running.get(record)?.worker;
    if (worker === undefined) throw new Error('an attempt without a worker');
    const authority = authorityOn(this.#plan, record.spec, worker.spec);
    const folder = join(this.#ports.folder, 'runs', this.#ledger.runId);
    const context = { ctx: this.#ctx, ledger: this.#ledger, plan: this.#plan, ports: this.#ports };
    let done: Done;
    try {
      const terms = await taskTerms(record.spec, authority, this.#workspaces.of(record.spec), folder);
      done = await new Attempt(context, record, terms).run(() => {
        this.#free(record);
        this.#changed();
      });
    } catch (error) {
      if (this.#ctx.signal.aborted && isStop(this.#ctx.signal.reason)) done = cancelled();
      else if (this.#ctx.signal.aborted) throw error;
      else {
        const outcome = { kind: 'failed', reason: ArcpError.from(error).message, transport: true } as const;
        done = { outcome, verdict: undefined, recoverable: false };
      }
    }
    // What a runtime that is closing did to the attempt is for its next life to find out (M1).
    const { signal } = this.#ctx;
    if (signal.aborted && !isStop(signal.reason)) throw signal.reason;
    await this.#conclude(record, done);
  }

  /** Another attempt, or the task's end (M2). */
  async #conclude(record: TaskRecord, done: Done): Promise<void> {
    const { spec, state } = record;
    const { outcome, verdict, recoverable, cause } = done;
    const workerId = state.worker;
    if (cause === 'stale') {
      const at =
        done.lastSign === undefined ? {} : { last_heartbeat_at: new Date(done.lastSign).toISOString() };
      if (workerId !== undefined) this.#signal(workerId, 'stale');
      this.#step(record, { state: 'stale', ...at });
      await this.#ledger.committed();
      await this.#alert('stale', record, reasonOf(done), done.lastSign);
    }
    const policy = spec.retry_policy ?? DEFAULT_RETRY_POLICY;
    const attempts = state.attempt - state.forgiven;
    if (recoverable && mayRetry(policy, attempts) && !this.#ctx.signal.aborted) {
      if (cause !== 'stale') {
        this.#step(record, { state: 'failed', reason: reasonOf(done), recoverable: true });
      }
      const notBefore = this.#ports.clock.now() + retryDelay(policy, attempts, this.#ports.random);
      this.#step(record, { state: 'restarted', restart_count: attempts }, { not_before: notBefore });
      await this.#ledger.committed();
      this.#enqueue(record);
      return;
    }
    const whose = {
      runId: this.#ledger.runId,
      taskId: spec.id,
      workerId: workerId ?? '',
      completedAt: new Date(this.#ports.clock.now()).toISOString(),
    };
    const artifacts = await hashed(this.#workspaces.of(spec), record.artifacts);
    const receipt = receiptOf(whose, outcome, verdict, artifacts);
    this.#step(record, lastEventOf(outcome, verdict), { receipt });
    await this.#ledger.committed();
    this.#tellProgress();
    await this.#alertOfEnd(record, done, receipt, recoverable && !mayRetry(policy, attempts));
  }

  #step(
    record: TaskRecord,
    event: FleetWorkerEventPayload,
    details: Parameters<Ledger['task']>[3] = {},
  ): void {
    const { status, worker, attempt } = record.state;
    const actor: Actor = { kind: 'manager', expected: { status, worker, attempt } };
    if (this.#ledger.task(record, event, actor, details)) return;
    throw new ArcpError(
      'INTERNAL',
      `the task ${record.spec.id} is ${status} and cannot become ${event.state}`,
    );
  }

  async #alertOfEnd(
    record: TaskRecord,
    { outcome, verdict, cause }: Done,
    receipt: FleetReceipt,
    isExhausted: boolean,
  ): Promise<void> {
    const reason = receipt.score?.notes ?? ('reason' in outcome ? outcome.reason : undefined);
    if (cause === 'budget') await this.#alert('budget_exceeded', record, reason);
    if (verdict?.failureKind === 'verifier' && verdict.result === 'fail') {
      await this.#alert('verifier_failed', record, reason);
    }
    if (isExhausted) await this.#alert('restart_exhausted', record, reason);
  }

  /** An alert that cannot be told stops no run. */
  async #alert(
    kind: FleetAlertEventClass,
    record: TaskRecord | undefined,
    detail?: string,
    staleSince?: number,
  ): Promise<void> {
    const { spec } = this.#plan;
    const policy = record?.spec.alert_policy ?? spec.alert_policy;
    if (policy === undefined || policy.channels.length === 0) return;
    const what = {
      class: kind,
      runId: this.#ledger.runId,
      runName: spec.name,
      taskId: record?.spec.id,
      workerId: record?.state.worker,
      attempt: record?.state.attempt ?? 0,
      at: this.#ports.clock.now(),
      staleSince,
      detail,
    };
    try {
      const raised = await this.#ports.alerts.raise(what, policy);
      for (const { channel, outcome } of raised) {
        if (record !== undefined && outcome === 'now') this.#step(record, { state: 'escalated', channel });
      }
    } catch (error) {
      this.#ctx.log('error', `an alert of ${kind} could not be kept: ${ArcpError.from(error).message}`);
    }
  }

  /** The run is stopped: what runs is stopped by its attempt, what waits ends here. */
  async #cancelWaiting(): Promise<void> {
    for (const record of this.#inbox.splice(0)) {
      this.#open.add(record);
      this.#follow(record, this.#conclude(record, cancelled()));
    }
    await this.#ledger.committed();
  }

  async #end(): Promise<RunSummary> {
    const counts = countsOf(this.#ledger);
    const step = endingOf(counts);
    // In an earlier life it may have ended already.
    if (step !== undefined && !['completed', 'failed', 'cancelled'].includes(this.#ledger.status)) {
      this.#ledger.run(step);
    }
    await this.#ledger.committed();
    await this.#alert('run_completed', undefined, this.#ledger.status);
    if (this.#ctx.signal.aborted) throw this.#ctx.signal.reason;
    return await summaryOf(this.#ctx, this.#ledger, this.#plan.spec.name, this.#ports.clock.now());
  }

  #tellProgress(): void {
    const { open, failed } = countsOf(this.#ledger);
    const total = this.#ledger.tasks.size;
    const message = `${this.#running.size} running${failed === 0 ? '' : `, ${failed} failed`}`;
    this.#ctx.progress({ current: total - open, total, units: 'tasks', message });
  }

  #hold(record: TaskRecord, running: Running): void {
    this.#running.set(record, running);
    this.#open.add(record);
    this.#signal(running.worker.spec.id, 'leased');
  }

  #free(record: TaskRecord): void {
    const running = this.#running.get(record);
    if (running === undefined) return;
    this.#running.delete(record);
    this.#signal(running.worker.spec.id, 'released');
  }

  #signal(id: string, signal: WorkerSignal): void {
    const before = this.#conditions.get(id) ?? UNKNOWN_WORKER;
    const after = signalWorker(signal === 'leased' ? signalWorker(before, 'sign') : before, signal);
    this.#conditions.set(id, after);
    const status: FleetWorkerStatus = workerStatus(after);
    if (status === workerStatus(before)) return;
    this.#ctx.emit(WORKER_EVENT, { worker_id: id, status } satisfies Json);
  }

  #changed(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Waits until something has changed, or a task's backoff is over. */
  async #change(): Promise<void> {
    let timer: Timer | undefined;
    if (!this.#woken) {
      const now = this.#ports.clock.now();
      const due = Math.min(...this.#inbox.map(({ notBefore }) => notBefore).filter((at) => at > now));
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (Number.isFinite(due)) timer = this.#ports.clock.timer(due - now, resolve);
      });
      timer?.cancel();
      this.#wake = undefined;
    }
    this.#woken = false;
  }
}

/** Whether the run is told to stop, and not its runtime. */
function isStop(reason: unknown): boolean {
  return reason instanceof ArcpError && reason.code !== 'ABORTED';
}

function reasonOf({ outcome, verdict }: Done): string {
  if (outcome.kind === 'failed' || outcome.kind === 'timed_out') return outcome.reason;
  return verdict?.score.notes ?? 'its scorer fails';
}
