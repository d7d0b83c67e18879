/** The client: one session with a runtime, for as many jobs as you like. Made by `connect`. */
import {
  ArcpError,
  isId,
  type InventoryEntry,
  type JobId,
  type Payload,
  type TrustLevel,
  type WorkerProfile,
  type WorkerRole,
} from '../protocol/index.js';
import type { Clock } from '../clock.js';
import { ClientArtifacts } from './artifacts.js';
import { newMessageId } from './command.js';
import type { CancelOptions, Job } from './job.js';
import type { ClientEvents } from './listeners.js';
import type { Question, QuestionRequest } from './question.js';
import type { ClientSession, SessionInfo } from './session.js';
import type { WatchedJob } from './watched-job.js';

interface StartOptions {
  /** Limits on spending, as `CURRENCY:decimal`: `['USD:5.00']`. */
  readonly budget?: readonly string[];
  /** `lease_request` as it goes on the wire: `cost_budget`, `model_use`, `expires_at` and what else a runtime knows. */
  readonly leaseRequest?: Readonly<Record<string, unknown>>;
  /** The worker profile to run under, or a role: within what the agent declares. */
  readonly profile?: WorkerRole | Partial<WorkerProfile>;
  /**
   * What becomes of an act that the lease does not cover: it is refused, or this principal is asked for it
   * (`job.questions()`) and the job is blocked meanwhile. Default: as the agent and the runtime say.
   */
  readonly uncoveredActs?: 'refuse' | 'ask';
  /** How much of the budget is spent when the job is warned. Default: as the runtime says, 80. */
  readonly budgetWarningPercent?: number;
  /** How long it may run, in ms from when its agent first starts, all attempts together; then TIMEOUT. Default: as long as it takes. */
  readonly maxRuntimeMs?: number;
  /** A ceiling over this principal's own level: the job and those below it are trusted no further. */
  readonly trustLevel?: TrustLevel;
  /** A repeat with the same key gets the same job instead of a second one, for 24 hours (decision 11). */
  readonly idempotencyKey?: string;
  readonly priority?: 'low' | 'normal' | 'high' | 'critical';
  readonly traceId?: string;
  /** Aborting gives the command up, or cancels the job once it is accepted. */
  readonly signal?: AbortSignal;
}

export interface InvokeOptions extends StartOptions {
  /** How often the job was handed over from one runtime to another before. Only runtimes say it. */
  readonly handoffHops?: number;
}

export interface DelegateOptions extends StartOptions {
  /** One sentence on what is asked for. */
  readonly task?: string;
  readonly context?: Readonly<Record<string, unknown>>;
  /** The child's arguments. Without them it gets `{task, context}`. */
  readonly arguments?: unknown;
  /** The job on whose behalf this is; the new job becomes its child. */
  readonly parentJobId?: JobId;
}

/** A runtime, by what it has to prove. */
export interface RuntimeRef {
  readonly fingerprint: string;
  readonly kind?: string;
  readonly url?: string;
}

export interface HandoffOptions extends StartOptions {
  readonly arguments?: unknown;
  /** The id of an artifact of this principal: it is copied, and its id there is the argument `shared_memory_ref`. */
  readonly artifact?: string;
  readonly reason?: string;
}

/** Which jobs to list; what is left out does not matter. */
export interface JobFilter {
  readonly status?: readonly JobStatusWord[];
  /** `name` for every version, or `name@version`. */
  readonly agent?: string;
  /** Both exclusive. */
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
}

/** A state of a job, or a word of draft-1.1 for several. */
export type JobStatusWord = NonNullable<
  NonNullable<Payload<'session.list_jobs'>['filter']>['status']
>[number];

/** A job as it is listed. `last_event_seq` is its latest number in the session that asked for it. */
export type JobListing = Payload<'session.jobs'>['jobs'][number];

/** When a schedule fires: exactly one of these. */
export type ScheduleTime =
  /** An instant: a `Date`, or RFC 3339 text. */
  | { readonly at: Date | string; readonly after?: never; readonly every?: never }
  /** Seconds from now. */
  | { readonly at?: never; readonly after: number; readonly every?: never }
  /** A recurrence rule (RFC 5545), with a `DTSTART` line before it or not. */
  | { readonly at?: never; readonly after?: never; readonly every: string };

export interface ScheduleOptions extends Omit<StartOptions, 'signal'> {
  /** Whether `agent` is to be started as a workflow, see `startWorkflow`. */
  readonly asWorkflow?: boolean;
}

