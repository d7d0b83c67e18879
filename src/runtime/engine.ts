/**
 * The engine of one runtime: takes requests for work, runs them as jobs, and tells sessions what happens.
 * It knows no socket, no database and no dialect.
 */
import type { ChildJob, DelegateOptions } from '../agents/agent.js';
import type { Capabilities } from '../protocol/capabilities.js';
import { ArcpError } from '../protocol/errors.js';
import type { Inventory } from '../protocol/inventory.js';
import { isTerminal } from '../protocol/job-state.js';
import type { Payload } from '../protocol/messages.js';
import type { Store } from '../store/store.js';
import { Admission } from './admission.js';
import { advertise } from './advertise.js';
import type { Authenticator } from './authenticator.js';
import { checkText, jsonText } from './agent-output.js';
import type { Clock, Timer } from '../clock.js';
import { Timestamps } from './timestamps.js';
import { childJob } from './delegation.js';
import { failed } from './ending.js';
import type { EngineContext, Execute } from './engine-context.js';
import type { EnvelopeFields, EventLog, EventObserver, LogEvent } from './event-log.js';
import { Forgetting } from './forgetting.js';
import { IdempotencyKeys, requestFingerprint } from './idempotency.js';
import type { NewId } from './ids.js';
import { Journal } from './journal.js';
import type { Job } from './job.js';
import { JobRun } from './job-run.js';
import { JobTable } from './job-table.js';
import { Outbox } from './outbox.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import { recover, type Recovery } from './recovery.js';
import { AgentRegistry } from './registry.js';
import type { Session } from './session.js';
import { sessionOfLog } from './session-log.js';
import { SessionTable } from './session-table.js';
import { SubscriptionTable } from './subscriptions.js';
import { childArguments, prepareJob, type Prepared, type Submission } from './submission.js';

export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly authenticators: readonly Authenticator[];
  readonly identity: Payload<'session.accepted'>['runtime'];
  readonly heartbeatRecovery: 'fail' | 'block';
  readonly execute: Execute;
}

/** A session's request for work. */
export interface JobRequest extends Submission {
  readonly correlationId: string;
  readonly idempotencyKey: string | undefined;
}

