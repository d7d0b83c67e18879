/**
 * One job: a log, and the fold over it (law L1).
 *
 * (B1) `state` follows the events that were appended and decides what may come next; `shownState` follows those that
 *      were committed and is what anyone outside is told (L2).
 * (B2) Exactly one terminal event, and nothing after it.
 * (B3) A job stands as long as it or a job below it is unfinished: one that has ended before them may have children that
 *      were to live on.
 */
import type { Amount, Budget, BudgetPolicy } from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';
import type { Id, JobId, SessionId } from '../protocol/ids.js';
import { canTransition, isTerminal, type JobState } from '../protocol/job-state.js';
import type { LeaseBounds } from '../protocol/lease.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import type { OnParentEnd } from '../protocol/payloads/execution.js';
import type { Priority } from '../protocol/priority.js';
import {
  EventLog,
  type EnvelopeFields,
  type EventObserver,
  type LogContext,
  type LogEvent,
  type LogOrigin,
} from './event-log.js';
import type { TrustLevel } from '../protocol/trust-level.js';
import type { Ending } from './ending.js';
import type { JobAuthority } from './job-authority.js';
import type { JobBudget } from './job-budget.js';
import type { JobTerms } from './job-terms.js';
import type { JobTrust } from './trust.js';
import type { RememberedKey } from './job-head.js';
import type { ProvidedTerms } from './providers/offers.js';

/** Where a job comes from and on whose behalf it runs. */
export interface JobOrigin {
  readonly id: JobId;
  /** The resolved `name@version`, or the reference as it was asked for when nothing matches it. */
  readonly agent: string;
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
  /** The session that asked for it, or for its ancestor. */
  readonly sessionId: SessionId;
  readonly traceId: string;
  readonly priority: Priority;
  readonly createdAt: number;
  /** The command that asked for it. A child of a running agent has none (decision 4). */
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly parent: Job | undefined;
  readonly delegateId: string | undefined;
  /** Under which key its parent began it, if under one. */
  readonly delegation?: RememberedKey | undefined;
  /** What becomes of it when its parent ends. */
  readonly onParentEnd: OnParentEnd;
  /** Of which schedule it is an occurrence, and which, in milliseconds since the epoch. */
  readonly schedule?: OccurrenceOf | undefined;
  readonly budget: JobBudget;
  /** As it was asked for. */
  readonly lease?: Readonly<Record<string, unknown>> | undefined;
  /** What its lease bounds, its ancestors' leases included; the budget apart. */
  readonly bounds: LeaseBounds;
  /** What it may do, beyond its budget; its `bounds` are the same. */
  readonly authority: JobAuthority;
  /** How often it must show a sign of life. */
  readonly heartbeatMs: number;
  /** What becomes of a charge above what is left of its budget. */
  readonly budgetPolicy: BudgetPolicy;
  /** How far its principal is trusted. */
  readonly trust: TrustLevel;
  /** How often it, or what is above it, was handed over from one runtime to another on its way here; nothing for never. */
  readonly hops?: number | undefined;
  /** Where sessions host its agent: what they agree on, so that the job can wait for one after a restart. */
  readonly provided?: ProvidedTerms | undefined;
  /** How long its agent may run, in milliseconds; without it, as long as it lives. */
  readonly maxRuntimeMs: number | undefined;
  /** How it is to be run. */
  readonly terms?: JobTerms | undefined;
}

export interface OccurrenceOf {
  readonly id: Id<'schedule'>;
  readonly at: number;
}

/** The state that an event leads to; the others leave it as it is, but for `job.heartbeat`, which names one. */
const STATE_AFTER: ReadonlyMap<MessageType, JobState> = new Map<MessageType, JobState>([
  ['job.accepted', 'accepted'],
  ['job.started', 'running'],
  ['job.completed', 'completed'],
  ['job.failed', 'failed'],
  ['job.cancelled', 'cancelled'],
]);

const NOTHING: Budget = new Map();
const NO_LINEAGE = {};

/** Where an event takes a job; nothing for those that leave it where it is, and for heartbeats. */
export function stateAfter(type: MessageType): JobState | undefined {
  return STATE_AFTER.get(type);
}

