/**
 * Where the events of one log stand among the commits of all logs, and in the numbering of the session that asked for
 * the job. Both only grow, and mostly by one from event to event, so only the places where they jump are kept: a log
 * that nothing else is mixed with costs one entry, however long it is.
 */

/** Events `from` to `to` of a log that were committed one after the other, the first of them at `position`. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly position: number;
}

const WIDTH = 3;
type Column = 1 | 2;
const POSITION: Column = 1;
const NUMBER: Column = 2;

export class EventOrder {
  /** Threes: the first `seq` of an entry, its position, its number. */
  readonly #entries: number[] = [];
  #last = 0;
  #lastPosition = 0;
  #lastNumber = 0;

  /** The next event of the log was committed. The first ones may have the number 0: theirs are not known. */
  note(position: number, number: number): void {
    this.#last += 1;
    const next = this.#lastNumber === 0 ? 0 : this.#lastNumber + 1;
    if (position !== this.#lastPosition + 1 || number !== next || this.#last === 1) {
      this.#entries.push(this.#last, position, number);
    }
    this.#lastPosition = position;
    this.#lastNumber = number;
  }

  /** What is numbered was miscounted by as many; what then has a number up to `unknown` has none that is known. */
  renumber(by: number, unknown: number): void {
    const before = this.#entries.splice(0);
    const last = this.#last;
    for (let at = 0; at < before.length; at += WIDTH) {
      const [seq = 0, position = 0, number = 0] = before.slice(at, at + WIDTH);
      const end = (before[at + WIDTH] ?? last + 1) - 1;
      const known = number === 0 ? end + 1 : Math.max(seq, seq + unknown + 1 - (number + by));
      if (known > seq) this.#entries.push(seq, position, 0);
      if (known <= end) this.#entries.push(known, position + known - seq, number + by + known - seq);
    }
    const latest = this.#lastNumber + by;
    this.#lastNumber = this.#lastNumber === 0 || latest <= unknown ? 0 : latest;
  }

  /** Of the latest event; 0 before the first. */
  get lastPosition(): number {
    return this.#lastPosition;
  }

  /** Of the latest event; 0 before the first. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  positionOf(seq: number): number {
    return this.#value(seq, POSITION);
  }

  /** The event's `event_seq` in the session that asked for the job; 0 where that is not known. */
  numberOf(seq: number): number {
    return this.#value(seq, NUMBER);
  }

  /** How many events of the log are numbered up to `number`. */
  countToNumber(number: number): number {
    return this.#countTo(number, NUMBER);
  }

  /** How many events of the log were committed up to `position`. */
  countToPosition(position: number): number {
    return this.#countTo(position, POSITION);
  }

  /** The events behind the first `after`, in stretches that nothing else was committed between. */
  *stretchesAfter(after: number): Generator<Stretch> {
    const entries = this.#entries;
    for (let at = 0; at < entries.length; at += WIDTH) {
      const start = entries[at] ?? 0;
      const end = (entries[at + WIDTH] ?? this.#last + 1) - 1;
      const from = Math.max(start, after + 1);
      if (from <= end) yield { from, to: end, position: (entries[at + POSITION] ?? 0) + from - start };
    }
  }

  #value(seq: number, column: Column): number {
    const at = this.#entryBefore(seq, 0);
    const first = this.#entries[at + column] ?? 0;
    return at < 0 || first === 0 ? 0 : first + seq - (this.#entries[at] ?? 0);
  }

  #countTo(value: number, column: Column): number {
    const at = this.#entryBefore(value, column);
    const first = this.#entries[at + column] ?? 0;
    if (at < 0 || first === 0) return 0;
    const end = (this.#entries[at + WIDTH] ?? this.#last + 1) - 1;
    return Math.min(end, (this.#entries[at] ?? 0) + value - first);
  }

  /** Index of the last entry whose column holds at most `value`, or below 0. */
  #entryBefore(value: number, column: number): number {
    let low = 0;
    let high = this.#entries.length / WIDTH;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle * WIDTH + column] ?? 0) <= value) low = middle + 1;
      else high = middle;
    }
    return (low - 1) * WIDTH;
  }
}

/** The stretches of several logs as they were committed. */
export function inCommitOrder<Part extends Stretch>(parts: Iterable<Part>): Part[] {
  return [...parts].sort((a, b) => a.position - b.position);
}
