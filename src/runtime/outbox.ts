/**
 * What one session is told, numbered (law L3).
 *
 * (O1) Every committed event that the session watches gets the next `event_seq`, from 1, whether or not anybody is
 *      connected; the number of an event never changes.
 * (O2) The connection gets events in that order. One that falls behind is fed again from the store when it has
 *      caught up; meanwhile only the events' places are kept here, so a slow reader costs no text (L7).
 * (O3) The latest `maxReplayEvents` places are kept, and at most twice as many: `oldestReplayable` says from where a
 *      client can still resume.
 * (O4) At most `ackWindow` events are sent beyond the last that the client acknowledged. A new connection begins with
 *      what its client says it has.
 */
import type { Id, SessionId } from '../protocol/ids.js';
import type { Store, StoredRecord } from '../store/store.js';
import type { Limits } from './limits.js';
import type { EventObserver, LogEvent } from './event-log.js';

/** How an event is told to a session that subscribed to its kind instead of asking for its job (RFC 0001 §13). */
export interface Wrapping {
  /** The log that the event is in. */
  readonly log: string;
  readonly subscriptionId: Id<'subscription'>;
  /** The session that the event is of, and its number there, if it has one. */
  readonly sessionId: SessionId;
  numberOf(seq: number): number | undefined;
}

/** What an event that a session is told comes from: a log, as it is or to be wrapped. */
type Source = string | Wrapping;

/** The connection's side: takes numbered events. */
export interface EventSink {
  event(record: StoredRecord, eventSeq: number, wrapping?: Wrapping): void;
  /** Bytes that the peer has not taken yet. */
  readonly buffered: number;
}

/** The store has forgotten what a session has yet to be told. */
export class EventsForgotten extends Error {}

/** Events fetched from the store in one go while catching up. */
const CATCH_UP_BATCH = 64;

/** Adds to an event what is for this session only, and never stored. */
export type Disclose = (record: StoredRecord) => StoredRecord;

export type ReplayFailure = (eventSeq: number, error: unknown) => void;

export class Outbox implements EventObserver {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #onReplayFailure: ReplayFailure;
  readonly #disclose: Disclose;
  /** The places of events `#base + 1 …`, as two parallel lists: they are many and small. */
  #logs: Source[] = [];
  #seqs: number[] = [];
  #base = 0;
  #lastSent = 0;
  #acknowledged = 0;
  #sink: EventSink | undefined;
  #catchingUp = false;
  #closed = false;
  #whenCaughtUp: (() => void)[] = [];

  constructor(
    store: Store,
    limits: Limits,
    onReplayFailure: ReplayFailure,
    disclose: Disclose = (record) => record,
  ) {
    this.#store = store;
    this.#limits = limits;
    this.#onReplayFailure = onReplayFailure;
    this.#disclose = disclose;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get lastSeq(): number {
    return this.#base + this.#logs.length;
  }

  /** The smallest `last_event_seq` that a client can resume from. */
  get oldestReplayable(): number {
    return this.#base;
  }

