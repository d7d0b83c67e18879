/**
 * The kinds of events that one session subscribed to (`subscribe`, RFC 0001 §13). How they begin and end without a gap or a
 * repeat is in `watching.ts` (W1, W2).
 */
import { ArcpError } from '../protocol/errors.js';
import type { SessionId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import type { EventLog, LogEvent } from './event-log.js';
import type { Limits } from './limits.js';
import type { Outbox } from './outbox.js';
import { Subscription, type Held, type Subscriber, type SubscriptionFilter } from './subscriptions.js';
import type { Watched, Watcher } from './watching.js';
import {
  appendRecord,
  readRecord,
  type ClosedRecord,
  type ReadRecord,
  type SubscribeRecord,
} from './watch-records.js';

/** The name of the event that parts a subscription's history from what is live (RFC 0001 §13). */
const BACKFILL_COMPLETE = 'subscription.backfill_complete';

/** One that is live, as it is kept. */
export type KeptSubscription = Omit<SubscribeRecord, 'after'>;

export class SessionSubscriptions implements Subscriber {
  readonly #session: Watcher;
  readonly #context: Watched;
  readonly #subscriptions = new Map<string, Subscription>();
  /** What subscriptions begin with whose beginning is not yet committed. */
  readonly #pasts = new Map<string, readonly Held[]>();
  /** Subscriptions that there were so far. */
  #gathered = 0;
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
  close(
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
    this.forget(id);
  }

  overflowed(subscription: Subscription): void {
    if (this.isReplaying) return;
    this.close(
      subscription,
      'BACKPRESSURE_OVERFLOW',
      `more than ${this.#limits.maxSubscriptionBacklog} events wait for the client`,
    );
  }

  /** The store refused to take that one ends: it goes on. */
  lostEnd({ subscription_id: id }: ClosedRecord): void {
    const subscription = this.find(id);
    if (subscription !== undefined) subscription.isClosing = false;
  }

  /** Those that are live, as they are kept. */
  get kept(): KeptSubscription[] {
    return [...this.#subscriptions.values()]
      .filter(({ phase }) => phase.kind === 'live')
      .map(({ id, filter, ordinal }) => ({ subscription_id: id, filter, ordinal }));
  }

  /** Takes up those that there were at a moment before which the records are forgotten. */
  restore(kept: readonly KeptSubscription[]): void {
    for (const { subscription_id: id, filter, ordinal } of kept) {
      this.gather(id, filter, ordinal).phase = { kind: 'live' };
    }
  }

  /** The session has ended. */
  clear(): void {
    for (const id of [...this.#subscriptions.keys()]) this.forget(id);
  }

  /** It never was, or is no more. */
  forget(subscriptionId: string): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription === undefined) return;
    subscription.phase = { kind: 'closed' };
    this.#context.subscriptions.delete(subscription);
    this.#subscriptions.delete(subscriptionId);
    this.#pasts.delete(subscriptionId);
  }

  /** That one begins is committed. */
  began({ payload, correlationId }: ReadRecord<'subscribe'>): void {
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
  parted(event: LogEvent): void {
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
}
