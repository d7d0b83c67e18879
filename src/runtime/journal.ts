/**
 * Group commit: gathers what many logs append in one turn and hands it to the store as one group (law L2).
 *
 * (J1) Events reach their logs' observers in the order in which they were appended, after the store has them.
 * (J2) One group is at the store at a time; what is appended meanwhile forms the next one.
 * (J3) When the store refuses a group, its events are never shown, nor what was appended behind them to the same logs:
 *      each of these logs is rewound and its owner told once. In the same way documents are refused with what follows on
 *      them, since a revision that cannot be put would take a whole group with it. Other logs and documents go on.
 * (J4) An agent that awaits each of its acts does not hold the event loop: after some groups in one turn the next one
 *      waits for the next turn, so that sockets and timers have theirs.
 * (J5) A durable store is given what one turn of the event loop appended, but at the latest what gathered in 2 ms, or as
 *      many writes as it takes in one group.
 */
import type { DocumentWrite, Store } from '../store/store.js';
import type { Clock } from '../clock.js';
import { Completion } from './completion.js';
import type { EventLog, LogEvent } from './event-log.js';

/** A document to be kept, and who is told when it is: with the error, when it cannot be. */
export interface DocumentEntry extends DocumentWrite {
  readonly settled: (error?: unknown) => void;
}

type Entry = LogEvent | DocumentEntry;

export type JournalFailure = (log: EventLog, lost: readonly LogEvent[], error: unknown) => void;

/** How long the first write of a group waits for others, in a turn that takes its time (J5). */
const MAX_WAIT_MS = 2;
/** Groups that may be committed in one turn of the event loop (J4). */
const MAX_GROUPS_PER_TURN = 64;

export class Journal {
  readonly #store: Store;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #onFailure: JournalFailure;
  readonly #onCommit: (event: LogEvent) => void;
  readonly #maxRecords: number;
  /** Microtasks end a turn of the memory store; a durable one waits for the turn's other callbacks too. */
  readonly #atTurnEnd: (flush: () => void) => void;
  #pending: Entry[] = [];
  #scheduled = false;
  #inFlight = false;
  /** Of the latest commit. */
  #position = 0;
  #failing = false;
  /** When the group that is gathering should be committed, in milliseconds since the epoch. */
  #dueAt = Infinity;
  #groupsThisTurn = 0;
  /** Whoever waits for the group that is at the store, and for the next one. */
  #flight: Completion | undefined;
  #next: Completion | undefined;

  /** @param onCommit told of each event after its log's observers */
  constructor(
    store: Store,
    clock: Pick<Clock, 'now'>,
    onFailure: JournalFailure,
    onCommit: (event: LogEvent) => void = () => undefined,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#onCommit = onCommit;
    const { grouping } = store;
    this.#maxRecords = grouping.kind === 'batch' ? grouping.writes : Infinity;
    this.#atTurnEnd = grouping.kind === 'batch' ? setImmediate : queueMicrotask;
  }

  /** Whether the store refused the latest group. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Of the latest commit. */
  get position(): number {
    return this.#position;
  }

  append(entry: Entry): void {
    this.#pending.push(entry);
    if (this.#inFlight) return;
    if (this.#isDue && this.#mayFlush) queueMicrotask(this.#onSchedule);
    else if (!this.#scheduled) this.#schedule();
  }

  /** (J5) Said once of a group. */
  get #isDue(): boolean {
    if (this.#maxRecords === Infinity) return false;
    const { length } = this.#pending;
    if (length === 1) this.#dueAt = this.#clock.now() + MAX_WAIT_MS;
    const isDue = length === this.#maxRecords || (length > 1 && this.#clock.now() >= this.#dueAt);
    if (isDue) this.#dueAt = Infinity;
    return isDue;
  }

  /** What is committed from now on stands behind this position, the last that an earlier life gave. */
  continueAfter(position: number): void {
    this.#position = position;
  }

  /** Resolves once everything that was appended before the call is committed or refused, whatever comes after it. */
  flushed(): Promise<void> {
    if (this.#pending.length > 0) return (this.#next ??= new Completion()).promise;
    if (this.#inFlight) return (this.#flight ??= new Completion()).promise;
    return Promise.resolve();
  }

  #schedule(): void {
    this.#scheduled = true;
    if (this.#mayFlush) this.#atTurnEnd(this.#onSchedule);
    else setImmediate(this.#onSchedule);
  }

  /** (J4) */
  get #mayFlush(): boolean {
    return this.#groupsThisTurn < MAX_GROUPS_PER_TURN;
  }

  readonly #onNextTurn = (): void => {
    this.#groupsThisTurn = 0;
  };

  readonly #onSchedule = (): void => {
    this.#scheduled = false;
    if (!this.#inFlight && this.#pending.length > 0) this.#flush();
  };

  #flush(): void {
    if (this.#groupsThisTurn === 0) setImmediate(this.#onNextTurn);
    this.#groupsThisTurn += 1;
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

  #committed(group: readonly Entry[]): void {
    this.#inFlight = false;
    this.#failing = false;
    for (const entry of group) {
      if (entry.kind === 'document') {
        entry.settled();
        continue;
      }
      this.#position += 1;
      entry.source.committed(entry, this.#position);
      this.#onCommit(entry);
    }
    this.#settle();
  }

  #refused(group: readonly Entry[], error: unknown): void {
    this.#inFlight = false;
    this.#failing = true;
    const lost = new Map<EventLog, LogEvent[]>();
    const documents: DocumentEntry[] = [];
    for (const entry of group) {
      if (entry.kind === 'document') {
        documents.push(entry);
        continue;
      }
      const events = lost.get(entry.source);
      if (events === undefined) lost.set(entry.source, [entry]);
      else events.push(entry);
    }
    const keys = new Set(documents.map(({ key }) => key));
    const others: Entry[] = [];
    for (const entry of this.#pending) {
      if (entry.kind === 'record') (lost.get(entry.source) ?? others).push(entry);
      else if (keys.has(entry.key)) documents.push(entry);
      else others.push(entry);
    }
    this.#pending = others;
    for (const document of documents) document.settled(error);
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