  /**
   * The latest event has this number after all, and those up to `oldest` cannot be replayed: what was told before a
   * restart is counted again, but without what was forgotten since. Returns by how much the count was wrong.
   */
  renumber(lastSeq: number, oldest: number): number {
    const by = lastSeq - this.lastSeq;
    this.#base += by;
    const surplus = Math.min(Math.max(0, oldest - this.#base), this.#logs.length);
    this.#logs = this.#logs.slice(surplus);
    this.#seqs = this.#seqs.slice(surplus);
    this.#base += surplus;
    return by;
  }

  /** Nobody knows what a client had before a restart; it says so itself when it comes. Until then nothing waits for it. */
  restored(): void {
    this.#lastSent = this.lastSeq;
  }

  /** The number of the latest event that stands in one of these logs. */
  latestOf(logs: ReadonlySet<string>): number | undefined {
    for (let index = this.#logs.length - 1; index >= 0; index -= 1) {
      const source = this.#logs[index];
      if (source !== undefined && logs.has(logOf(source))) return this.#base + index + 1;
    }
    return undefined;
  }

  /** Events that the connection has yet to be given. */
  get backlog(): number {
    return this.lastSeq - this.#lastSent;
  }

  onEvent(event: LogEvent): void {
    this.tell(event, event.log);
  }

  /** Numbers the event; wrapped, where it is told to a subscription. */
  tell(event: LogEvent, source: Source): void {
    if (this.#closed) {
      this.#base += 1;
      return;
    }
    this.#logs.push(source);
    this.#seqs.push(event.seq);
    const eventSeq = this.lastSeq;
    const sink = this.#sink;
    if (
      sink !== undefined &&
      this.#lastSent === eventSeq - 1 &&
      eventSeq <= this.#windowEnd &&
      sink.buffered < this.#limits.softBufferBytes
    ) {
      this.#lastSent = eventSeq;
      if (typeof source === 'string') sink.event(this.#disclose(event), eventSeq);
      else sink.event(event, eventSeq, source);
    }
    this.#trimSurplus();
  }

  /** Whether it has places of this log. */
  tells(log: string): boolean {
    return this.#logs.includes(log);
  }

  /** Numbers what was committed before: events `from` to `to` of one log. They are read from the store when sent. */
  recall(source: Source, from: number, to: number): void {
    if (this.#closed) return;
    for (let seq = from; seq <= to; seq += 1) {
      this.#logs.push(source);
      this.#seqs.push(seq);
    }
    this.#trimSurplus();
    this.resume();
  }

  /** The client has read this far: the window moves on, never back. */
  acknowledge(eventSeq: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(eventSeq, this.#lastSent));
    this.resume();
  }

  /** Sends everything behind `after` again, under the same numbers. */
  repeat(after: number): void {
    this.#lastSent = Math.min(this.#lastSent, after);
    this.resume();
  }

  /** The number of an event of a log, where it was told as it is; the latest, if it was told twice. */
  numberOf(log: string, seq: number): number | undefined {
    for (let at = this.#logs.length - 1; at >= 0; at -= 1) {
      if (this.#seqs[at] === seq && this.#logs[at] === log) return this.#base + at + 1;
    }
    return undefined;
  }

  /** What was told under a number to a subscription. */
  wrappedAt(eventSeq: number): { readonly wrapping: Wrapping; readonly seq: number } | undefined {
    const wrapping = this.#logs[eventSeq - this.#base - 1];
    const seq = this.#seqs[eventSeq - this.#base - 1];
    if (typeof wrapping !== 'object' || seq === undefined) return undefined;
    return { wrapping, seq };
  }

  /** The last number that may be sent before the client acknowledges more. */
  get #windowEnd(): number {
    const { ackWindow } = this.#limits;
    return ackWindow === 0 ? Infinity : this.#acknowledged + ackWindow;
  }

  #mayNotSend(): boolean {
    const sink = this.#sink;
    if (sink === undefined || this.#lastSent >= this.lastSeq || this.#lastSent >= this.#windowEnd)
      return true;
    return sink.buffered >= this.#limits.softBufferBytes;
  }

  /** Connects a sink that has everything up to `after`; the rest follows. */
  attach(sink: EventSink, after: number): void {
    this.#sink = sink;
    this.#lastSent = after;
    this.#acknowledged = Math.max(this.#acknowledged, after);
    this.resume();
  }

  detach(): void {
    this.#sink = undefined;
    this.#tellCaughtUp();
  }

  /** Resolves once the connection has been given everything, or there is none. */
  caughtUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenCaughtUp.push(resolve);
      this.#tellCaughtUp();
    });
  }

  #tellCaughtUp(): void {
    if (this.#sink !== undefined && this.#lastSent < this.lastSeq) return;
    const waiting = this.#whenCaughtUp;
    this.#whenCaughtUp = [];
    for (const resolve of waiting) resolve();
  }

  /** Nobody will ask any more; jobs may go on telling, and are numbered on. */
  close(): void {
    this.#base = this.lastSeq;
    this.#closed = true;
    this.detach();
    this.#logs = [];
    this.#seqs = [];
  }

  /** The sink has room again. */
  resume(): void {
    if (!this.#catchingUp && !this.#mayNotSend()) void this.#catchUp();
  }

  /** The logs of which this session could still be asked for an event after `after`. */
  logsAfter(after: number): Set<string> {
    return new Set(this.#logs.slice(after - this.#base).map(logOf));
  }

  /** (O3) */
  #trimSurplus(): void {
    const { maxReplayEvents } = this.#limits;
    if (this.#logs.length <= 2 * maxReplayEvents) return;
    const surplus = this.#logs.length - maxReplayEvents;
    this.#logs = this.#logs.slice(surplus);
    this.#seqs = this.#seqs.slice(surplus);
    this.#base += surplus;
  }

  async #catchUp(): Promise<void> {
    this.#catchingUp = true;
    try {
      for (;;) {
        const sink = this.#sink;
        if (sink === undefined || this.#mayNotSend()) return;
        const after = this.#lastSent;
        const { source, records } = await this.#nextRun();
        if (this.#sink !== sink || this.#lastSent !== after) continue;
        for (const record of records) {
          if (this.#mayNotSend()) return;
          this.#lastSent += 1;
          if (typeof source === 'string') sink.event(this.#disclose(record), this.#lastSent);
          else sink.event(record, this.#lastSent, source);
        }
      }
    } catch (error) {
      this.#onReplayFailure(this.#lastSent + 1, error);
    } finally {
      this.#catchingUp = false;
      this.#tellCaughtUp();
    }
  }

  /** The longest run of unsent places that lie side by side in one log, read from the store. */
  async #nextRun(): Promise<{ readonly source: Source; readonly records: readonly StoredRecord[] }> {
    const first = this.#lastSent - this.#base;
    const source = this.#logs[first];
    const seq = this.#seqs[first];
    if (source === undefined || seq === undefined)
      throw new EventsForgotten('the event is older than what the session keeps');
    let count = 1;
    while (
      count < CATCH_UP_BATCH &&
      this.#logs[first + count] === source &&
      this.#seqs[first + count] === seq + count
    ) {
      count += 1;
    }
    const log = logOf(source);
    const records = await this.#store.read(log, seq - 1, count);
    if (records.length < count) throw new EventsForgotten(`log ${log} is no longer kept`);
    return { source, records };
  }
}

function logOf(source: Source): string {
  return typeof source === 'string' ? source : source.log;
}