export class Job implements EventObserver {
  readonly origin: JobOrigin;
  readonly log: EventLog;
  /** How many generations are above it. */
  readonly depth: number;
  /** Whether it has ever had children that are known. */
  hasDelegated = false;
  readonly root: Job;
  /** When its agent first started, in milliseconds since 1970. */
  startedAt: number | undefined;
  /** The latest attempt at it, from 1: the only one that may write (`job-run.ts`, R6). */
  attempt = 1;
  /** Unfinished jobs of the tree; kept by its root. */
  liveInTree = 0;
  state: JobState = 'accepted';
  shownState: JobState = 'accepted';
  #delegated: Map<string, Job> | undefined;
  /** Whether the store lost even its first event, so that nobody knows of it. */
  lost = false;
  #children: Set<Job> | undefined;
  /** Whether it is over, and has given back what it held. */
  hasLeft = false;
  /** Whether a job that stands has taken over what it had spent (`tree-account.ts`, T3). */
  isBooked = false;
  #spent: Map<string, Amount> | undefined;
  #raised: Map<string, Amount> | undefined;
  #ending: Ending | undefined;
  #endedAgain = false;
  #heartbeats = 0;
  /** Told of its end, once that is committed. */
  #listeners: ((ending: Ending) => void)[] = [];
  #isEnded = false;
  /** Told when none of its children stands any more. */
  #childless: (() => void)[] = [];

  /** @param log how its log begins */
  constructor(origin: JobOrigin, context: LogContext, log?: LogOrigin) {
    this.origin = origin;
    const { parent } = origin;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
    if (parent !== undefined) parent.hasDelegated = true;
    this.root = parent === undefined ? this : parent.root;
    this.log = new EventLog(
      origin.id,
      {
        job_id: origin.id,
        trace_id: origin.traceId,
        correlation_id: origin.correlationId,
        causation_id: origin.causationId,
      },
      context,
      {
        ...log,
        subject: {
          principal: origin.principal,
          sessionId: origin.sessionId,
          jobId: origin.id,
          traceId: origin.traceId,
          priority: origin.priority,
        },
      },
    );
    this.log.observe(this);
  }

  /** Takes up where the store's log of it ends. */
  restore(state: JobState, heartbeats: number, ending?: Ending): void {
    this.state = state;
    this.shownState = state;
    this.#heartbeats = heartbeats;
    if (ending === undefined) return;
    this.#ending = ending;
    this.#isEnded = true;
    this.hasLeft = true;
  }

  get id(): JobId {
    return this.origin.id;
  }

  get agent(): string {
    return this.origin.agent;
  }

  /** Its principal's trust level, with what this job was lifted to. */
  get trust(): JobTrust {
    return this.origin.authority.trust;
  }