export class Engine implements EngineContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly identity: EngineOptions['identity'];
  readonly heartbeatRecovery: 'fail' | 'block';
  readonly execute: EngineOptions['execute'];
  readonly authenticators: ReadonlyMap<string, Authenticator>;
  readonly timestamps: Timestamps;
  readonly journal: Journal;
  readonly admission: Admission;
  readonly registry = new AgentRegistry();
  readonly jobs: JobTable;
  readonly sessions: SessionTable;
  readonly subscriptions = new SubscriptionTable();
  readonly keys: IdempotencyKeys;
  readonly #forgetting: Forgetting;
  #state: 'recovering' | 'serving' | 'draining' | 'closed';
  #recovery: Promise<Recovery> | undefined;
  #drained: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #advertised: { readonly inventory: Inventory; readonly capabilities: Capabilities } | undefined;

  constructor(options: EngineOptions) {
    const { store, clock, limits, logger } = options;
    this.#state = store.durable ? 'recovering' : 'serving';
    this.store = store;
    this.clock = clock;
    this.newId = options.newId;
    this.limits = limits;
    this.logger = logger;
    this.identity = options.identity;
    this.heartbeatRecovery = options.heartbeatRecovery;
    this.execute = options.execute;
    this.authenticators = new Map(options.authenticators.map((one) => [one.scheme, one]));
    this.timestamps = new Timestamps(clock);
    this.journal = new Journal(
      store,
      (log, lost, error) => {
        this.#lost(log, lost, error);
      },
      (event) => {
        this.subscriptions.tell(event);
      },
    );
    this.admission = new Admission(limits);
    const drop = (logs: readonly string[]): void => {
      this.dropLogs(logs);
    };
    this.jobs = new JobTable(clock, limits, drop);
    this.keys = new IdempotencyKeys(clock, limits);
    this.sessions = new SessionTable({
      clock,
      limits,
      logger,
      store,
      journal: this.journal,
      watched: this,
      capabilities: () => this.#capabilities(),
      isKept: (log) => this.jobs.find(log) !== undefined,
      drop,
    });
    this.#forgetting = new Forgetting(this);
  }

  get runs(): JobTable['runs'] {
    return this.jobs.runs;
  }

  /** Takes up what the store has of an earlier life. Until then a runtime with a durable store serves nobody. */
  recover(): Promise<Recovery> {
    return (this.#recovery ??= this.#recover());
  }

  async #recover(): Promise<Recovery> {
    if (!this.store.durable) return { sessions: 0, ended: 0, started: 0, failed: 0 };
    const recovery = await recover(this);
    if (this.#state === 'recovering') this.#state = 'serving';
    this.logger.info({ ...recovery }, 'recovered');
    return recovery;
  }

  get isRecovering(): boolean {
    return this.#state === 'recovering';
  }

  /** Whether new work is taken. */
  get ready(): boolean {
    return this.#state === 'serving' && !this.journal.failing;
  }

  /** Takes a session's request: a job comes of it, or a `job.failed` that says why not (decision 2). */
  submit(session: Session, request: JobRequest): void {
    const { correlationId, idempotencyKey: key } = request;
    try {
      if (this.#state !== 'serving') throw new ArcpError('UNAVAILABLE', 'the runtime is shutting down');
      const fingerprint =
        key === undefined
          ? ''
          : requestFingerprint(
              request.agent,
              request.arguments,
              request.leaseRequest,
              request.costBudget,
              request.parent?.id,
            );
      const known = key === undefined ? undefined : this.keys.find(session.identity, key, fingerprint);
      if (known !== undefined) {
        this.#repeat(session, known, correlationId, key);
        return;
      }
      const remembered = key === undefined ? undefined : { key, request: fingerprint };
      const prepared = prepareJob(request, session.requester, this.registry, this, remembered);
      const watchers = request.parent === undefined ? [] : outboxesOf(request.parent);
      this.#watchedBy(request.parent, session);
      prepared.job.log.numbering = session.outbox;
      this.#begin(prepared, [session.outbox, ...watchers]);
      if (key !== undefined) this.keys.remember(session.identity, key, fingerprint, prepared.job);
    } catch (error) {
      const refused = ArcpError.from(error);
      const { code, message } = refused;
      this.logger.info({ session: session.id, agent: request.agent, code, reason: message }, 'job refused');
      const { type, text } = failed(refused);
      const fields = { correlation_id: correlationId, idempotency_key: key };
      session.log(this).appendText(type, text, undefined, fields);
    }
  }

  /** The session of a job that another session adds a child to is told of what is not its own. */
  #watchedBy(parent: Job | undefined, session: Session): void {
    if (parent === undefined || parent.origin.sessionId === session.id) return;
    const owner = this.sessions.find(parent.origin.sessionId);
    if (owner !== undefined) this.sessions.watchesOthers(owner);
  }

  /** Starts a child of a running job (decisions 4, 5, 26). */
  async delegate(parent: JobRun, target: string, options: DelegateOptions): Promise<ChildJob> {
    const { job } = parent;
    const { origin } = job;
    parent.refuseChildren();
    const { task = '', arguments: given, budget, signal } = options;
    const context = given === undefined ? options.context : { ...options.context, arguments: given };
    checkText('delegation target', target);
    checkText('delegation task', task);
    signal?.throwIfAborted();
    const delegateId = this.newId('delegation');
    const payload: Payload<'agent.delegate'> = {
      target,
      task,
      delegate_id: delegateId,
      ...(context === undefined ? {} : { context }),
      ...(budget === undefined ? {} : { cost_budget: [...budget] }),
    };
    const { maxNesting, maxEventBytes } = this.limits;
    const text = jsonText(payload, maxNesting - DELEGATE_LEVELS);
    const request = parent.say('agent.delegate', text, maxEventBytes / DELEGATE_COPIES);
    let prepared: Prepared;
    try {
      prepared = prepareJob(
        {
          agent: target,
          arguments: childArguments(task, (JSON.parse(text) as { readonly context?: unknown }).context),
          leaseRequest: undefined,
          costBudget: budget,
          priority: origin.priority,
          traceId: origin.traceId,
          correlationId: undefined,
          causationId: request.id,
          parent: job,
          delegateId,
        },
        origin,
        this.registry,
        this,
      );
    } catch (error) {
      const { code, message } = ArcpError.from(error);
      const data = { delegate_id: delegateId, target, code, message };
      parent.say('event.emit', JSON.stringify({ name: 'agent.delegate.refused', data }));
      throw error;
    }
    prepared.job.log.numbering = job.log.numbering;
    this.#begin(prepared, outboxesOf(job));
    const child = childJob(prepared.job, this.jobs.run(prepared.job), this.store);
    const abort = (): void => {
      child.cancel('the delegation was aborted');
    };
    signal?.addEventListener('abort', abort);
    void child.outcome.then(() => signal?.removeEventListener('abort', abort));
    await this.journal.flushed();
    return child;
  }

  ended(run: JobRun): void {
    const { job } = run;
    this.#leave(run);
    this.logger.info(
      {
        job: job.id,
        agent: job.agent,
        principal: job.origin.principal,
        state: job.state,
        trace: job.origin.traceId,
      },
      'job ended',
    );
  }

  /**
   * Takes nothing new, lets jobs end for `ms`, then stops them, and closes every session. What is left of the time is
   * for readers that have fallen behind.
   */
  drain(ms: number): Promise<void> {
    return (this.#drained ??= this.#drain(ms));
  }

  async #drain(ms: number): Promise<void> {
    if (this.#state !== 'serving') return;
    this.#state = 'draining';
    const until = this.clock.now() + ms;
    this.logger.info({ jobs: this.runs.size, sessions: this.sessions.size }, 'draining');
    const timer = this.clock.timer(ms, () => {
      const aborted = new ArcpError('ABORTED', 'the runtime is shutting down', { retryable: true });
      this.jobs.stopAll(aborted, (run) => this.store.durable && run.isRestartable);
    });
    await this.jobs.idle();
    timer.cancel();
    await this.#letReadersCatchUp(until);
    await this.close();
  }

  /** Slow readers still have to see how their jobs ended. */
  async #letReadersCatchUp(until: number): Promise<void> {
    await this.journal.flushed();
    const leftMs = until - this.clock.now();
    if (leftMs <= 0 || this.#state === 'closed') return;
    let timer: Timer | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = this.clock.timer(leftMs, resolve);
    });
    await Promise.race([this.sessions.caughtUp(), timeUp]);
    timer?.cancel();
  }

  /** Closes every session and the store. Jobs that still run are dropped, and their agents told by their signals. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    this.jobs.close(new ArcpError('ABORTED', 'the runtime was closed', { retryable: true }));
    this.keys.close();
    this.#forgetting.close();
    await this.journal.flushed();
    this.sessions.close('the runtime is shutting down');
    await this.journal.flushed();
    await this.store.close();
  }

  #begin({ job, agent, arguments: args }: Prepared, observers: readonly EventObserver[]): void {
    const { origin, log } = job;
    for (const observer of observers) log.observe(observer);
    this.logger.debug({ job: job.id, agent: job.agent, principal: origin.principal }, 'job accepted');
    if (agent instanceof ArcpError) {
      job.emit('job.accepted', job.accepted);
      job.end(failed(agent));
      origin.budget.settle();
      this.jobs.finished(job);
      this.logger.info({ job: job.id, agent: job.agent, code: agent.code }, 'job ended');
      return;
    }
    const run = new JobRun(job, agent, args, this);
    this.jobs.began(run);
    this.admission.expect(run);
    origin.parent?.children.add(job);
    job.root.liveInTree += 1;
    job.emit('job.accepted', job.accepted);
  }

  /**
   * The same request again: the same job, told anew to whoever asks (decision 11). A session that has not been told of
   * it gets its whole story: accepted anew, then what has happened, then what happens.
   */
  #repeat(session: Session, job: Job, correlationId: string, key: string | undefined): void {
    const fields = {
      job_id: job.id,
      trace_id: job.origin.traceId,
      correlation_id: correlationId,
      idempotency_key: key,
    };
    this.logger.info({ session: session.id, job: job.id }, 'job repeated');
    if (job.origin.sessionId !== session.id) this.sessions.watchesOthers(session);
    const accepted = session.log(this).append('job.accepted', job.accepted, fields);
    void this.#tellAgain(session, job, accepted, fields);
  }

  async #tellAgain(session: Session, job: Job, accepted: LogEvent, fields: EnvelopeFields): Promise<void> {
    const { outbox } = session;
    const knows = (): boolean => job.log.observers.includes(outbox) || outbox.tells(job.id);
    if (!job.isOver && knows()) return;
    if (!knows()) {
      await this.journal.flushed();
      if (accepted.source.committedSeq < accepted.seq) return;
    }
    const ending = job.isOver ? await job.ended : undefined;
    if (!this.sessions.isOpen(session.id)) return;
    if (!knows() && this.jobs.find(job.id) !== undefined) {
      // The terminal event is told under the correlation of the repeat instead.
      const isTold = ending === undefined || !isTerminal(job.shownState);
      const count = job.log.committedSeq - (isTold ? 0 : 1);
      // The reader of more than a session keeps would be cut off.
      if (count <= this.limits.maxReplayEvents) outbox.recall(job.id, 1, count);
    }
    if (ending === undefined) job.log.observe(outbox);
    else session.log(this).appendText(ending.type, ending.text, undefined, fields);
  }

  #leave(run: JobRun): void {
    const { job } = run;
    this.jobs.finished(job);
    this.admission.leave(run);
    job.root.liveInTree -= 1;
    const { parent } = job.origin;
    if (parent === undefined) return;
    parent.children.delete(job);
    this.jobs.run(parent)?.childEnded();
  }

  /** The store refused events: what nobody has seen did not happen (L2). */
  #lost(log: EventLog, lost: readonly LogEvent[], error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.logger.error({ log: log.id, events: lost.length, reason }, 'the store refused events');
    const failure = new ArcpError('UNAVAILABLE', 'the runtime could not store what happened');
    const job = this.jobs.find(log.id);
    if (job === undefined) {
      const sessionId = sessionOfLog(log.id);
      this.sessions.find(sessionId)?.watching.lost(lost);
      for (const event of lost) this.#answerInstead(sessionId, event, failure);
      return;
    }
    job.rewind();
    if (job.lost) this.#answerInstead(job.origin.sessionId, lost[0], failure);
    const run = this.jobs.run(job);
    if (run === undefined) job.endAgain(failed(failure));
    else run.storeFailed(failure);
  }

  /** Whoever was to be answered by an event that is lost gets a `nack`. */
  #answerInstead(sessionId: string, event: LogEvent | undefined, error: ArcpError): void {
    if (event === undefined) return;
    const { correlation_id: id } = JSON.parse(`{${event.body}`) as { correlation_id?: string };
    if (id === undefined) return;
    const payload = { ...error.toPayload(), ack_for: id };
    this.sessions.find(sessionId)?.peer?.reply({ type: 'nack', payload, sessionId, correlationId: id });
  }

  /** Forgets logs, once what was appended to them is committed. */
  dropLogs(logs: readonly string[]): void {
    this.#forgetting.forget(logs);
  }

  #capabilities(): Capabilities {
    const inventory = this.registry.inventory();
    if (this.#advertised?.inventory !== inventory) {
      this.#advertised = { inventory, capabilities: advertise(inventory, this) };
    }
    return this.#advertised.capabilities;
  }
}

/** Those who cannot read `agent.delegate` get it in an `event.emit`, two levels deeper, under two names. */
const DELEGATE_LEVELS = 3;
const DELEGATE_COPIES = 2;

/** Whoever watches a job also watches its children. */
function outboxesOf(job: Job): EventObserver[] {
  return job.log.observers.filter((observer) => observer instanceof Outbox);
}
