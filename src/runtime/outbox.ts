/**
 * What one session is told, numbered (law L3).
 *
 * (O1) Every committed event that the session watches gets the next `event_seq`, from 1, whether or not anybody is
 *      connected; the number of an event never changes.
 * (O2) The connection gets events in that order. One that falls behind is fed again from the store when it has
 *      caught up; meanwhile only the events' places are kept here, so a slow reader costs no text (L7).
 * (O3) The latest `maxReplayEvents` places are kept, and at most twice as many: `oldestReplayable` says from where a
 *      client can still resume.
 */
import type { Store, StoredRecord } from '../store/store.js';
import type { Limits } from './limits.js';
import type { EventObserver, LogEvent } from './event-log.js';

/** The connection's side: takes numbered events. */
export interface EventSink {
  event(record: Pick<StoredRecord, 'type' | 'body'>, eventSeq: number): void;
  /** Bytes that the peer has not taken yet. */
  readonly buffered: number;
}

/** The store has forgotten what a session has yet to be told. */
export class EventsForgotten extends Error {}

/** Events fetched from the store in one go while catching up. */
const CATCH_UP_BATCH = 64;

/** Where an event stands: the `seq`-th record of a log. */
export interface Place {
  readonly log: string;
  readonly seq: number;
}

export type ReplayFailure = (eventSeq: number, error: unknown) => void;

export class Outbox implements EventObserver {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #onReplayFailure: ReplayFailure;
  /** The places of events `#base + 1 …`, as two parallel lists: they are many and small. */
  #logs: string[] = [];
  #seqs: number[] = [];
  #base = 0;
  #lastSent = 0;
  #sink: EventSink | undefined;
  #catchingUp = false;
  #closed = false;
  #whenCaughtUp: (() => void)[] = [];

  constructor(store: Store, limits: Limits, onReplayFailure: ReplayFailure) {
    this.#store = store;
    this.#limits = limits;
    this.#onReplayFailure = onReplayFailure;
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

  /** Takes up the places of what the session was told before a restart, in the order of commit. */
  restore(places: readonly Place[], base = 0): void {
    this.#base = base;
    this.#logs = places.map(({ log }) => log);
    this.#seqs = places.map(({ seq }) => seq);
  }

  /** The latest place that stands in one of these logs. */
  latestOf(logs: ReadonlySet<string>): (Place & { readonly eventSeq: number }) | undefined {
    for (let index = this.#logs.length - 1; index >= 0; index -= 1) {
      const log = this.#logs[index];
      const seq = this.#seqs[index];
      if (log !== undefined && seq !== undefined && logs.has(log)) {
        return { log, seq, eventSeq: this.#base + index + 1 };
      }
    }
    return undefined;
  }

  onEvent(event: LogEvent): void {
    if (this.#closed) return;
    this.#logs.push(event.log);
    this.#seqs.push(event.seq);
    const eventSeq = this.lastSeq;
    const sink = this.#sink;
    if (
      sink !== undefined &&
      this.#lastSent === eventSeq - 1 &&
      sink.buffered < this.#limits.softBufferBytes
    ) {
      this.#lastSent = eventSeq;
      sink.event(event, eventSeq);
    }
    this.#trimSurplus();
  }

  /** Whether it has places of this log. */
  tells(log: string): boolean {
    return this.#logs.includes(log);
  }

  /**
   * Tells the first `count` events of a log, which the store has; to be called before the log is observed. More than
   * a session keeps for replay are not told: their reader would be cut off.
   */
  enqueue(log: string, count: number): void {
    if (this.#closed || count > this.#limits.maxReplayEvents) return;
    for (let seq = 1; seq <= count; seq += 1) {
      this.#logs.push(log);
      this.#seqs.push(seq);
    }
    this.#trimSurplus();
    this.resume();
  }

  /** Connects a sink that has everything up to `after`; the rest follows. */
  attach(sink: EventSink, after: number): void {
    this.#sink = sink;
    this.#lastSent = after;
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

  /** Nobody will ask any more; jobs may go on telling. */
  close(): void {
    this.#closed = true;
    this.detach();
    this.#logs = [];
    this.#seqs = [];
  }

  /** The sink has room again. */
  resume(): void {
    if (!this.#catchingUp && this.#sink !== undefined && this.#lastSent < this.lastSeq) void this.#catchUp();
  }

  /** The logs of which this session could still be asked for an event after `after`. */
  logsAfter(after: number): Set<string> {
    return new Set(this.#logs.slice(after - this.#base));
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
        if (sink === undefined || this.#lastSent >= this.lastSeq) return;
        if (sink.buffered >= this.#limits.softBufferBytes) return;
        const records = await this.#nextRun();
        if (this.#sink !== sink) continue;
        for (const record of records) {
          if (sink.buffered >= this.#limits.softBufferBytes) return;
          this.#lastSent += 1;
          sink.event(record, this.#lastSent);
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
  async #nextRun(): Promise<readonly StoredRecord[]> {
    const first = this.#lastSent - this.#base;
    const log = this.#logs[first];
    const seq = this.#seqs[first];
    if (log === undefined || seq === undefined)
      throw new EventsForgotten('the event is older than what the session keeps');
    let count = 1;
    while (
      count < CATCH_UP_BATCH &&
      this.#logs[first + count] === log &&
      this.#seqs[first + count] === seq + count
    ) {
      count += 1;
    }
    const records = await this.#store.read(log, seq - 1, count);
    if (records.length < count) throw new EventsForgotten(`log ${log} is no longer kept`);
    return records;
  }
}
