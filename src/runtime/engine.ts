/**
 * The engine of one runtime: takes requests for work, runs them as jobs, and tells sessions what happens.
 * It knows no socket, no database and no dialect.
 */
import type { Agent, ChildJob, DelegateOptions } from '../agents/agent.js';
import type { Capabilities } from '../protocol/capabilities.js';
import { ArcpError } from '../protocol/errors.js';
import type { UnnamedPolicy } from '../protocol/lease.js';
import { OPT_IN } from '../protocol/extensions.js';
import { AGENTS_CHANGED, type Inventory } from '../protocol/inventory.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import type { TrustLevel } from '../protocol/trust-level.js';
import type { Store } from '../store/store.js';
import { Admission } from './admission.js';
import { advertise } from './advertise.js';
import { ArtifactTable } from './artifact-table.js';
import type { Authenticator } from './authenticator.js';
import type { Clock, Timer } from '../clock.js';
import { CredentialTable } from './credentials/credential-table.js';
import type { CredentialProvisioner } from './credentials/provisioner.js';
import { Timestamps } from './timestamps.js';
import { failed } from './ending.js';
import type { Execute } from './engine-context.js';
import type { EventLog, LogEvent } from './event-log.js';
import { Forgetting } from './forgetting.js';
import type { Carrier } from './handoff/carrier.js';
import { GrantedLeases } from './granted-leases.js';
import { IdempotencyKeys } from './idempotency.js';
import type { NewId } from './ids.js';
import { Intake, type IntakeContext } from './intake.js';
import type { Job } from './job.js';
import type { UncoveredActs } from './job-terms.js';
import { Journal } from './journal.js';
import type { JobRun } from './job-run.js';
import { JobTable } from './job-table.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import type { Models } from './model-route.js';
import { goOnElsewhere } from './next-attempt.js';
import { ProviderTable } from './providers/provider-table.js';
import { recover, type Recovery } from './recovery.js';
import { AgentRegistry } from './registry.js';
import type { RuntimeKey } from './runtime-key.js';
import { ScheduleTable } from './schedules.js';
import { sessionOfLog } from './session-log.js';
import type { Session } from './session.js';
import { SessionTable } from './session-table.js';
import { StreamTable } from './stream-table.js';
import { ToolTable } from './tool-calls.js';
import { SubscriptionTable } from './subscriptions.js';
import { closeBooks, loseNote } from './tree-account.js';
import { TRUST } from './trust.js';

export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly authenticators: readonly Authenticator[];
  readonly identity: Payload<'session.accepted'>['runtime'];
  /** By which it proves that it is who it says. */
  readonly key: RuntimeKey;
  readonly heartbeatRecovery: 'fail' | 'block';
  /** Of principals of whom their authenticator does not say. */
  readonly trust: TrustLevel;
  readonly execute: Execute;
  readonly credentials: CredentialProvisioner | undefined;
  readonly unnamed: UnnamedCapabilities;
  readonly models: Models;
  readonly carrier: Carrier | undefined;
  readonly uncoveredActs: UncoveredActs;
  /** Whether sessions of this principal may host agents. */
  readonly mayHost: (principal: string) => boolean;
}

/** What root jobs may do beside what their leases name, by where their agents run. */
export interface UnnamedCapabilities {
  readonly inProcess: UnnamedPolicy;
  readonly remote: UnnamedPolicy;
}