  /** Those of the jobs that it delegated to which stand (B3). Most have none. */
  get children(): Set<Job> {
    return (this.#children ??= new Set());
  }

  /** The latest of its children under each key, whether it runs or not. */
  get delegated(): Map<string, Job> {
    return (this.#delegated ??= new Map());
  }

  /** Nobody will ask for its children any more. */
  forgetDelegated(): void {
    this.#delegated = undefined;
  }

  get hasChildren(): boolean {
    return this.#children !== undefined && this.#children.size > 0;
  }

  /** Calls back when none of its children stands any more: at once, where none does. */
  whenChildless(listener: () => void): void {
    if (this.hasChildren) this.#childless.push(listener);
    else listener();
  }

  /** It is over. */
  leave(): void {
    this.hasLeft = true;
    if (!this.hasChildren) this.origin.parent?.childLeft(this);
  }

  /** A child stands no more (B3). */
  childLeft(child: Job): void {
    this.children.delete(child);
    if (this.hasChildren) return;
    const listeners = this.#childless;
    this.#childless = [];
    if (this.hasLeft) this.origin.parent?.childLeft(this);
    for (const listener of listeners) listener();
  }

  /** The closest job above it that stands, if one does. */
  get heir(): Job | undefined {
    for (let at = this.origin.parent; at !== undefined; at = at.origin.parent)
      if (!at.hasLeft || at.hasChildren) return at;
    return undefined;
  }

  /** What was charged for the job itself, in the currencies that a budget bounds. */
  get spent(): Budget {
    return this.#spent ?? NOTHING;
  }

  noteSpent(currency: string, amount: Amount): void {
    this.#spent ??= new Map();
    this.#spent.set(currency, (this.#spent.get(currency) ?? 0n) + amount);
  }

  /** What people added to its budget at its own request. */
  get raised(): Budget {
    return this.#raised ?? NOTHING;
  }

  noteRaised(currency: string, amount: Amount): void {
    this.#raised ??= new Map();
    this.#raised.set(currency, (this.#raised.get(currency) ?? 0n) + amount);
  }

  /** How it ended, once that is committed. */
  get ended(): Promise<Ending> {
    return new Promise((resolve) => {
      this.whenEnded(resolve);
    });
  }

  /** Calls back once its end is committed: at once, where it is already. */
  whenEnded(listener: (ending: Ending) => void): void {
    if (this.#isEnded && this.#ending !== undefined) listener(this.#ending);
    else this.#listeners.push(listener);
  }

  #tellEnd(ending: Ending): void {
    const listeners = this.#listeners;
    this.#isEnded = true;
    this.#listeners = [];
    for (const listener of listeners) listener(ending);
  }

  /** Whom it was delegated by, as whatever tells of it says. */
  get lineage(): Pick<Payload<'job.accepted'>, 'parent_job_id' | 'root_job_id' | 'depth' | 'delegate_id'> {
    const { parent, delegateId } = this.origin;
    if (parent === undefined && delegateId === undefined) return NO_LINEAGE;
    return {
      ...(parent === undefined
        ? {}
        : { parent_job_id: parent.id, root_job_id: this.root.id, depth: this.depth }),
      ...(delegateId === undefined ? {} : { delegate_id: delegateId }),
    };
  }

  /** What `job.accepted` says of it, however often it is said. */
  get accepted(): Payload<'job.accepted'> {
    const { traceId, createdAt, lease, schedule } = this.origin;
    return {
      job_id: this.id,
      agent: this.agent,
      trace_id: traceId,
      accepted_at: new Date(createdAt).toISOString(),
      ...(lease === undefined ? {} : { lease }),
      ...this.lineage,
      ...(schedule === undefined
        ? {}
        : { schedule_id: schedule.id, scheduled_for: new Date(schedule.at).toISOString() }),
    };
  }

  /** How it ended, once that is committed. */
  get ending(): Ending | undefined {
    return this.#isEnded ? this.#ending : undefined;
  }

  /** Why it failed, once that is committed. */
  get shownFailure(): string | undefined {
    if (this.shownState !== 'failed' || this.#ending === undefined) return undefined;
    return (JSON.parse(this.#ending.text) as { readonly code?: string }).code;
  }

  /** Whether `other` is this job or delegated below it. */
  includes(other: Job): boolean {
    for (let at: Job | undefined = other; at !== undefined; at = at.origin.parent)
      if (at === this) return true;
    return false;
  }

  get isOver(): boolean {
    return isTerminal(this.state);
  }

  /** Appends an event. Throws FAILED_PRECONDITION when the job's state does not allow it. */
  emit<T extends MessageType>(type: T, payload: Payload<T>): LogEvent {
    return this.emitText(type, JSON.stringify(payload));
  }

  /** `emit` for a payload that has been turned into text already; `fields` go over those that all its events share. */
  emitText(
    type: MessageType,
    text: string,
    next: JobState = STATE_AFTER.get(type) ?? this.state,
    fields?: EnvelopeFields,
  ): LogEvent {
    if (next !== this.state && !canTransition(this.state, next)) {
      throw new ArcpError('FAILED_PRECONDITION', `job ${this.id} is ${this.state}: ${type} cannot follow`);
    }
    if (next === this.state && this.isOver) {
      throw new ArcpError('FAILED_PRECONDITION', `job ${this.id} has ended: ${type} cannot follow`);
    }
    const event = this.log.appendText(type, text, next, fields);
    this.state = next;
    return event;
  }

  /** Appends the terminal event. */
  end(ending: Ending): void {
    this.#ending = ending;
    this.emitText(ending.type, ending.text);
  }

  /** Appends a heartbeat; with a `state` other than the present one it is also the change to that state. */
  heartbeat(deadlineMs: number, state: JobState = this.state): void {
    this.#heartbeats += 1;
    const payload: Payload<'job.heartbeat'> = {
      sequence: this.#heartbeats,
      deadline_ms: deadlineMs,
      state,
    };
    this.emitText('job.heartbeat', JSON.stringify(payload), state);
  }

  onEvent({ state }: LogEvent): void {
    if (state !== undefined) this.shownState = state;
    if (isTerminal(this.shownState) && this.#ending !== undefined) this.#tellEnd(this.#ending);
  }

  /** The store lost the latest events: what nobody has seen did not happen (L2). */
  rewind(): void {
    this.state = this.shownState;
    this.lost = this.log.committedSeq === 0;
  }

  /** Its end was lost: this one is appended instead, once. */
  endAgain(ending: Ending): void {
    if (this.lost || this.#endedAgain) {
      this.giveUp(ending);
      return;
    }
    this.#endedAgain = true;
    this.end(ending);
  }

  /** Nothing more will be appended: whoever waits for its end gets this one, which no client sees. */
  giveUp(ending: Ending): void {
    this.#ending = ending;
    this.#tellEnd(ending);
  }
}