export type ScheduleListing = Payload<'session.schedules'>['schedules'][number];

export interface WatchOptions {
  readonly fromEventSeq?: number;
  /** Default true. */
  readonly history?: boolean;
}

export interface CloseOptions {
  readonly reason?: string;
  /** Also cancel the session's jobs. Otherwise they go on in the runtime (decision 21). */
  readonly cancelJobs?: boolean;
}

export class Client {
  /** What the principal keeps at the runtime: files, large results. */
  readonly artifacts: ClientArtifacts;
  readonly #session: ClientSession;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(session: ClientSession, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
    this.artifacts = new ClientArtifacts(session);
  }

  /** The session that is open, or that was last. Another one after a reconnect that could not resume. */
  get session(): SessionInfo {
    const { id, runtime, capabilities } = this.#session.current;
    return { id, runtime, capabilities };
  }

  /** Resolves, with the reason, once the client is closed for good: by `close`, or after too many failed attempts. */
  get closed(): Promise<ArcpError> {
    return this.#session.closing;
  }

  /** Calls and jobs that the client still follows. */
  get inFlight(): { readonly calls: number; readonly jobs: number } {
    return this.#session.inFlight;
  }

  /** The agents that the runtime has, as far as it has said; `on('agents', …)` is told when they change. */
  agents(): readonly InventoryEntry[] {
    return this.#session.current.agents;
  }

  /**
   * Starts a job of `agent` (`name` or `name@version`) and resolves when it is accepted. Rejects with the runtime's
   * error when it is refused, with DEADLINE_EXCEEDED when no answer comes, and with UNAVAILABLE or
   * RESUME_WINDOW_EXPIRED when the session is lost before it; the last two may have started the job all the same, so
   * that a retry wants an `idempotencyKey`. An unknown agent is accepted first, and its job then fails (decision 2).
   *
   * @example
   * const job = await client.invoke('echo@1.0.0', { hello: 'world' }, { budget: ['USD:1.00'] });
   * for await (const event of job) {
   *   if (event.type === 'job.progress') report(event.payload.percent, event.payload.message);
   * }
   * const { value } = await job.result();
   */
  invoke(agent: string, args: unknown = {}, options: InvokeOptions = {}): Promise<Job> {
    const hops = options.handoffHops;
    const payload = { tool: agent, arguments: args, ...authority(options), handoff_hops: hops };
    return this.#session.startJob({ type: 'tool.invoke', payload, ...fields(options) }, options.signal);
  }

  /**
   * Starts a workflow (`name` or `name@version`), an agent that composes others. Resolves and rejects like `invoke`; its
   * job says `workflow.complete` before it completes. What is no workflow is AGENT_NOT_AVAILABLE, after the accept.
   */
  startWorkflow(workflow: string, args: unknown = {}, options: StartOptions = {}): Promise<Job> {
    const payload = { workflow, arguments: args, ...authority(options) };
    return this.#session.startJob({ type: 'workflow.start', payload, ...fields(options) }, options.signal);
  }

  /** Starts a job by `agent.delegate`: as a child of `parentJobId` where given. Resolves and rejects like `invoke`. */
  delegate(target: string, options: DelegateOptions = {}): Promise<Job> {
    const { task = '', context, arguments: args, parentJobId } = options;
    const payload = {
      target,
      task,
      context: args === undefined ? context : { ...context, arguments: args },
      ...authority(options),
    };
    return this.#session.startJob(
      { type: 'agent.delegate', payload, job_id: parentJobId, ...fields(options) },
      options.signal,
    );
  }

  /**
   * Starts a job that goes on in another runtime, one that the operator of this one has named. Its events are told here,
   * under its id here. Resolves and rejects like `invoke`, and with FAILED_PRECONDITION where no such runtime is configured.
   */
  handoff(runtime: RuntimeRef, agent: string, options: HandoffOptions = {}): Promise<Job> {
    const { arguments: args, artifact, reason } = options;
    const named = { ...runtime };
    const payload = {
      ...authority(options),
      runtime: named,
      to_runtime: named,
      agent,
      arguments: args,
      shared_memory_ref: artifact,
      reason,
    };
    return this.#session.startJob({ type: 'agent.handoff', payload, ...fields(options) }, options.signal);
  }

  /** Asks the runtime to stop any job of this principal; see `Job.cancel`. */
  cancel(jobId: string, options: CancelOptions = {}): Promise<void> {
    return this.#session.cancel(jobId, options);
  }

  /**
   * Has a running job's state kept: the snapshot that is given, or what its agent says when it is asked. Resolves with
   * the checkpoint's id. Rejects with FAILED_PRECONDITION when the job does not run or its agent cannot be asked.
   */
  async checkpoint(jobId: string, snapshot?: unknown): Promise<string> {
    if (!isId('job', jobId)) throw noJobId();
    const { checkpoint_id, note } = await this.#session.acknowledged({
      type: 'checkpoint.create',
      payload: { snapshot },
      job_id: jobId,
    });
    const id = checkpoint_id ?? note;
    if (id === undefined) throw new ArcpError('INTERNAL', 'the runtime did not name the checkpoint');
    return id;
  }

  /**
   * Has a running job begin another attempt from a checkpoint, of whatever age. Rejects with FAILED_PRECONDITION when
   * the job has ended, or its agent cannot resume.
   */
  async restore(checkpointId: string): Promise<void> {
    await this.#session.acknowledged({
      type: 'checkpoint.restore',
      payload: { checkpoint_id: checkpointId },
    });
  }

  /**
   * The jobs of this principal, the oldest first, page by page as they are taken. What begins meanwhile may or may not
   * be among them; nothing comes twice.
   *
   * @example
   * for await (const { job_id, status } of client.jobs({ status: ['running'] })) console.log(job_id, status);
   */
  jobs({ status, agent, createdAfter, createdBefore }: JobFilter = {}): AsyncGenerator<
    JobListing,
    undefined
  > {
    return this.#jobs({
      status: status === undefined ? undefined : [...status],
      agent,
      created_after: createdAfter?.toISOString(),
      created_before: createdBefore?.toISOString(),
    });
  }

  async *#jobs(filter: Payload<'session.list_jobs'>['filter']): AsyncGenerator<JobListing, undefined> {
    for (let cursor: string | undefined; ;) {
      const page = await this.#session.listJobs({ filter, cursor });
      yield* page.jobs;
      if (page.next_cursor === null) return undefined;
      cursor = page.next_cursor;
    }
  }

  /**
   * Watches a job of this principal, whoever started it: from its beginning, or from what followed the event that the
   * owner's session numbers `fromEventSeq` (`last_event_seq` of a listing), or with `history: false` from now on.
   * Rejects with NOT_FOUND or PERMISSION_DENIED.
   *
   * @example
   * const job = await client.watch('job_123');
   * for await (const event of job) console.log(event.type);
   */
  watch(jobId: string, { fromEventSeq, history = true }: WatchOptions = {}): Promise<WatchedJob> {
    if (!isId('job', jobId)) return Promise.reject(noJobId());
    return this.#session.watchJob({ job_id: jobId, from_event_seq: fromEventSeq, history });
  }

  /**
   * What the jobs of this principal wait for people for, whoever started them.
   *
   * @example
   * for await (const question of client.questions()) console.log(question.jobId, question.prompt);
   */
  async *questions(): AsyncGenerator<Question, undefined> {
    for await (const { job_id: jobId, waiting_for = [] } of this.#jobs({ waiting: true })) {
      for (const { id, type, payload } of waiting_for) {
        yield this.#session.questions.listed(id, jobId, { type, payload } as QuestionRequest);
      }
    }
    return undefined;
  }

  /**
   * Makes a lease that a running job was granted hold longer, and resolves with its new end, RFC 3339. Rejects with
   * NOT_FOUND once the job has ended, PERMISSION_DENIED for who could not grant it, LEASE_REVOKED.
   */
  async extendLease(leaseId: string, seconds: number): Promise<string> {
    if (!isId('lease', leaseId)) throw noLeaseId();
    return this.#session.onLease(
      'lease.refresh',
      { lease_id: leaseId, additional_seconds: seconds, requested_seconds: seconds },
      (answer) => (answer.type === 'lease.extended' ? answer.payload.expires_at : undefined),
    );
  }

  /** Takes a lease back: acts under it are refused from now on, the job goes on. Rejects like `extendLease`. */
  async revokeLease(leaseId: string, reason = 'taken back'): Promise<void> {
    if (!isId('lease', leaseId)) throw noLeaseId();
    await this.#session.onLease('lease.revoked', { lease_id: leaseId, reason }, ({ type }) =>
      type === 'lease.revoked' ? true : undefined,
    );
  }

  /**
   * Pauses a job and asks `prompt` of whoever can answer, yourself included: the question comes like any other. The agent
   * stops at its next awaited act and goes on with the answer, or when the question is declined or expires. Rejects with
   * FAILED_PRECONDITION where the job is not running or is interrupted already, with NOT_FOUND or PERMISSION_DENIED.
   */
  interrupt(jobId: string, prompt: string): Promise<void> {
    return this.#session.interrupt(jobId, prompt);
  }

  /**
   * Has a job of `agent` started later, in the name of this principal, whether this client is still there or not.
   * Resolves with the schedule's id once it is kept; its jobs are listed and watched like others. Rejects with
   * INVALID_ARGUMENT for a time or a rule that makes no sense, RESOURCE_EXHAUSTED for one that fires too often.
   *
   * @example
   * const id = await client.schedule('report', { week: 'last' }, { every: 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=6' });
   */
  async schedule(
    agent: string,
    args: unknown,
    { at, after, every }: ScheduleTime,
    options: ScheduleOptions = {},
  ): Promise<string> {
    const asked = { arguments: args, ...authority(options) };
    const job =
      options.asWorkflow === true
        ? { type: 'workflow.start', payload: { workflow: agent, ...asked } }
        : { type: 'tool.invoke', payload: { tool: agent, ...asked } };
    const { schedule_id, note } = await this.#session.acknowledged({
      type: 'job.schedule',
      payload: { job, when: { at: at instanceof Date ? at.toISOString() : at, after, every } },
      ...fields(options),
      // It may have to be sent twice, but must not be done twice.
      idempotency_key: options.idempotencyKey ?? newMessageId(),
    });
    const id = schedule_id ?? note;
    if (id === undefined) throw new ArcpError('INTERNAL', 'the runtime did not name the schedule');
    return id;
  }

  /** The schedules of this principal, the oldest first; those that ended lately are among them. */
  async *schedules(): AsyncGenerator<ScheduleListing, undefined> {
    for (let cursor: string | undefined; ;) {
      const page = await this.#session.listSchedules({ cursor });
      yield* page.schedules;
      if (page.next_cursor === null) return undefined;
      cursor = page.next_cursor;
    }
  }

  /** No further occurrence of the schedule is started; what runs goes on. Rejects like `cancel`. */
  cancelSchedule(scheduleId: string): Promise<void> {
    return this.#session.cancel(scheduleId, {}, 'schedule');
  }

  /** Milliseconds to the runtime and back. */
  async ping(): Promise<number> {
    const start = this.#clock.now();
    await this.#session.issue({
      message: { type: 'ping', payload: {} },
      repeat: 'fresh-id',
      read: ({ type }) => (type === 'pong' ? { kind: 'resolved', value: undefined } : { kind: 'unrelated' }),
    });
    return this.#clock.now() - start;
  }

  /** Listens to what concerns no call and no job; see `Notice` and `ConnectionChange`. Returns what ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    return this.#session.listeners.add(name, listener);
  }

  /**
   * Ends the session: `session.close`, a moment for its answer, then the socket. Calls and jobs that are still
   * followed end with CANCELLED on this side. Never rejects; further calls do nothing more.
   */
  close({ reason, cancelJobs }: CloseOptions = {}): Promise<void> {
    const farewell = { reason, dispose_jobs: cancelJobs === true ? ('cancel' as const) : undefined };
    const error = new ArcpError('CANCELLED', reason ?? 'the client was closed');
    return (this.#closing ??= this.#session.close(error, farewell).then(() => undefined));
  }
}

function noLeaseId(): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', 'expected the id of a lease, lease_…');
}

function noJobId(): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', 'expected the id of a job, job_…');
}

function authority(options: StartOptions) {
  const { budget, leaseRequest, profile, uncoveredActs, budgetWarningPercent, maxRuntimeMs } = options;
  return {
    profile,
    trust_level: options.trustLevel,
    max_runtime_ms: maxRuntimeMs,
    uncovered_acts: uncoveredActs,
    budget_warning_percent: budgetWarningPercent,
    cost_budget: budget === undefined ? undefined : [...budget],
    lease_request: leaseRequest,
  };
}

function fields({ idempotencyKey, priority, traceId }: StartOptions) {
  return { idempotency_key: idempotencyKey, priority, trace_id: traceId };
}