export class Engine implements IntakeContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly identity: EngineOptions['identity'];
  readonly key: RuntimeKey;
  readonly heartbeatRecovery: 'fail' | 'block';
  readonly trust: TrustLevel;
  readonly execute: EngineOptions['execute'];
  readonly leases: GrantedLeases;
  readonly models: Models;
  readonly carrier: Carrier | undefined;
  readonly uncoveredActs: UncoveredActs;
  readonly tools = new ToolTable();
  readonly authenticators: ReadonlyMap<string, Authenticator>;
  readonly timestamps: Timestamps;
  readonly journal: Journal;
  readonly admission: Admission;
  readonly registry: AgentRegistry;
  readonly providers: ProviderTable;
  readonly jobs: JobTable;
  readonly sessions: SessionTable;
  readonly subscriptions = new SubscriptionTable();
  readonly artifacts: ArtifactTable;
  readonly streams: StreamTable;
  readonly keys: IdempotencyKeys;
  readonly credentials: CredentialTable;
  readonly intake: Intake;
  readonly forgetting: Forgetting;
  readonly schedules: ScheduleTable;
  readonly #unnamed: UnnamedCapabilities;
  #state: 'recovering' | 'serving' | 'draining' | 'closed';
  #recovery: Promise<Recovery> | undefined;
  #drained: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #tellsAgents = false;
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
    this.key = options.key;
    this.heartbeatRecovery = options.heartbeatRecovery;
    this.trust = options.trust;
    this.execute = options.execute;
    this.authenticators = new Map(options.authenticators.map((one) => [one.scheme, one]));
    this.timestamps = new Timestamps(clock);
    this.journal = new Journal(
      store,
      clock,
      (log, lost, error) => {
        this.#lost(log, lost, error);
      },
      (event) => {
        this.subscriptions.tell(event);
      },
    );
    this.registry = new AgentRegistry(() => {
      this.#tellAllAgents();
    });
    this.providers = new ProviderTable(this, options.mayHost);
    this.admission = new Admission(limits);
    const drop = (logs: readonly string[]): void => {
      this.dropLogs(logs);
    };
    this.jobs = new JobTable(clock, limits, (jobs) => {
      this.forgetting.forgetJobs(jobs);
    });
    this.streams = new StreamTable(limits);
    this.keys = new IdempotencyKeys(this);
    this.credentials = new CredentialTable(this, options.credentials);
    this.sessions = new SessionTable({
      clock,
      limits,
      logger,
      store,
      journal: this.journal,
      watched: this,
      capabilities: () => this.capabilities,
      isKept: (log) => this.jobs.find(log) !== undefined,
      disclose: (record, sessionId) => this.credentials.disclose(record, sessionId),
      drop,
    });
    this.artifacts = new ArtifactTable(this);
    this.leases = new GrantedLeases(this);
    this.#unnamed = options.unnamed;
    this.models = options.models;
    this.carrier = options.carrier;
    this.uncoveredActs = options.uncoveredActs;
    this.forgetting = new Forgetting(this);
    this.intake = new Intake(this);
    this.schedules = new ScheduleTable(this);
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
    const artifacts = await this.artifacts.restore();
    const recovery = await recover(this);
    await this.credentials.recover(this.runs);
    if (this.#state === 'recovering') this.#state = 'serving';
    await this.schedules.recover();
    this.logger.info({ ...recovery, artifacts }, 'recovered');
    return recovery;
  }

  get isRecovering(): boolean {
    return this.#state === 'recovering';
  }

  get isServing(): boolean {
    return this.#state === 'serving';
  }

  /** Whether new work is taken. */
  get ready(): boolean {
    return this.isServing && !this.journal.failing;
  }

  delegate(parent: JobRun, target: string, options: DelegateOptions): Promise<ChildJob> {
    return this.intake.delegate(parent, target, options);
  }

  mayBeAnswered({ origin }: Job, type: MessageType): boolean {
    // Whoever approves for others may come at any time.
    if (type === 'permission.request' && !TRUST[origin.trust].grantsItself) return true;
    return this.sessions.couldReach(origin.principal, origin.sessionId, type);
  }

  unnamed(agent: Agent | undefined): UnnamedPolicy {
    return agent?.remote === true ? this.#unnamed.remote : this.#unnamed.inProcess;
  }

  closing(job: Job): void {
    if (this.store.durable) closeBooks(job, this.jobs.all());
  }

  goOnElsewhere(run: JobRun, error: ArcpError): boolean {
    return this.isServing && goOnElsewhere(this, run, error);
  }

  /** Sessions that asked for it are told, once a turn, what agents there are now (`arcpx.arcp.agents.v1`). */
  #tellAllAgents(): void {
    if (this.#tellsAgents || this.#state !== 'serving') return;
    this.#tellsAgents = true;
    queueMicrotask(() => {
      this.#tellsAgents = false;
      for (const session of this.sessions.connected()) this.tellAgents(session);
    });
  }

  /** Tells a session what agents there are, if it asked for that; one that was away has missed what came and went. */
  tellAgents({ id, extensions, peer }: Session): void {
    if (!extensions.has(OPT_IN.agents)) return;
    const { agents } = this.capabilities;
    peer?.reply({
      type: 'event.emit',
      payload: { name: AGENTS_CHANGED, data: { agents } },
      sessionId: id,
    });
  }

  ended(run: JobRun): void {
    const { job } = run;
    this.#leave(run);
    this.credentials.jobEnded(job.id);
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
    this.credentials.close();
    this.schedules.close();
    this.forgetting.close();
    this.providers.close();
    await this.journal.flushed();
    this.sessions.close('the runtime is shutting down');
    await this.artifacts.close();
    await this.journal.flushed();
    await this.store.close();
  }

  #leave(run: JobRun): void {
    const { job } = run;
    job.leave();
    this.jobs.finished(job);
    this.admission.leave(run);
    this.leases.ended(job);
    job.root.liveInTree -= 1;
    const { parent } = job.origin;
    if (parent !== undefined) this.jobs.run(parent)?.childEnded();
  }

  /** The store refused events: what nobody has seen did not happen (L2). */
  #lost(log: EventLog, lost: readonly LogEvent[], error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.logger.error({ log: log.id, events: lost.length, reason }, 'the store refused events');
    for (const event of lost) loseNote(event);
    const failure = new ArcpError('UNAVAILABLE', 'the runtime could not store what happened');
    const job = this.jobs.find(log.id);
    if (job === undefined) {
      const sessionId = sessionOfLog(log.id);
      this.sessions.find(sessionId)?.watching.lost(lost);
      this.#answerInstead(sessionId, lost, failure);
      return;
    }
    job.rewind();
    if (job.lost) this.#answerInstead(job.origin.sessionId, lost.slice(0, 1), failure);
    const run = this.jobs.run(job);
    if (run === undefined) job.endAgain(failed(failure));
    else run.storeFailed(failure);
  }

  /** Whoever was to be answered by events that are lost gets a `nack`. */
  #answerInstead(sessionId: string, events: readonly LogEvent[], error: ArcpError): void {
    const asked = events.map(
      ({ body }) => (JSON.parse(`{${body}`) as { readonly correlation_id?: string }).correlation_id,
    );
    for (const id of new Set(asked)) {
      if (id === undefined) continue;
      const payload = { ...error.toPayload(), ack_for: id };
      this.sessions.find(sessionId)?.peer?.reply({ type: 'nack', payload, sessionId, correlationId: id });
    }
  }

  /** Forgets logs, once what was appended to them is committed. */
  dropLogs(logs: readonly string[]): void {
    this.forgetting.forget(logs);
  }

  /** What is advertised now. */
  get capabilities(): Capabilities {
    const inventory = this.registry.inventory();
    if (this.#advertised?.inventory !== inventory) {
      this.#advertised = { inventory, capabilities: advertise(inventory, this) };
    }
    return this.#advertised.capabilities;
  }
}
