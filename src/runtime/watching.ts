/**
 * What one session watches beside the jobs that it asked for: single jobs (`job.subscribe`, decision 10) and kinds of
 * events (`subscribe`, RFC 0001 §13).
 *
 * (W1) Watching begins and ends with a record in the session's log. When that is committed, it is settled what is
 *      history and what is live, by the one order of commits: no gap and no duplicate between them, and the same again
 *      when the logs are read in that order (L2, L3). So whatever was decided when the record was written, it says: a
 *      limit that is another one after a restart changes nothing of what was told before.
 * (W2) History is numbered at once and read from the store as the client takes it.
 * W3 and W4 are in `watched-jobs.ts`.
 */
import type { JobId, SessionId } from '../protocol/ids.js';
import type { EventLog, EventObserver, LogEvent } from './event-log.js';
import type { JobTable } from './job-table.js';
import type { Journal } from './journal.js';
import type { Outbox } from './outbox.js';
import type { Peer } from './peer.js';
import type { SessionLogContext } from './session-log.js';
import { SessionSubscriptions, type KeptSubscription } from './session-subscriptions.js';
import type { SubscriptionTable } from './subscriptions.js';
import { WatchedJobs } from './watched-jobs.js';
import { readRecord } from './watch-records.js';

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

/** What a session watched when a part of its log began: with it the parts before can be forgotten. */
export interface WatchState {
  /** The part that began, and the position of the latest record before it. */
  readonly part: string;
  readonly position: number;
  /** What the session had been told by then. */
  readonly eventSeq: number;
  readonly jobs: readonly JobId[];
  readonly subscriptions: readonly KeptSubscription[];
}

/** States that are kept: as many as a session's log may have parts, and some that are about to be forgotten. */
const MAX_STATES = 16;

export class Watching implements EventObserver {
  readonly jobs: WatchedJobs;
  readonly subscriptions: SessionSubscriptions;
  readonly #session: Watcher;
  #part: EventLog | undefined;
  readonly #states = new Map<string, WatchState>();

  constructor(session: Watcher, context: Watched) {
    this.#session = session;
    this.jobs = new WatchedJobs(session, context);
    this.subscriptions = new SessionSubscriptions(session, context);
  }

  /** Something in the session's own log is committed. */
  onEvent(event: LogEvent): void {
    this.#noteState(event.source);
    switch (event.type) {
      case 'job.subscribe':
        this.jobs.began(readRecord('job.subscribe', event));
        break;
      case 'job.unsubscribe':
        this.jobs.ended(readRecord('job.unsubscribe', event).payload);
        break;
      case 'subscribe':
        this.subscriptions.began(readRecord('subscribe', event));
        break;
      case 'event.emit':
        this.subscriptions.parted(event);
        break;
      case 'subscribe.closed':
        this.subscriptions.forget(readRecord('subscribe.closed', event).payload.subscription_id);
        this.#session.outbox.onEvent(event);
        break;
      default:
        this.#session.outbox.onEvent(event);
    }
  }

  /** The store refused records of the session's log: what they begin never was, and what they end goes on. */
  lost(events: readonly LogEvent[]): void {
    for (const event of events) {
      if (event.type === 'job.subscribe') this.jobs.lostBegin();
      else if (event.type === 'job.unsubscribe')
        this.jobs.lostEnd(readRecord('job.unsubscribe', event).payload);
      else if (event.type === 'subscribe')
        this.subscriptions.forget(readRecord('subscribe', event).payload.subscription_id);
      else if (event.type === 'subscribe.closed')
        this.subscriptions.lostEnd(readRecord('subscribe.closed', event).payload);
    }
  }

  /** The session has ended. */
  close(): void {
    this.jobs.close();
    this.subscriptions.clear();
  }

  /** What was watched when this part of the session's log began; nothing for its first. */
  stateBefore(part: string): WatchState | undefined {
    return this.#states.get(part);
  }

  /** Takes up what was watched at a moment before which the records are forgotten. */
  restore(state: WatchState): void {
    this.#states.set(state.part, state);
    this.jobs.restore(state.jobs);
    this.subscriptions.restore(state.subscriptions);
  }

  #noteState(part: EventLog): void {
    if (part === this.#part) return;
    if (this.#part !== undefined) {
      this.#states.set(part.id, {
        part: part.id,
        position: this.#part.order.lastPosition,
        eventSeq: this.#session.outbox.lastSeq,
        jobs: this.jobs.kept,
        subscriptions: this.subscriptions.kept,
      });
      for (const oldest of this.#states.keys()) {
        if (this.#states.size <= MAX_STATES) break;
        this.#states.delete(oldest);
      }
    }
    this.#part = part;
  }
}
