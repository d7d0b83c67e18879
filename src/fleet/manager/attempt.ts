/**
 * One attempt at a task: a job of the task's agent below that of the run, and the verdict on what it did.
 *
 * (N1) The job is begun under the key `task/attempt`: a manager that is started again finds it, however it ended, and what
 *      it did is not done twice. So are the jobs that judge the work.
 * (N2) Signs of life are the job's own events. A worker that gives none for `leaseMs` has lost the task: its job is
 *      stopped, and the attempt is stale. A job that waits for a person is not silent.
 *      A manager that is started again hears the job from its beginning, and tells what it had not told yet.
 * (N3) Work that has ended is judged before anything is said of it: completed is what its scorer does not fail.
 */
import type { ChildJob, ChildOutcome, JobContext } from '../../agents/agent.js';
import type { Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import type { FleetWorkerSpec } from '../../protocol/fleet/index.js';
import type { MessageType, Payload } from '../../protocol/messages.js';
import { isJsonObject } from '../../protocol/scalars.js';
import type { ObservedEvent } from '../../runtime/observe-job.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import type { WorkOutcome } from '../scoring/receipt.js';
import { fail, type Verdict } from '../scoring/verdict.js';
import { COMMAND_AGENT } from '../spec/task-rules.js';
import { unmetRequirement } from '../workspace/requirements.js';
import { AttemptTeller } from './attempt-teller.js';
import { judge } from './judging.js';
import type { Ledger, TaskRecord } from './ledger.js';
import type { FleetPorts } from './ports.js';
import type { RunPlan } from './run-arguments.js';
import { costOf, spendMetric, type Spending } from './spending.js';
import { orderOf } from './task-order.js';
import type { TaskTerms } from './task-terms.js';
import type { RunPool } from './worker-pool.js';

export interface RunContext {
  readonly ctx: JobContext;
  readonly ledger: Ledger;
  readonly plan: RunPlan;
  readonly ports: FleetPorts;
}

/** What an attempt has of its worker. */
export interface WorkerContext extends RunContext {
  readonly pool: Pick<RunPool, 'agentOn'>;
  /** Is told that the worker has given no sign of life. */
  readonly stale: () => void;
}

export interface AttemptContext extends WorkerContext {
  /** Aborted when the attempt, or all of the run, is to stop. */
  readonly signal: AbortSignal;
}

export interface Done {
  readonly outcome: WorkOutcome;
  readonly verdict: Verdict | undefined;
  /** Whether another attempt may go better. */
  readonly recoverable: boolean;
  readonly cause?: 'stale' | 'budget' | undefined;
  /** Of what is stale: when it last gave a sign, in milliseconds since 1970. */
  readonly lastSign?: number;
  /** What its job spent, by currency. */
  readonly cost?: Readonly<Record<string, string>> | undefined;
}

/** Events by which a job says that it waits for a person. */
const ASKS: ReadonlySet<string> = new Set([
  'permission.request',
  'human.input.request',
  'human.choice.request',
]);

/** Who does the work may be back, or there for the first time, at another attempt: after a crash its worker comes later. */
const ABSENT: ReadonlySet<string> = new Set(['AGENT_NOT_AVAILABLE', 'AGENT_VERSION_NOT_AVAILABLE']);

/** Failures by which the worker was lost, and not the work wrong. */
const TRANSPORT: ReadonlySet<string> = new Set([
  ...ABSENT,
  'ABORTED',
  'UNAVAILABLE',
  'HEARTBEAT_LOST',
  'DATA_LOSS',
]);

export class Attempt {
  readonly #context: AttemptContext;
  readonly #record: TaskRecord;
  readonly #worker: FleetWorkerSpec;
  readonly #terms: TaskTerms;
  readonly #number: number;
  readonly #stop = new AbortController();
  readonly #cost: Spending = new Map();
  readonly #teller: AttemptTeller;
  /** When the job last gave a sign of life. */
  #lastSign: number;
  #waitsForPerson = false;
  #lease: Timer | undefined;
  #isStale = false;

  constructor(context: WorkerContext, record: TaskRecord, worker: FleetWorkerSpec, terms: TaskTerms) {
    this.#context = { ...context, signal: this.#stop.signal };
    this.#record = record;
    this.#worker = worker;
    this.#terms = terms;
    this.#number = record.state.attempt;
    this.#lastSign = context.ports.clock.now();
    this.#teller = new AttemptTeller(context, record);
  }

  /** An operator wants it to stop. */
  interrupt(): void {
    this.#stop.abort(new ArcpError('CANCELLED', 'an operator has interrupted it'));
  }

  /** @param worked is told when the worker is free again: a verdict may take longer. Never rejects for the work's sake. */
  async run(worked: () => void): Promise<Done> {
    const { ctx } = this.#context;
    const stop = (): void => {
      this.#stop.abort(ctx.signal.reason);
    };
    ctx.signal.addEventListener('abort', stop);
    if (ctx.signal.aborted) stop();
    try {
      return { ...(await this.#run(worked)), cost: costOf(this.#cost) };
    } finally {
      ctx.signal.removeEventListener('abort', stop);
    }
  }

  async #run(worked: () => void): Promise<Done> {
    const { signal } = this.#context;
    const fault = await this.#unmet();
    if (fault !== undefined) return failed(fault);
    let child: ChildJob;
    try {
      child = await this.#begin();
    } catch (error) {
      if (signal.aborted) return cancelled();
      const { code, message, retryable } = ArcpError.from(error);
      return failed(`${code}: ${message}`, { transport: true, recoverable: retryable || ABSENT.has(code) });
    }
    const watch = this.#watch(child);
    const ended = await child.outcome;
    await watch.end();
    worked();
    return await this.#judged(this.#outcomeOf(ended));
  }

  /** What the workspace lacks; on another machine its worker looks. */
  async #unmet(): Promise<string | undefined> {
    const { spec } = this.#record;
    const { workspace } = this.#terms;
    if (workspace === undefined) return 'its workspace is no folder';
    if (this.#worker.host.kind !== 'local') return undefined;
    return await unmetRequirement(spec, workspace, this.#context.ports.env);
  }

  /** (N1) */
  async #begin(): Promise<ChildJob> {
    const { ctx, ledger, plan, pool, signal } = this.#context;
    const { spec, state } = this.#record;
    const { lease, profile, workspace = '', folder, limitMs } = this.#terms;
    const named = spec.metadata['agent'];
    const wanted = typeof named === 'string' ? named : (plan.options.agent ?? COMMAND_AGENT);
    const agent = await orAborted(pool.agentOn(this.#worker, wanted), signal);
    const place = {
      run_id: ledger.runId,
      worker_id: state.worker ?? '',
      attempt: this.#number,
      workspace,
      folder,
    };
    const child = await ctx.delegate(agent, {
      key: `${spec.id}/${this.#number}`,
      again: false,
      signal,
      task: spec.name,
      arguments: orderOf(spec, place),
      leaseRequest: lease,
      profile,
      ...(limitMs === undefined ? {} : { maxRuntimeMs: limitMs }),
    });
    this.#teller.starting(child.jobId);
    return child;
  }

  /** Tells of the task what its job tells, from the job's first event on. */
  #watch(child: ChildJob): { readonly end: () => Promise<void> } {
    const { observe, store } = this.#context.ports;
    let waiting: ObservedEvent[] | undefined = [];
    let stop = (): void => undefined;
    try {
      stop = observe(child.jobId, (event) => {
        if (waiting === undefined) this.#heard(event);
        else waiting.push(event);
      });
    } catch {
      // It ended long ago: what it told is in its log, as far as that is kept.
    }
    this.#armLease(child);
    const past = async (): Promise<void> => {
      let seen = 0;
      for (;;) {
        const page = await store.read(child.jobId, seen, 500);
        for (const { seq, type, body } of page) {
          const { payload } = JSON.parse(`{${body}`) as { readonly payload: unknown };
          this.#heard({ seq, type: type as MessageType, payload });
        }
        seen += page.length;
        if (page.length < 500) break;
      }
      for (const event of waiting ?? []) if (event.seq > seen) this.#heard(event);
      waiting = undefined;
    };
    const told = past();
    told.catch(() => undefined);
    return {
      end: async () => {
        stop();
        this.#lease?.cancel();
        await told;
      },
    };
  }

  #heard(event: ObservedEvent): void {
    const { type, payload } = event;
    this.#lastSign = this.#context.ports.clock.now();
    const isBlocked = type === 'job.heartbeat' && (payload as Payload<'job.heartbeat'>).state === 'blocked';
    this.#waitsForPerson = isBlocked || ASKS.has(type);
    if (type === 'metric') spendMetric(this.#cost, payload as Payload<'metric'>);
    this.#teller.heard(event);
  }

  /** (N2) */
  #armLease(child: ChildJob): void {
    const { clock } = this.#context.ports;
    const due = this.#lastSign + DEFAULT_FLEET_LIMITS.leaseMs;
    this.#lease = clock.timer(due - clock.now(), () => {
      if (this.#waitsForPerson) this.#lastSign = clock.now();
      if (this.#lastSign + DEFAULT_FLEET_LIMITS.leaseMs > clock.now()) {
        this.#armLease(child);
        return;
      }
      this.#isStale = true;
      child.cancel('it gave no sign of life');
    });
  }

  #outcomeOf(ended: ChildOutcome): Done {
    if (this.#isStale) return this.#stale('it gave no sign of life');
    switch (ended.status) {
      case 'completed':
        return {
          outcome: { kind: 'completed', exitCode: exitCodeOf(ended.value), summary: ended.summary },
          verdict: undefined,
          recoverable: false,
        };
      case 'cancelled':
        return cancelled(this.#context.signal.aborted ? 'operator' : 'client');
      case 'failed': {
        const { code, message, retryable } = ended;
        const reason = `${code}: ${message}`;
        if (this.#context.signal.aborted) return cancelled();
        if (code === 'HEARTBEAT_LOST') return this.#stale(reason);
        if (code === 'TIMEOUT') {
          const cause = this.#terms.isBudgetLimit ? 'budget' : undefined;
          return { outcome: { kind: 'timed_out', reason }, verdict: undefined, recoverable: false, cause };
        }
        const cause = code === 'BUDGET_EXHAUSTED' ? 'budget' : undefined;
        const recoverable = retryable || ABSENT.has(code);
        return failed(reason, { transport: TRANSPORT.has(code), recoverable, cause });
      }
    }
  }

  #stale(reason: string): Done {
    this.#context.stale();
    const done = failed(reason, { transport: true, recoverable: true, cause: 'stale' });
    return { ...done, lastSign: this.#lastSign };
  }

  /** (N3) */
  async #judged(done: Done): Promise<Done> {
    const { outcome } = done;
    if (outcome.kind === 'cancelled' || outcome.kind === 'timed_out') return done;
    const { workspace } = this.#terms;
    if (workspace === undefined) return done;
    const key = `${this.#record.spec.id}/${this.#number}`;
    const verdict = await judge(this.#context, this.#record.spec, this.#terms, key, outcome);
    if (this.#context.signal.aborted) return cancelled();
    if (verdict === undefined || outcome.kind === 'failed') return { ...done, verdict };
    const whole = verdict.result === 'fail' ? verdict : this.#withArtifacts(verdict);
    const { result, failureKind } = whole;
    return { ...done, verdict: whole, recoverable: result === 'fail' && failureKind !== 'verifier' };
  }

  /** Work that lacks what it was to produce has failed. */
  #withArtifacts(verdict: Verdict): Verdict {
    const made = new Set([...this.#record.artifacts, ...verdict.evidence].map(({ kind }) => kind));
    const missing = this.#record.spec.expected_artifacts.filter((kind) => !made.has(kind));
    if (missing.length === 0) return verdict;
    return fail('task', `there is no ${missing.join(', ')} among its artifacts`, verdict.evidence);
  }
}

/** Whoever waits is let go when it is aborted; what was waited for goes on. */
async function orAborted<T>(waited: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(ArcpError.from(signal.reason));
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([waited, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function failed(
  reason: string,
  { transport = false, recoverable = false, cause }: FailureDetails = {},
): Done {
  return { outcome: { kind: 'failed', reason, transport }, verdict: undefined, recoverable, cause };
}

interface FailureDetails {
  readonly transport?: boolean;
  readonly recoverable?: boolean;
  readonly cause?: Done['cause'];
}

export function cancelled(by = 'operator'): Done {
  return { outcome: { kind: 'cancelled', by }, verdict: undefined, recoverable: false };
}

function exitCodeOf(value: unknown): number | undefined {
  const code = isJsonObject(value) ? value['exit_code'] : undefined;
  return Number.isInteger(code) ? (code as number) : undefined;
}
