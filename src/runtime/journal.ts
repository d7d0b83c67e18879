/**
 * Group commit: gathers what many logs append in one turn and hands it to the store as one group (law L2).
 *
 * (J1) Events reach their logs' observers in the order in which they were appended, after the store has them.
 * (J2) One group is at the store at a time; what is appended meanwhile forms the next one.
 * (J3) When the store refuses a group, its events are never shown, nor what was appended behind them to the same logs:
 *      each of these logs is rewound and its owner told once. Other logs go on.
 */
import type { Store } from '../store/store.js';
import { Completion } from './completion.js';
import type { EventLog, LogEvent } from './event-log.js';

export type JournalFailure = (log: EventLog, lost: readonly LogEvent[], error: unknown) => void;

export class Journal {
  readonly #store: Store;
  readonly #onFailure: JournalFailure;
  readonly #maxRecords: number;
  /** Microtasks end a turn of the memory store; a durable one waits for the turn's other callbacks too. */
  readonly #atTurnEnd: (flush: () => void) => void;
  #pending: LogEvent[] = [];
  #scheduled = false;
  #inFlight = false;
  #failing = false;
  /** Whoever waits for the group that is at the store, and for the next one. */
  #flight: Completion | undefined;
  #next: Completion | undefined;

  constructor(store: Store, onFailure: JournalFailure) {
    this.#store = store;
    this.#onFailure = onFailure;
    const { grouping } = store;
    this.#maxRecords = grouping.kind === 'batch' ? grouping.records : Infinity;
    this.#atTurnEnd = grouping.kind === 'batch' ? setImmediate : queueMicrotask;
  }

  /** Whether the store refused the latest group. */
  get failing(): boolean {
    return this.#failing;
  }

  append(event: LogEvent): void {
    this.#pending.push(event);
    if (this.#inFlight) return;
    if (this.#pending.length === this.#maxRecords) queueMicrotask(this.#onSchedule);
    else if (!this.#scheduled) this.#schedule();
  }

  /** Resolves once everything that was appended before the call is committed or refused, whatever comes after it. */
  flushed(): Promise<void> {
    if (this.#pending.length > 0) return (this.#next ??= new Completion()).promise;
    if (this.#inFlight) return (this.#flight ??= new Completion()).promise;
    return Promise.resolve();
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#atTurnEnd(this.#onSchedule);
  }

  readonly #onSchedule = (): void => {
    this.#scheduled = false;
    if (!this.#inFlight && this.#pending.length > 0) this.#flush();
  };

  #flush(): void {
    const group = this.#pending;
    this.#pending = [];
    this.#flight = this.#next;
    this.#next = undefined;
    let done: void | Promise<void>;
    try {
      done = this.#store.append(group);
    } catch (error) {
      this.#refused(group, error);
      return;
    }
    if (done === undefined) {
      this.#committed(group);
      return;
    }
    this.#inFlight = true;
    void done.then(
      () => {
        this.#committed(group);
      },
      (error: unknown) => {
        this.#refused(group, error);
      },
    );
  }

  #committed(group: readonly LogEvent[]): void {
    this.#inFlight = false;
    this.#failing = false;
    for (const event of group) event.source.committed(event);
    this.#settle();
  }

  #refused(group: readonly LogEvent[], error: unknown): void {
    this.#inFlight = false;
    this.#failing = true;
    const lost = new Map<EventLog, LogEvent[]>();
    for (const event of group) {
      const events = lost.get(event.source);
      if (events === undefined) lost.set(event.source, [event]);
      else events.push(event);
    }
    const others: LogEvent[] = [];
    for (const event of this.#pending) (lost.get(event.source) ?? others).push(event);
    this.#pending = others;
    for (const log of lost.keys()) log.rewind();
    for (const [log, events] of lost) this.#onFailure(log, events, error);
    this.#settle();
  }

  #settle(): void {
    this.#flight?.resolve();
    this.#flight = undefined;
    if (this.#pending.length > 0 && !this.#scheduled) this.#schedule();
  }
}
