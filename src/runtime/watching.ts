/**
 * What one session watches beside the jobs that it asked for: single jobs (`job.subscribe`, decision 10) and kinds of
 * events (`subscribe`, RFC 0001 §13).
 *
 * (W1) Watching begins and ends with a record in the session's log. When that is committed, it is settled what is
 *      history and what is live, by the one order of commits: no gap and no duplicate between them, and the same again
 *      when the logs are read in that order (L2, L3).
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
import type { Limits } from './limits.js';
import type { Outbox } from './outbox.js';
import type { Peer } from './peer.js';
import type { SessionLogContext } from './session-log.js';
import type { Held, Subscriber, Subscription, SubscriptionTable } from './subscriptions.js';

/** What there is to watch. */
export interface Watched extends SessionLogContext {
  readonly jobs: JobTable;
  readonly subscriptions: SubscriptionTable;
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

interface Boundary {
  readonly data: { readonly subscription_id: string };
}

interface Opening {
  readonly subscription: Subscription;
  readonly past: readonly Held[];
}

export class Watching implements EventObserver, Subscriber {
  readonly #session: Watcher;
  readonly #context: Watched;
  readonly #jobs = new Set<JobId>();
  readonly #subscriptions = new Map<string, Subscription>();
  /** Subscriptions whose beginning is not yet committed. */
  readonly #openings = new Map<string, Opening>();

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

  /** Something in the session's own log is committed. */
  onEvent(event: LogEvent): void {
    switch (event.type) {
      case 'job.subscribe':
        this.#watchJob(readRecord<Payload<'job.subscribe'>>(event));
        break;
      case 'job.unsubscribe':
        this.#unwatchJob(readRecord<Payload<'job.unsubscribe'>>(event).payload.job_id);
        break;
      case 'event.emit':
        this.#opened(event);
        break;
      case 'subscribe.closed':
        this.#forget(readRecord<Payload<'subscribe.closed'>>(event).payload.subscription_id);
        this.outbox.onEvent(event);
        break;
      default:
        this.outbox.onEvent(event);
    }
  }

