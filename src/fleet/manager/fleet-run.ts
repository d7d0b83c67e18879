/**
 * Runs a fleet: leases tasks to workers that fit, by priority and age, has each attempt judged, and tries again what may go
 * better. It is the body of a job, `fleet.run`; tasks are jobs below it, and there is no other engine.
 *
 * (M1) What happens is in the ledger before it is acted upon; what the ledger has, a later life goes on with. An attempt
 *      that had been leased goes on as that attempt.
 * (M2) Each task ends once, with one receipt, whatever ends it: its work, its time, its operator, or that no worker fits.
 * (M3) Tasks that write the same places never run together; nothing beyond the caps runs at all (L7).
 * (M4) What an operator tells the run is a step by the same tables, told like any other before it is answered.
 */
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import type { JobContext } from '../../agents/agent.js';
import type { Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import {
  DEFAULT_RETRY_POLICY,
  DEFAULT_SECURITY_POLICY,
  type FleetInboxEntry,
  type FleetWorkerEventPayload,
} from '../../protocol/fleet/index.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { trustOf } from '../hosts/identity.js';
import { Inbox } from '../scheduling/inbox.js';
import { compareInbox } from '../scheduling/inbox-order.js';
import { choose, isLasting, kindOf, misfit, type Candidate } from '../scheduling/placement.js';
import { mayRetry, retryDelay } from '../scheduling/retry.js';
import { overlap, type WriteSet } from '../scheduling/writers.js';
import { lastEventOf, receiptOf } from '../scoring/receipt.js';
import { endingOf, isEnded } from '../states/run-state.js';
import type { Actor } from '../states/task-state.js';
import { forgetViews } from '../views/view-reader.js';
import { ViewWriter } from '../views/view-writer.js';
import { Attempt, cancelled, type Done } from './attempt.js';
import { hashed } from './hashing.js';
import { Ledger, type TaskRecord } from './ledger.js';
import { viewedRun } from './ledger-views.js';
import type { LiveRun } from './live-runs.js';
import type { FleetPorts } from './ports.js';
import { Roster } from './roster.js';
import { RunAlerts } from './run-alerts.js';
import type { RunPlan } from './run-arguments.js';
import type { RunCommand } from './run-command.js';
import { summaryOf, type RunSummary } from './summary.js';
import type { RunPool } from './worker-pool.js';
import { authorityOn, taskTerms, writeSet, Workspaces } from './task-terms.js';

export class FleetRun implements LiveRun {
  readonly #ctx: JobContext;
  readonly #plan: RunPlan;
  readonly #ports: FleetPorts;
  readonly #ledger: Ledger;
  readonly #roster: Roster;
  readonly #pool: RunPool;
  readonly #alerts: RunAlerts;
  readonly #views: ViewWriter;
  readonly #inbox: Inbox<TaskRecord>;
  readonly #entries = new Map<TaskRecord, FleetInboxEntry>();
  readonly #kinds = new Map<TaskRecord, string>();
  /** Attempts that are not over: those that hold a worker, and work that waits for its verdict. */
  readonly #open = new Set<TaskRecord>();
  readonly #attempts = new Map<TaskRecord, Attempt>();
  readonly #failures: TaskRecord[] = [];
  #workspaces = new Workspaces('/');
  #phase: 'beginning' | 'going_on' | 'over' = 'beginning';
  #wake: (() => void) | undefined;
  #woken = false;
  #fault: unknown;

  constructor(ctx: JobContext, plan: RunPlan, ports: FleetPorts) {
    this.#ctx = ctx;
    this.#plan = plan;
    this.#ports = ports;
    const now = (): number => ports.clock.now();
    this.#ledger = new Ledger(ctx, plan.spec.tasks, now);
    const policy = plan.spec.security_policy ?? DEFAULT_SECURITY_POLICY;
    const workers = plan.workers.map((spec) => ({ spec, trust: trustOf(spec, policy).level }));
    this.#roster = new Roster(workers, this.#ledger);
    this.#pool = ports.pool.begin({
      id: ctx.jobId,
      workers: plan.isHosted ? plan.workers : [],
      tasks: plan.spec.tasks,
      policy: plan.spec.security_policy,
      changed: (id, { state }) => {
        this.#workerChanged(id, state);
      },
    });
    this.#inbox = new Inbox<TaskRecord>({
      kindOf: (record) => this.#kindOf(record),
      compare: (a, b) => compareInbox(this.#entryOf(a), this.#entryOf(b)),
    });
    this.#alerts = new RunAlerts({
      ctx,
      spec: plan.spec,
      alerts: ports.alerts,
      now,
      escalated: (record, channel) => {
        this.#step(record, { state: 'escalated', channel });
      },
    });
    const viewed = viewedRun({
      ledger: this.#ledger,
      roster: this.#roster,
      name: plan.spec.name,
      principal: ctx.principal,
      open: this.#open,
      failures: this.#failures,
      now,
    });
    this.#views = new ViewWriter(viewed, ports.store, ports.clock, (error) => {
      ctx.log('error', `how the run stands cannot be kept: ${ArcpError.from(error).message}`);
    });
  }

  get principal(): string {
    return this.#ctx.principal;
  }

  /** Resolves with the run's summary; rejects with the reason where the run is stopped. */
  async run(): Promise<RunSummary> {
    const { signal } = this.#ctx;
    const wake = (): void => {
      this.#changed();
    };
    const leave = this.#ports.live.add(this.#ledger.runId, this);
    // Every attempt listens: their number is bounded by the caps (L7).
    setMaxListeners(0, signal);
    signal.addEventListener('abort', wake);
    try {
      await this.#begin();
      for (;;) {
        if (this.#fault !== undefined) throw ArcpError.from(this.#fault);
        if (signal.aborted && !isStop(signal.reason)) throw signal.reason;
        if (signal.aborted) await this.#cancelWaiting();
        else this.#fill();
        if (this.#inbox.size === 0 && this.#open.size === 0) break;
        await this.#change();
      }
      return await this.#end();
    } finally {
      this.#phase = 'over';
      // Nothing of a run outlives it.
      await this.#pool.close();
      signal.removeEventListener('abort', wake);
      await this.#views.flush();
      leave();
    }
  }

  async #begin(): Promise<void> {
    const { spec } = this.#plan;
    const { store, base } = this.#ports;
    if (this.#ctx.attempt > 1) await this.#ledger.restore(store);
    if (this.#ledger.status === 'pending') {
      this.#ledger.run('enqueue', base);
      await this.#ledger.committed();
      await forgetViews(store, DEFAULT_FLEET_LIMITS.maxKeptRuns - 1);
    }
    this.#workspaces = new Workspaces(this.#ledger.base ?? base);
    await this.#workspaces.find(spec.tasks);
    this.#roster.open();
    await this.#alerts.recover();
    for (const record of this.#ledger.tasks.values()) this.#takeUp(record);
    await this.#views.open();
    this.#ledger.onChange = (record) => {
      this.#views.mark(record?.index);
    };
    this.#phase = 'going_on';
  }

  /** (M1) */
  #takeUp(record: TaskRecord): void {
    const { status, settled, worker: workerId } = record.state;
    if (settled && status === 'failed') this.#failed(record);
    if (settled) return;
    if (status === 'queued' || status === 'restarted') {
      this.#enqueue(record);
      return;
    }
    const worker = this.#roster.workers.get(workerId ?? '');
    if (worker === undefined) throw new ArcpError('DATA_LOSS', 'the run has a worker that its spec has not');
    const writes = this.#writes(record, worker);
    this.#hold(record, worker, writes);
    if (status === 'stale' || status === 'interrupted' || status === 'failed') {
      // The attempt is over; what follows from that was not told any more.
      const outcome = { kind: 'failed', reason: 'the attempt was lost', transport: true } as const;
      const lost = { outcome, verdict: undefined, recoverable: true };
      this.#roster.free(record);
      this.#follow(record, this.#conclude(record, status === 'interrupted' ? cancelled() : lost));
      return;
    }
    this.#follow(record, this.#attempt(record));
  }

  #enqueue(record: TaskRecord): void {
    this.#inbox.add(record, record.notBefore, this.#ports.clock.now());
  }

  #entryOf(record: TaskRecord): FleetInboxEntry {
    const known = this.#entries.get(record);
    if (known !== undefined) return known;
    const { spec, priority, state } = record;
    const entry = {
      run_id: this.#ledger.runId,
      task_id: spec.id,
      priority,
      enqueued_at: new Date(this.#ledger.enqueuedAt).toISOString(),
      lease_deadline: null,
      attempts: state.attempt,
    };
    this.#entries.set(record, entry);
    return entry;
  }

  #kindOf(record: TaskRecord): string {
    const known = this.#kinds.get(record);
    if (known !== undefined) return known;
    const kind = kindOf(record.spec);
    this.#kinds.set(record, kind);
    return kind;
  }

  /** Leases whatever can be leased now (M3). */
  #fill(): void {
    if (this.#ledger.status === 'paused') return;
    const { caps } = this.#plan;
    const { load, lasting } = this.#roster;
    const more = (): boolean =>
      load.run < caps.perRun && (this.#roster.hasRoom || lasting.length === 0 || this.#hasMisfits);
    this.#inbox.offer(this.#ports.clock.now(), more, (record) => this.#place(record));
    this.#hasMisfits = false;
  }

  /** Whether there may be tasks that no worker will ever fit: those are looked for once, and when workers leave. */
  #hasMisfits = true;

  /** Whether the task is not to wait any longer. */
  #place(record: TaskRecord): boolean {
    const { caps } = this.#plan;
    const { load, takers, lasting, held } = this.#roster;
    const worker = choose(record.spec, takers, load, caps);
    if (worker !== undefined) {
      const writes = this.#writes(record, worker);
      for (const other of held.values()) if (overlap(writes, other.writes)) return false;
      this.#hold(record, worker, writes);
      this.#follow(record, this.#lease(record, worker));
      return true;
    }
    const reasons = lasting.map((candidate) => misfit(record.spec, candidate, load, caps));
    if (!reasons.every((reason) => reason !== undefined && isLasting(reason))) return false;
    const why = reasons.length === 0 ? 'all are retired' : [...new Set(reasons)].join(', ');
    const outcome = { kind: 'failed', reason: `no worker fits: ${why}`, transport: true } as const;
    this.#open.add(record);
    this.#follow(record, this.#conclude(record, { outcome, verdict: undefined, recoverable: false }));
    return true;
  }

  #writes({ spec }: TaskRecord, { spec: worker }: Candidate): WriteSet {
    const workspace = this.#workspaces.of(spec);
    if (workspace === undefined) return [];
    return writeSet(spec, authorityOn(this.#plan, spec, worker), workspace);
  }

  #hold(record: TaskRecord, worker: Candidate, writes: WriteSet): void {
    this.#roster.hold(record, { worker, writes });
    this.#open.add(record);
  }

  /** Attempts are followed to their ends, and none of them is nobody's. */
  #follow(record: TaskRecord, attempt: Promise<void>): void {
    attempt
      .catch((error: unknown) => {
        // What the store or the ledger refuses is the end of the run.
        this.#fault ??= error;
      })
      .finally(() => {
        this.#roster.free(record);
        this.#attempts.delete(record);
        this.#open.delete(record);
        if (record.state.status === 'restarted') this.#enqueue(record);
        this.#views.mark(undefined);
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
    const worker = this.#roster.held.get(record)?.worker;
    if (worker === undefined) throw new Error('an attempt without a worker');
    const { attempt: number } = record.state;
    const authority = authorityOn(this.#plan, record.spec, worker.spec);
    const folder = join(this.#ports.folder, 'runs', this.#ledger.runId);
    const context = {
      ctx: this.#ctx,
      ledger: this.#ledger,
      plan: this.#plan,
      ports: this.#ports,
      pool: this.#pool,
      stale: () => {
        this.#roster.signal(worker.spec.id, 'stale');
        this.#pool.stale(worker.spec.id);
      },
    };
    let done: Done;
    try {
      const terms = await taskTerms(record.spec, authority, this.#workspaces.of(record.spec), folder);
      const attempt = new Attempt(context, record, worker.spec, terms);
      this.#attempts.set(record, attempt);
      if (record.state.status === 'interrupted' || record.state.attempt !== number) attempt.interrupt();
      done = await attempt.run(() => {
        this.#roster.free(record);
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
    // Where an operator had it restarted meanwhile, nothing more is said of this attempt.
    if (record.state.status !== 'restarted') await this.#conclude(record, done);
  }

  /** Another attempt, or the task's end (M2). */
  async #conclude(record: TaskRecord, ended: Done): Promise<void> {
    const { spec } = record;
    const before = record.state.status;
    /** An operator may speak while this waits. */
    const isRestarted = (): boolean => before !== 'restarted' && record.state.status === 'restarted';
    const asItIs = (): Done => (record.state.status === 'interrupted' ? cancelled() : ended);
    const { recoverable, cause, cost, lastSign } = asItIs();
    const workerId = record.state.worker;
    if (cause === 'stale') {
      const at = lastSign === undefined ? {} : { last_heartbeat_at: new Date(lastSign).toISOString() };
      this.#step(record, { state: 'stale', ...at });
      await this.#ledger.committed();
      await this.#alerts.raise('stale', record, reasonOf(ended), lastSign);
      if (isRestarted()) return;
    }
    const policy = spec.retry_policy ?? DEFAULT_RETRY_POLICY;
    const attempts = record.state.attempt - record.state.forgiven;
    if (recoverable && mayRetry(policy, attempts) && !this.#ctx.signal.aborted) {
      if (cause !== 'stale' && record.state.status !== 'failed') {
        this.#step(record, { state: 'failed', reason: reasonOf(ended), recoverable: true });
      }
      const notBefore = this.#ports.clock.now() + retryDelay(policy, attempts, this.#ports.random);
      this.#step(record, { state: 'restarted', restart_count: attempts }, { not_before: notBefore, cost });
      await this.#ledger.committed();
      return;
    }
    const whose = {
      runId: this.#ledger.runId,
      taskId: spec.id,
      workerId: workerId ?? '',
      completedAt: new Date(this.#ports.clock.now()).toISOString(),
    };
    const artifacts = await hashed(this.#workspaces.of(spec), record.artifacts);
    if (isRestarted()) return;
    const done = asItIs();
    const { outcome, verdict } = done;
    const receipt = receiptOf(whose, outcome, verdict, artifacts);
    const last = lastEventOf(outcome, verdict);
    this.#step(record, last, { receipt, cost });
    if (last.state === 'failed') this.#failed(record);
    await this.#ledger.committed();
    this.#tellProgress();
    await this.#alerts.ended(record, done, receipt, recoverable && !mayRetry(policy, attempts));
  }

  /** A worker that is lost is started again for the next task that it is given: it goes on being given tasks. */
  #workerChanged(id: string, state: 'connected' | 'lost'): void {
    if (this.#phase === 'going_on') this.#roster.signal(id, state === 'lost' ? 'disconnected' : 'connected');
  }

  #failed(record: TaskRecord): void {
    this.#failures.push(record);
    if (this.#failures.length > DEFAULT_FLEET_LIMITS.maxShownFailures) this.#failures.shift();
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

  /** (M4) */
  async control(command: RunCommand): Promise<void> {
    if (this.#phase !== 'going_on' || this.#ctx.signal.aborted) {
      const message = this.#phase === 'beginning' ? 'the run is being taken up' : 'the run is at its end';
      throw new ArcpError('FAILED_PRECONDITION', message, { retryable: this.#phase === 'beginning' });
    }
    switch (command.action) {
      case 'pause':
      case 'resume':
        this.#ledger.run(command.action);
        break;
      case 'drain':
      case 'undrain':
      case 'retire':
        if (!this.#roster.workers.has(command.worker)) {
          throw new ArcpError('NOT_FOUND', `the run has no worker ${command.worker}`);
        }
        this.#roster.order(command.worker, command.action);
        this.#hasMisfits = true;
        break;
      case 'interrupt':
        this.#interrupt(this.#recordOf(command));
        break;
      case 'restart':
        this.#restart(this.#recordOf(command));
        break;
    }
    this.#changed();
    await this.#ledger.committed();
  }

  async refresh(): Promise<void> {
    if (this.#phase === 'going_on') await this.#views.flush();
  }

  #recordOf({ task, attempt }: { readonly task: string; readonly attempt?: number | undefined }): TaskRecord {
    const record = this.#ledger.tasks.get(task);
    if (record === undefined) throw new ArcpError('NOT_FOUND', `the run has no task ${task}`);
    if (attempt === undefined || record.state.attempt === attempt) return record;
    const message = `the task ${task} is at attempt ${record.state.attempt}, not ${attempt}`;
    throw new ArcpError('FAILED_PRECONDITION', message);
  }

  #interrupt(record: TaskRecord): void {
    const { settled, status, worker } = record.state;
    if (settled || status === 'interrupted') {
      throw new ArcpError('FAILED_PRECONDITION', `the task ${record.spec.id} is ${status}`);
    }
    if (this.#inbox.remove(record)) {
      this.#open.add(record);
      this.#follow(record, this.#conclude(record, cancelled()));
      return;
    }
    const { attempt } = record.state;
    const actor: Actor = { kind: 'manager', expected: { status, worker, attempt } };
    if (!this.#ledger.task(record, { state: 'interrupted', signal: 'operator' }, actor)) {
      throw new ArcpError('FAILED_PRECONDITION', `the task ${record.spec.id} is ${status}: try again`);
    }
    if (worker !== undefined && this.#roster.held.has(record)) this.#roster.signal(worker, 'interrupted');
    this.#attempts.get(record)?.interrupt();
  }

  /** From any state; what waits already begins at once. */
  #restart(record: TaskRecord): void {
    const { attempt, forgiven, status, worker } = record.state;
    const isOpen = this.#open.has(record);
    if (status === 'queued') {
      throw new ArcpError('FAILED_PRECONDITION', `the task ${record.spec.id} waits for its first attempt`);
    }
    const known = this.#failures.indexOf(record);
    if (known >= 0) this.#failures.splice(known, 1);
    this.#inbox.remove(record);
    const restarted = { state: 'restarted', restart_count: attempt - forgiven } as const;
    this.#ledger.task(record, restarted, { kind: 'operator' }, { not_before: 0 });
    if (worker !== undefined && this.#roster.held.has(record)) this.#roster.signal(worker, 'interrupted');
    if (isOpen) this.#attempts.get(record)?.interrupt();
    else this.#enqueue(record);
  }

  /** The run is stopped: what runs is stopped by its attempt, what waits ends here. */
  async #cancelWaiting(): Promise<void> {
    for (const record of this.#inbox.drain()) {
      this.#open.add(record);
      this.#follow(record, this.#conclude(record, cancelled()));
    }
    await this.#ledger.committed();
  }

  async #end(): Promise<RunSummary> {
    this.#phase = 'over';
    const step = endingOf(this.#ledger.counts);
    // In an earlier life it may have ended already.
    if (step !== undefined && !isEnded(this.#ledger.status)) this.#ledger.run(step);
    for (const id of this.#roster.workers.keys()) this.#roster.signal(id, 'disconnected');
    await this.#ledger.committed();
    await this.#alerts.raise('run_completed', undefined, this.#ledger.status);
    if (this.#ctx.signal.aborted) throw this.#ctx.signal.reason;
    return await summaryOf(this.#ctx, this.#ledger, this.#plan.spec.name, this.#ports.clock.now());
  }

  #tellProgress(): void {
    const { open, failed } = this.#ledger.counts;
    const total = this.#ledger.tasks.size;
    const message = `${this.#roster.load.run} running${failed === 0 ? '' : `, ${failed} failed`}`;
    this.#ctx.progress({ current: total - open, total, units: 'tasks', message });
  }

  #changed(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Waits until something has changed, or a task's backoff is over. */
  async #change(): Promise<void> {
    let timer: Timer | undefined;
    if (!this.#woken) {
      const due = this.#inbox.nextDue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (due !== undefined) {
          timer = this.#ports.clock.timer(Math.max(0, due - this.#ports.clock.now()), resolve);
        }
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
