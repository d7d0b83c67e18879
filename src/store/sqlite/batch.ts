/**
 * How a batch of records lies in a row of the file: what one group appended, side by side.
 *
 * (B1) `bodies` has the body of each record and behind it its head, where it has one, as UTF-8.
 * (B2) `records` says what they are, as JSON. It is small beside the bodies and stands in front of them, so that whoever
 *      wants to know only where records stand reads no text.
 */
import type { LogRecord, StoredRecord } from '../store.js';

/** As it is stored. */
export interface BatchRow {
  /** The position of the last record, and of the first. Where records were forgotten there are gaps between. */
  readonly last: number;
  readonly first: number;
  readonly records: string;
  readonly bodies: Buffer;
}

/** What `records` is made of. */
interface Contents {
  /** Names of logs, by slot. */
  readonly logs: readonly string[];
  readonly types: readonly string[];
  /** `WIDTH` numbers a record. */
  readonly records: readonly number[];
}

/** The numbers of a record: its distance from the first position, its log's slot, … */
const OFFSET = 0;
const SLOT = 1;
const SEQ = 2;
const TYPE = 3;
/** Of the body, as UTF-8. */
const BYTES = 4;
/** Of the head, as UTF-8; below 0 for none. */
const HEAD = 5;
const WIDTH = 6;
const NO_HEAD = -1;
/** About what an entry takes in `records`. */
const ENTRY_BYTES = 20;

/** A record of a batch: what it is, and where its text is. */
export interface BatchRecord {
  readonly position: number;
  readonly slot: number;
  readonly log: string;
  readonly seq: number;
  readonly type: string;
  readonly bytes: number;
  /** Bytes of its head, if it has one. */
  readonly head: number | undefined;
  /** Where its body begins in the bodies. */
  readonly from: number;
}

/** Puts a batch together. */
export class BatchWriter {
  readonly #logs: string[] = [];
  readonly #types: string[] = [];
  #records = '';
  #bodies = '';
  #size = 0;

  /** Bytes that it has. */
  get size(): number {
    return this.#size;
  }

  /** Adds a log, and returns its slot. */
  addLog(name: string): number {
    return this.#logs.push(name) - 1;
  }

  /** Returns by how many bytes the batch has grown. */
  add(offset: number, slot: number, { seq, type, body, head }: LogRecord): number {
    const bytes = Buffer.byteLength(body);
    const headBytes = head === undefined ? NO_HEAD : Buffer.byteLength(head);
    this.#note(offset, slot, seq, type, bytes, headBytes);
    this.#bodies += head === undefined ? body : body + head;
    const added = ENTRY_BYTES + bytes + Math.max(0, headBytes);
    this.#size += added;
    return added;
  }

  /** Adds a record of another batch, whose text is copied elsewhere. */
  copy(offset: number, slot: number, { seq, type, bytes, head = NO_HEAD }: BatchRecord): void {
    this.#note(offset, slot, seq, type, bytes, head);
  }

  #note(offset: number, slot: number, seq: number, type: string, bytes: number, head: number): void {
    let typeAt = this.#types.indexOf(type);
    if (typeAt === -1) typeAt = this.#types.push(type) - 1;
    const comma = this.#records === '' ? '' : ',';
    this.#records += `${comma}${offset},${slot},${seq},${typeAt},${bytes},${head}`;
  }

  records(): string {
    const contents = [JSON.stringify(this.#logs), JSON.stringify(this.#types)] as const;
    return `{"logs":${contents[0]},"types":${contents[1]},"records":[${this.#records}]}`;
  }

  bodies(): Buffer {
    return Buffer.from(this.#bodies);
  }
}

/** The records of a batch, in order. */
export function recordsOf({ first, records: text }: Pick<BatchRow, 'first' | 'records'>): BatchRecord[] {
  const { logs, types, records: numbers } = JSON.parse(text) as Contents;
  const records: BatchRecord[] = [];
  let from = 0;
  for (let at = 0; at < numbers.length; at += WIDTH) {
    const number = (column: number): number => numbers[at + column] ?? 0;
    const slot = number(SLOT);
    const head = number(HEAD);
    const bytes = number(BYTES);
    records.push({
      position: first + number(OFFSET),
      slot,
      log: logs[slot] ?? '',
      seq: number(SEQ),
      type: types[number(TYPE)] ?? '',
      bytes,
      head: head === NO_HEAD ? undefined : head,
      from,
    });
    from += bytes + Math.max(0, head);
  }
  return records;
}

/** What a record takes in its batch, in bytes. */
export function sizeOf({ bytes, head = 0 }: BatchRecord): number {
  return ENTRY_BYTES + bytes + head;
}

export function bodyOf(bodies: Buffer, { from, bytes }: BatchRecord): string {
  return bodies.toString('utf8', from, from + bytes);
}

export function headOf(bodies: Buffer, { from, bytes, head }: BatchRecord): string | undefined {
  return head === undefined ? undefined : bodies.toString('utf8', from + bytes, from + bytes + head);
}

/** As it is read back. */
export function storedRecord(bodies: Buffer, record: BatchRecord): StoredRecord {
  const { log, seq, type } = record;
  return { log, seq, type, body: bodyOf(bodies, record) };
}

/** The same batch with only these of its records, and with their logs in these new slots. */
export function withOnly(
  { first, last, bodies }: BatchRow,
  kept: readonly BatchRecord[],
  slots: ReadonlyMap<number, number>,
): BatchRow {
  const writer = new BatchWriter();
  const pieces: Buffer[] = [];
  const names = new Map<number, string>();
  for (const { slot, log } of kept) names.set(slots.get(slot) ?? 0, log);
  for (let slot = 0; slot < names.size; slot += 1) writer.addLog(names.get(slot) ?? '');
  for (const record of kept) {
    writer.copy(record.position - first, slots.get(record.slot) ?? 0, record);
    pieces.push(bodies.subarray(record.from, record.from + record.bytes + (record.head ?? 0)));
  }
  return { first, last, records: writer.records(), bodies: Buffer.concat(pieces) };
}
