/**
 * `subscribe`: what happens to a principal's jobs and sessions, told to whoever of the same principal asked for its kind
 * (RFC 0001 §13). Who watches single jobs is not here but in `watching.ts`.
 */
import { ruleFor, type Payload } from '../protocol/messages.js';
import type { Id, SessionId } from '../protocol/ids.js';
import { PRIORITIES } from '../protocol/priority.js';
import type { EventLog, LogEvent, LogSubject } from './event-log.js';
import type { Outbox, Wrapping } from './outbox.js';

export type SubscriptionFilter = Payload<'subscribe'>['filter'];

/** Whom a subscription tells. */
export interface Subscriber {
  readonly principal: string;
  readonly sessionId: SessionId;
  readonly outbox: Outbox;
  /** Events wait for the client, and the session keeps only so many of them. */
  overflowed(subscription: Subscription): void;
}

/** An event that is yet to be told: where it is, and how it is to be wrapped. */
export interface Held {
  readonly wrapping: Wrapping;
  readonly seq: number;
  readonly position: number;
}

type Phase =
  /** Until its past has been looked up: what happens meanwhile waits. */
  | { readonly kind: 'gathering'; readonly held: Held[] }
  | { readonly kind: 'live' }
  | { readonly kind: 'closed' };

export class Subscription {
  readonly id: Id<'subscription'>;
  /** Which of its session's subscriptions it is. */
  readonly ordinal: number;
  readonly filter: SubscriptionFilter;
  readonly subscriber: Subscriber;
  readonly #types: ReadonlySet<string>;
  readonly #wrappings = new WeakMap<EventLog, Wrapping>();
  readonly #maxBacklog: number;
  phase: Phase = { kind: 'gathering', held: [] };
  /** Its end is written, but not yet committed. */
  isClosing = false;

  /** @param maxBacklog events that may wait for the client */
  constructor(
    id: Id<'subscription'>,
    ordinal: number,
    filter: SubscriptionFilter,
    subscriber: Subscriber,
    maxBacklog: number,
  ) {
    this.id = id;
    this.ordinal = ordinal;
    this.filter = filter;
    this.subscriber = subscriber;
    this.#types = new Set(filter.types);
    this.#maxBacklog = maxBacklog;
  }

  /** Whether anything of this log can concern it. Fields are ANDed, the members of one ORed. */
  takes({ principal, sessionId, jobId, traceId, priority }: LogSubject): boolean {
    const { session_id, job_id, trace_id, min_priority } = this.filter;
    return (
      principal === this.subscriber.principal &&
      isAmong(sessionId, session_id) &&
      isAmong(jobId, job_id) &&
      isAmong(traceId, trace_id) &&
      (min_priority === undefined || PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf(min_priority))
    );
  }

  /**
   * Whether it is told an event of this type. Of what concerns no job a session is told its own, and of that not what
   * belongs to its watching.
   */
  takesType(type: string, { jobId, sessionId }: LogSubject): boolean {
    if (this.#types.size > 0 && !this.#types.has(type)) return false;
    if (jobId !== undefined) return true;
    return (
      sessionId === this.subscriber.sessionId && ruleFor(type)?.countable === true && !OF_WATCHING.has(type)
    );
  }

  /** Whether it is told events of this stream, or of none. */
  takesStream(streamId: string | undefined): boolean {
    return isAmong(streamId, this.filter.stream_id);
  }

  /** How it is told events of this log. */
  wrappingOf(log: EventLog, { sessionId }: LogSubject): Wrapping {
    let wrapping = this.#wrappings.get(log);
    if (wrapping === undefined) {
      const { id, order } = log;
      wrapping = {
        log: id,
        subscriptionId: this.id,
        sessionId,
        numberOf: (seq) => order.numberOf(seq) || undefined,
      };
      this.#wrappings.set(log, wrapping);
    }
    return wrapping;
  }

  tell(event: LogEvent, subject: LogSubject): void {
    if (!this.takesType(event.type, subject) || !this.takesStream(event.streamId) || !this.takes(subject))
      return;
    const wrapping = this.wrappingOf(event.source, subject);
    if (this.phase.kind === 'gathering') {
      const { seq, source } = event;
      this.phase.held.push({ wrapping, seq, position: source.order.positionOf(seq) });
      if (this.phase.held.length > this.#maxBacklog) this.subscriber.overflowed(this);
    } else if (this.phase.kind === 'live') {
      this.subscriber.outbox.tell(event, wrapping);
      if (this.subscriber.outbox.backlog > this.#maxBacklog) this.subscriber.overflowed(this);
    }
  }
}

/** An empty list asks for nothing in particular. */
function isAmong(value: string | undefined, members: readonly string[]): boolean {
  return members.length === 0 || (value !== undefined && members.includes(value));
}

const OF_WATCHING: ReadonlySet<string> = new Set(['event.emit', 'subscribe.closed']);

/** The subscriptions of all sessions, by principal. */
export class SubscriptionTable {
  readonly #byPrincipal = new Map<string, Set<Subscription>>();

  add(subscription: Subscription): void {
    const { principal } = subscription.subscriber;
    const others = this.#byPrincipal.get(principal);
    if (others === undefined) this.#byPrincipal.set(principal, new Set([subscription]));
    else others.add(subscription);
  }

  delete(subscription: Subscription): void {
    const { principal } = subscription.subscriber;
    const others = this.#byPrincipal.get(principal);
    others?.delete(subscription);
    if (others?.size === 0) this.#byPrincipal.delete(principal);
  }

  /** An event was committed. */
  tell(event: LogEvent): void {
    if (this.#byPrincipal.size === 0) return;
    const { subject } = event.source;
    if (subject === undefined) return;
    const subscriptions = this.#byPrincipal.get(subject.principal);
    if (subscriptions === undefined) return;
    for (const subscription of subscriptions) subscription.tell(event, subject);
  }
}