  /** Throws RESOURCE_EXHAUSTED when the session watches as many jobs as it may. */
  refuseMoreJobs(): void {
    const { maxJobSubscriptionsPerSession } = this.#limits;
    if (this.#jobs.size < maxJobSubscriptionsPerSession) return;
    for (const id of this.#jobs) {
      const job = this.#context.jobs.find(id);
      if (job === undefined || isTerminal(job.shownState)) this.#jobs.delete(id);
      if (this.#jobs.size < maxJobSubscriptionsPerSession) return;
    }
    throw new ArcpError('RESOURCE_EXHAUSTED', `this session watches ${this.#jobs.size} jobs already`);
  }

  /** Takes in a new subscription, which gathers until it is opened. Throws RESOURCE_EXHAUSTED when there are too many. */
  gather(subscription: Subscription): void {
    if (this.#subscriptions.size >= this.#limits.maxSubscriptionsPerSession) {
      throw new ArcpError(
        'RESOURCE_EXHAUSTED',
        `this session has ${this.#subscriptions.size} subscriptions already`,
      );
    }
    this.#subscriptions.set(subscription.id, subscription);
    this.#context.subscriptions.add(subscription);
  }

  /** The subscription's history is known: it begins when that is committed (W1). */
  open(subscription: Subscription, past: readonly Held[], correlationId: string): void {
    if (this.#subscriptions.get(subscription.id) !== subscription) return;
    const { id, filter } = subscription;
    this.#openings.set(id, { subscription, past });
    const data = { subscription_id: id, filter };
    const payload = { name: BACKFILL_COMPLETE, data, attrs: data };
    this.#session
      .log(this.#context)
      .append('event.emit', payload, { correlation_id: correlationId, subscription_id: id });
  }

  find(subscriptionId: string): Subscription | undefined {
    return this.#subscriptions.get(subscriptionId);
  }

  /** Ends a subscription; its last word is `subscribe.closed`. */
  closeSubscription(
    subscription: Subscription,
    code: Payload<'subscribe.closed'>['code'],
    reason: string,
    correlationId?: string,
  ): void {
    if (subscription.phase.kind === 'closed') return;
    subscription.phase = { kind: 'closed' };
    this.#context.subscriptions.delete(subscription);
    this.#openings.delete(subscription.id);
    this.#session
      .log(this.#context)
      .append(
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
    this.closeSubscription(
      subscription,
      'BACKPRESSURE_OVERFLOW',
      `more than ${this.#limits.maxSubscriptionBacklog} events wait for the client`,
    );
  }

  /** The store refused records of the session's log: what they begin or end is over without a word. */
  lost(events: readonly LogEvent[]): void {
    for (const event of events) {
      if (event.type === 'event.emit') this.#forget(readRecord<Boundary>(event).payload.data.subscription_id);
      else if (event.type === 'subscribe.closed')
        this.#forget(readRecord<Payload<'subscribe.closed'>>(event).payload.subscription_id);
    }
  }

  /** The session has ended. */
  close(): void {
    for (const id of [...this.#jobs]) this.#unwatchJob(id);
    for (const id of [...this.#subscriptions.keys()]) this.#forget(id);
  }

  #forget(subscriptionId: string): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription === undefined) return;
    subscription.phase = { kind: 'closed' };
    this.#context.subscriptions.delete(subscription);
    this.#subscriptions.delete(subscriptionId);
    this.#openings.delete(subscriptionId);
  }

  /** What parts history from live is itself told, between them. */
  #opened(event: LogEvent): void {
    const { correlationId, payload } = readRecord<Boundary>(event);
    const opening = this.#openings.get(payload.data.subscription_id);
    const subject = event.source.subject;
    if (opening === undefined || subject === undefined) return;
    this.#openings.delete(payload.data.subscription_id);
    const { subscription, past } = opening;
    const { id: subscriptionId, phase } = subscription;
    this.#session.peer?.reply({
      type: 'subscribe.accepted',
      payload: { subscription_id: subscriptionId },
      sessionId: subject.sessionId,
      correlationId,
      subscriptionId,
    });
    const held = phase.kind === 'gathering' ? phase.held : [];
    for (const { wrapping, seq } of [...past, ...held]) this.outbox.recall(wrapping, seq, seq);
    const { sessionId } = subject;
    this.outbox.tell(event, { log: event.log, subscriptionId, sessionId, numberOf: () => undefined });
    subscription.phase = { kind: 'live' };
  }

  #watchJob({ payload, correlationId }: SessionRecord<Payload<'job.subscribe'>>): void {
    const { job_id: jobId, history, from_event_seq: from = 0 } = payload;
    const { peer } = this.#session;
    const job = this.#context.jobs.find(jobId);
    try {
      if (job === undefined) throw new ArcpError('NOT_FOUND', 'there is no such job');
      const told = this.#isTold(job);
      if (!told) this.refuseMoreJobs();
      const tree = told ? [] : this.#tree(job).filter((one) => one === job || !this.#isTold(one));
      const past = history ? inCommitOrder(tree.flatMap((one) => historyOf(one, job, from))) : [];
      const count = past.reduce((sum, part) => sum + part.to - part.from + 1, 0);
      const { maxReplayEvents } = this.#limits;
      if (count > maxReplayEvents) {
        const why = `the history has ${count} events, and a session keeps ${maxReplayEvents}`;
        throw new ArcpError('RESOURCE_EXHAUSTED', `${why}: subscribe from a later one`, { retryable: false });
      }
      peer?.reply({
        type: 'job.subscribed',
        payload: {
          job_id: job.id,
          current_status: job.shownState,
          agent: job.agent,
          ...(job.origin.parent === undefined ? {} : { parent_job_id: job.origin.parent.id }),
          trace_id: job.origin.traceId,
          subscribed_from: past.length > 0 ? from : job.log.order.lastNumber,
          replayed: past.length > 0,
        },
        sessionId: this.#session.id,
        correlationId,
      });
      if (told) return;
      this.#jobs.add(job.id);
      for (const { log, from: first, to } of past) this.outbox.recall(log, first, to);
      for (const one of tree) if (!isTerminal(one.shownState)) one.log.observe(this.outbox);
    } catch (error) {
      const refused = ArcpError.from(error);
      const ack = correlationId === undefined ? {} : { ack_for: correlationId };
      peer?.reply({
        type: 'nack',
        payload: { ...refused.toPayload(), ...ack },
        sessionId: this.#session.id,
        correlationId,
        refused: { type: 'job.subscribe', jobId },
      });
    }
  }

  #unwatchJob(jobId: JobId): void {
    if (!this.#jobs.delete(jobId)) return;
    const job = this.#context.jobs.find(jobId);
    if (job === undefined) return;
    for (const one of this.#tree(job)) if (!this.#isWatched(one)) one.log.unobserve(this.outbox);
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
}

interface SessionRecord<P> {
  readonly payload: P;
  readonly correlationId: MessageId | undefined;
}

function readRecord<P>({ body }: LogEvent): SessionRecord<P> {
  const { payload, correlation_id } = JSON.parse(`{${body}`) as { payload: P; correlation_id?: MessageId };
  return { payload, correlationId: correlation_id };
}

interface Past extends Stretch {
  readonly log: string;
}

/** What is committed of a job behind the event that has this number in the session that asked for `watched`. */
function historyOf({ log, origin }: Job, watched: Job, from: number): Past[] {
  const sameNumbering = origin.sessionId === watched.origin.sessionId;
  const after = sameNumbering ? log.order.countToNumber(from) : 0;
  return [...log.order.stretchesAfter(after)].map((stretch) => ({ ...stretch, log: log.id }));
}
