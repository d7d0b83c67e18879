/**
 * What one session watches beside the jobs that it asked for: single jobs (`job.subscribe`, decision 10) and kinds of
 * events (`subscribe`, RFC 0001 §13).
 *
 * (W1) Watching begins and ends with a record in the session's log. When that is committed, it is settled what is
 *      history and what is live, by the one order of commits: no gap and no duplicate between them, and the same again
 *      when the logs are read in that order (L2, L3). So whatever was decided when the record was written, it says: a
 *      limit that is another one after a restart changes nothing of what was told before.
 * (W2) History is numbered at once and read from the store as the client takes it.
 * (W3) Nobody is told an event of a running job twice because of `job.subscribe`: who watches it already, or asked for
 *      it, gets only the answer. A job that has ended is told again to whoever asks: its story is over.
 * (W4) Who watches a job watches the jobs below it, those to come included.
 */
import { ArcpError } from '../protocol/errors.js';
import type { JobId, MessageId, SessionId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import { isTerminal } from '../protocol/job-state.js';
import { inCommitOrder, type Stretch } from './event-order.js';
import type { EventLog, EventObserver, LogEvent } from './event-log.js';
import type { Job } from './job.js';
import type { JobTable } from './job-table.js';
import type { Journal } from './journal.js';
import type { Limits } from './limits.js';
import type { Outbox } from './outbox.js';
import type { Peer } from './peer.js';
import type { SessionLogContext } from './session-log.js';
import {
  Subscription,
  type Held,
  type Subscriber,
  type SubscriptionFilter,
  type SubscriptionTable,
} from './subscriptions.js';
import { appendRecord, readRecord, type ReadRecord, type SubscribeRecord } from './watch-records.js';

/** What there is to watch. */
export interface Watched extends SessionLogContext {
  readonly jobs: JobTable;
  readonly subscriptions: SubscriptionTable;
  readonly journal: Journal;
}

/** The session that watches. */
export interface Watcher {
  readonly id: SessionId;
  readonly principal: string;
  readonly outbox: Outbox;
  readonly peer: Peer | undefined;
  log(context: SessionLogContext): EventLog;
}

/** The name of the event that parts a subscription's history from what is live (RFC 0001 §13). */
export const BACKFILL_COMPLETE = 'subscription.backfill_complete';

/** What a session watched when a part of its log began: with it the parts before can be forgotten. */
export interface WatchState {
  /** The part that began, and the position of the latest record before it. */
  readonly part: string;
  readonly position: number;
  /** What the session had been told by then. */
  readonly eventSeq: number;
  readonly jobs: readonly JobId[];
  readonly subscriptions: readonly Omit<SubscribeRecord, 'after'>[];
}

/** States that are kept: as many as a session's log may have parts, and some that are about to be forgotten. */
const MAX_STATES = 16;

export class Watching implements EventObserver, Subscriber {
  readonly #session: Watcher;
  readonly #context: Watched;
  readonly #jobs = new Set<JobId>();
  readonly #subscriptions = new Map<string, Subscription>();
  /** What subscriptions begin with whose beginning is not yet committed. */
  readonly #pasts = new Map<string, readonly Held[]>();
  /** `job.subscribe`s that are not yet committed, and jobs that are over and make room for others. */
  #asked = 0;
  readonly #leaving = new Set<JobId>();
  /** Subscriptions that there were so far. */
  #gathered = 0;
  #part: EventLog | undefined;
  readonly #states = new Map<string, WatchState>();
  /** While the logs of an earlier life are read again nothing is decided anew: the records say what was. */
  isReplaying = false;

  constructor(session: Watcher, context: Watched) {
    this.#session = session;
    this.#context = context;
  }

  get principal(): string {
    return this.#session.principal;
  }

  get sessionId(): SessionId {
    return this.#session.id;
  }

  get outbox(): Outbox {
    return this.#session.outbox;
  }

  get #limits(): Limits {
    return this.#context.limits;
  }

  get #log(): EventLog {
    return this.#session.log(this.#context);
  }

  /** Something in the session's own log is committed. */
  onEvent(event: LogEvent): void {
    this.#noteState(event.source);
    switch (event.type) {
      case 'job.subscribe':
        this.#asked = Math.max(0, this.#asked - 1);
        this.#watchJob(readRecord('job.subscribe', event));
        break;
      case 'job.unsubscribe':
        this.#unwatchJob(readRecord('job.unsubscribe', event).payload.job_id);
        break;
      case 'subscribe':
        this.#began(readRecord('subscribe', event));
        break;
      case 'event.emit':
        this.#parted(event);
        break;
      case 'subscribe.closed':
        this.#forget(readRecord('subscribe.closed', event).payload.subscription_id);
        this.outbox.onEvent(event);
        break;
      default:
        this.outbox.onEvent(event);
    }
  }

  /**
   * Asks to watch a job of the session's principal; answered when the store has taken it (W1). Throws RESOURCE_EXHAUSTED
   * when the session watches as many jobs as it may, or the history is longer than what it keeps.
   */
  watchJob(
    job: Job,
    { history, from_event_seq: from = 0 }: Payload<'job.subscribe'>,
    correlationId: string,
  ): void {
    if (!this.#hasRoom()) {
      throw new ArcpError('RESOURCE_EXHAUSTED', `this session watches ${this.#jobs.size} jobs already`);
    }
    const tree = this.#tree(job);
    const begins = history && !this.#isTold(job) ? beginOf(tree, job, from) : undefined;
    if (begins !== undefined) {
      const count = countOf(this.#pastOf(tree, job, begins.position));
      const { maxReplayEvents } = this.#limits;
      if (count > maxReplayEvents) {
        const why = `the history has ${count} events, and a session keeps ${maxReplayEvents}`;
        throw new ArcpError('RESOURCE_EXHAUSTED', `${why}: subscribe from a later one`, { retryable: false });
      }
    }
    this.#ask(
      { job_id: job.id, history_after: begins?.position, from_event_seq: begins?.number },
      correlationId,
    );
  }

  /**
   * The session asked for the job again that another one had asked for: it is told the job's whole story, but for the
   * end of a job that is over, which answers the repeat (decision 11).
   */
  watchRepeated(job: Job): void {
    const knows = this.#jobs.has(job.id) || job.log.observers.includes(this.outbox);
    if (knows || job.origin.sessionId === this.sessionId) return;
    this.#hasRoom();
    const isShort = countOf(this.#pastOf(this.#tree(job), job, 0)) <= this.#limits.maxReplayEvents;
    this.#ask({ job_id: job.id, history_after: isShort ? 0 : undefined, without_end: true });
  }

  #ask(record: Parameters<typeof appendRecord<'job.subscribe'>>[2], correlationId?: string): void {
    this.#asked += 1;
    appendRecord(this.#log, 'job.subscribe', record, correlationId);
  }

  /** Asks to watch a job no more. */
  unwatchJob(jobId: JobId): void {
    appendRecord(this.#log, 'job.unsubscribe', { job_id: jobId });
  }

  /** Whether one more job can be watched; those that are over make room. */
  #hasRoom(): boolean {
    const { maxJobSubscriptionsPerSession: limit } = this.#limits;
    const isFull = (): boolean => this.#jobs.size + this.#asked - this.#leaving.size >= limit;
    if (!isFull()) return true;
    for (const id of this.#jobs) {
      const job = this.#context.jobs.find(id);
      if ((job !== undefined && !isTerminal(job.shownState)) || this.#leaving.has(id)) continue;
      this.#leaving.add(id);
      this.unwatchJob(id);
      if (!isFull()) return true;
    }
    return false;
  }

  /** Takes in a new subscription, which gathers until it is opened. Throws RESOURCE_EXHAUSTED when there are too many. */
  gather(id: Subscription['id'], filter: SubscriptionFilter, ordinal = this.#gathered + 1): Subscription {
    if (this.#subscriptions.size >= this.#limits.maxSubscriptionsPerSession && !this.isReplaying) {
      throw new ArcpError(
        'RESOURCE_EXHAUSTED',
        `this session has ${this.#subscriptions.size} subscriptions already`,
      );
    }
    const { maxSubscriptionBacklog } = this.#limits;
    const subscription = new Subscription(id, ordinal, filter, this, maxSubscriptionBacklog);
    this.#gathered = Math.max(this.#gathered, ordinal);
    this.#add(subscription);
    return subscription;
  }

  /** Replayed subscriptions begin where their past does, but are told in the order in which they were asked for. */
  #add(subscription: Subscription): void {
    const later = [...this.#subscriptions.values()].filter(({ ordinal }) => ordinal > subscription.ordinal);
    for (const one of [subscription, ...later]) {
      this.#subscriptions.delete(one.id);
      this.#context.subscriptions.delete(one);
      this.#subscriptions.set(one.id, one);
      this.#context.subscriptions.add(one);
    }
  }

  /** The subscription's history, all behind the position `after`, is known: it begins when that is committed (W1). */
  open(subscription: Subscription, past: readonly Held[], after: number, correlationId: string): void {
    const { id, filter, ordinal } = subscription;
    if (this.#subscriptions.get(id) !== subscription || subscription.isClosing) return;
    this.#pasts.set(id, past);
    const data = { subscription_id: id, filter };
    const payload = { name: BACKFILL_COMPLETE, data, attrs: data };
    const fields = { correlation_id: correlationId, subscription_id: id };
    // One group takes both, and nothing comes between them.
    appendRecord(this.#log, 'subscribe', { ...data, after, ordinal }, correlationId);
    this.#log.append('event.emit', payload, fields);
  }

  find(subscriptionId: string): Subscription | undefined {
    return this.#subscriptions.get(subscriptionId);
  }

  /** Ends a subscription, once that is committed (W1); its last word is `subscribe.closed`. */
  closeSubscription(
    subscription: Subscription,
    code: Payload<'subscribe.closed'>['code'],
    reason: string,
    correlationId?: string,
  ): void {
    if (subscription.isClosing) return;
    subscription.isClosing = true;
    this.#log.append(
      'subscribe.closed',
      { subscription_id: subscription.id, code, reason },
      { correlation_id: correlationId, subscription_id: subscription.id },
    );
  }

  /** Whether this subscription was told something under this number. */
  told(subscriptionId: string, eventSeq: number): boolean {
    return this.outbox.wrappedAt(eventSeq)?.wrapping.subscriptionId === subscriptionId;
  }

  /** A subscription that never began. */
  giveUp({ id }: Subscription): void {
    this.#forget(id);
  }

  overflowed(subscription: Subscription): void {
    if (this.isReplaying) return;
    this.closeSubscription(
      subscription,
      'BACKPRESSURE_OVERFLOW',
      `more than ${this.#limits.maxSubscriptionBacklog} events wait for the client`,
    );
  }

  /** The store refused records of the session's log: what they begin never was, and what they end goes on. */
  lost(events: readonly LogEvent[]): void {
    for (const event of events) {
      if (event.type === 'job.subscribe') {
        this.#asked = Math.max(0, this.#asked - 1);
      } else if (event.type === 'job.unsubscribe') {
        this.#leaving.delete(readRecord('job.unsubscribe', event).payload.job_id);
      } else if (event.type === 'subscribe') {
        this.#forget(readRecord('subscribe', event).payload.subscription_id);
      } else if (event.type === 'subscribe.closed') {
        const subscription = this.find(readRecord('subscribe.closed', event).payload.subscription_id);
        if (subscription !== undefined) subscription.isClosing = false;
      }
    }
  }

  /** The session has ended. */
  close(): void {
    for (const id of [...this.#jobs]) this.#unwatchJob(id);
    for (const id of [...this.#subscriptions.keys()]) this.#forget(id);
  }

  /** What was watched when this part of the session's log began; nothing for its first. */
  stateBefore(part: string): WatchState | undefined {
    return this.#states.get(part);
  }

  /** Takes up what was watched at a moment before which the records are forgotten. */
  restore(state: WatchState): void {
    this.#states.set(state.part, state);
    for (const id of state.jobs) {
      const job = this.#context.jobs.find(id);
      if (job === undefined) continue;
      this.#jobs.add(id);
      this.#observe(this.#tree(job));
    }
    for (const { subscription_id: id, filter, ordinal } of state.subscriptions) {
      this.gather(id, filter, ordinal).phase = { kind: 'live' };
    }
  }

  #noteState(part: EventLog): void {
    if (part === this.#part) return;
    if (this.#part !== undefined) {
      const { jobs } = this.#context;
      this.#states.set(part.id, {
        part: part.id,
        position: this.#part.order.lastPosition,
        eventSeq: this.outbox.lastSeq,
        jobs: [...this.#jobs].filter((id) => jobs.find(id) !== undefined),
        subscriptions: [...this.#subscriptions.values()]
          .filter(({ phase }) => phase.kind === 'live')
          .map(({ id, filter, ordinal }) => ({ subscription_id: id, filter, ordinal })),
      });
      for (const oldest of this.#states.keys()) {
        if (this.#states.size <= MAX_STATES) break;
        this.#states.delete(oldest);
      }
    }
    this.#part = part;
  }

  #forget(subscriptionId: string): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription === undefined) return;
    subscription.phase = { kind: 'closed' };
    this.#context.subscriptions.delete(subscription);
    this.#subscriptions.delete(subscriptionId);
    this.#pasts.delete(subscriptionId);
  }

  #began({ payload, correlationId }: ReadRecord<'subscribe'>): void {
    const { subscription_id: id } = payload;
    const subscription = this.#subscriptions.get(id);
    if (subscription?.phase.kind !== 'gathering') return;
    const past = this.#pasts.get(id) ?? [];
    this.#pasts.delete(id);
    this.#session.peer?.reply({
      type: 'subscribe.accepted',
      payload: { subscription_id: subscription.id },
      sessionId: this.sessionId,
      correlationId,
      subscriptionId: subscription.id,
    });
    for (const { wrapping, seq } of [...past, ...subscription.phase.held])
      this.outbox.recall(wrapping, seq, seq);
    subscription.phase = { kind: 'live' };
  }

  /** What parts history from live is itself told, between them. */
  #parted(event: LogEvent): void {
    const { payload } = readRecord('event.emit', event);
    if (payload.name !== BACKFILL_COMPLETE) {
      this.outbox.onEvent(event);
      return;
    }
    const subscription = this.#subscriptions.get(payload.data.subscription_id);
    if (subscription?.phase.kind !== 'live') return;
    const { id: subscriptionId } = subscription;
    const { sessionId } = this;
    this.outbox.tell(event, { log: event.log, subscriptionId, sessionId, numberOf: () => undefined });
  }

  #watchJob({ payload, correlationId }: ReadRecord<'job.subscribe'>): void {
    const {
      job_id: jobId,
      history_after: after,
      from_event_seq: from = 0,
      without_end: withoutEnd,
    } = payload;
    const job = this.#context.jobs.find(jobId);
    if (job === undefined) {
      this.#refuse(new ArcpError('NOT_FOUND', 'there is no such job'), jobId, correlationId);
      return;
    }
    const told = this.#isTold(job);
    const tree = told ? [] : this.#tree(job).filter((one) => one === job || !this.#isTold(one));
    const past = after === undefined ? [] : this.#pastOf(tree, job, after, withoutEnd);
    if (correlationId !== undefined) {
      this.#session.peer?.reply({
        type: 'job.subscribed',
        payload: {
          job_id: job.id,
          current_status: job.shownState,
          agent: job.agent,
          ...job.lineage,
          trace_id: job.origin.traceId,
          subscribed_from: past.length > 0 ? from : job.log.order.lastNumber,
          replayed: past.length > 0,
        },
        sessionId: this.#session.id,
        correlationId,
      });
    }
    if (told) return;
    this.#jobs.add(job.id);
    for (const { log, from: first, to } of past) this.outbox.recall(log, first, to);
    this.#observe(tree);
  }

  #refuse(error: ArcpError, jobId: JobId, correlationId: MessageId | undefined): void {
    if (correlationId === undefined) return;
    this.#session.peer?.reply({
      type: 'nack',
      payload: { ...error.toPayload(), ack_for: correlationId },
      sessionId: this.#session.id,
      correlationId,
      refused: { type: 'job.subscribe', jobId },
    });
  }

  #unwatchJob(jobId: JobId): void {
    this.#leaving.delete(jobId);
    if (!this.#jobs.delete(jobId)) return;
    const job = this.#context.jobs.find(jobId);
    if (job === undefined) return;
    for (const one of this.#tree(job)) if (!this.#isWatched(one)) one.log.unobserve(this.outbox);
  }

  #observe(tree: readonly Job[]): void {
    for (const one of tree) if (!isTerminal(one.shownState)) one.log.observe(this.outbox);
  }

  /** (W3) */
  #isTold(job: Job): boolean {
    if (isTerminal(job.shownState)) return false;
    return this.#jobs.has(job.id) || job.log.observers.includes(this.outbox);
  }

  /** Whether the session asked for this job, or watches it or a job above it. */
  #isWatched(job: Job): boolean {
    for (let at: Job | undefined = job; at !== undefined; at = at.origin.parent) {
      if (this.#jobs.has(at.id) || at.origin.sessionId === this.#session.id) return true;
    }
    return false;
  }

  /** The job and those below it that are kept. */
  #tree(job: Job): Job[] {
    const tree: Job[] = [];
    for (const one of this.#context.jobs.all()) {
      if (one.root === job.root && job.includes(one)) tree.push(one);
    }
    return tree;
  }

  /** What is committed of these jobs behind a position. */
  #pastOf(tree: readonly Job[], job: Job, after: number, withoutEnd = false): Past[] {
    const past = tree.flatMap(({ log }) =>
      [...log.order.stretchesAfter(log.order.countToPosition(after))].map((part) => ({
        ...part,
        log: log.id,
      })),
    );
    const last = withoutEnd && isTerminal(job.shownState) ? job.log.committedSeq : undefined;
    const cut = past.map((part) =>
      part.log === job.id && part.to === last ? { ...part, to: part.to - 1 } : part,
    );
    return inCommitOrder(cut.filter(({ from, to }) => from <= to));
  }
}

interface Past extends Stretch {
  readonly log: string;
}

function countOf(past: readonly Past[]): number {
  return past.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/**
 * The place of an `event_seq` of the session that asked for the job. One beyond what that session has been told is the
 * latest.
 */
function beginOf(
  tree: readonly Job[],
  job: Job,
  from: number,
): { readonly position: number; readonly number: number } {
  let position = 0;
  let latest = 0;
  for (const { log, origin } of tree) {
    if (origin.sessionId !== job.origin.sessionId) continue;
    latest = Math.max(latest, log.order.lastNumber);
    const count = log.order.countToNumber(from);
    if (count > 0) position = Math.max(position, log.order.positionOf(count));
  }
  return { position, number: Math.min(from, latest) };
}
