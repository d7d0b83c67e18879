/**
 * A stored event, taken apart as text: what the draft needs of its head, and its payload untouched.
 * The head is ours (`runtime/event-log.ts`), so that it is known where things stand; a quote inside a value is escaped, so
 * that `,"payload":` stands in it once. All events of a job have the same fields in it: they are read once.
 */
import type { StoredRecord } from '../../store/store.js';
import { draftTraceId } from './trace-ids.js';

export interface NativeEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly head: EventHead;
  /** JSON. */
  readonly payload: string;
}

export interface EventHead {
  readonly jobId: string | undefined;
  /** As it was given: any text. */
  readonly traceId: string | undefined;
  readonly correlationId: string | undefined;
  readonly streamId: string | undefined;
  /** The draft's `trace_id`, as JSON with a comma before it. */
  readonly trace: string;
  /** Of a job: from the type of its `job.event` to its number, the same for all. */
  readonly asEvent: string;
}

interface KnownHead {
  /** From the end of the timestamp to the payload. */
  readonly text: string;
  /** Where the timestamp begins, but for the lengths of the event's type and number. */
  readonly offset: number;
  readonly head: EventHead;
}

const TIMESTAMP = '"timestamp":"';
const PAYLOAD = ',"payload":';
/** Logs whose head is remembered. */
const MAX_KNOWN = 1_024;

export class NativeEvents {
  readonly #known = new Map<string, KnownHead>();
  #timestamp = '';

  read({ log, seq, type, body }: StoredRecord): NativeEvent {
    let known = this.#known.get(log);
    let start = known === undefined ? -1 : known.offset + lengthOf(seq) + type.length;
    if (known === undefined || !body.startsWith(TIMESTAMP, start - TIMESTAMP.length)) {
      start = body.indexOf(TIMESTAMP) + TIMESTAMP.length;
    }
    if (!body.startsWith(this.#timestamp, start) || this.#timestamp === '') {
      this.#timestamp = body.slice(start, body.indexOf('"', start));
    }
    const timestamp = this.#timestamp;
    const end = start + timestamp.length;
    if (known === undefined || !body.startsWith(known.text, end)) {
      const text = body.slice(end, body.indexOf(PAYLOAD, end) + PAYLOAD.length);
      known = { text, offset: start - lengthOf(seq) - type.length, head: headOf(text) };
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(log, known);
    }
    return { type, timestamp, head: known.head, payload: body.slice(end + known.text.length, -1) };
  }
}

/** From the type of a `job.event` to its number. */
export function asEventOf(jobId: string, trace: string): string {
  return `","type":"job.event","job_id":"${jobId}"${trace},"event_seq":`;
}

/** Digits of a number from 1. */
function lengthOf(value: number): number {
  let length = 1;
  for (let bound = 10; bound <= value; bound *= 10) length += 1;
  return length;
}

function headOf(text: string): EventHead {
  const fields = text.slice(1, -PAYLOAD.length);
  const head = JSON.parse(`{${fields.slice(1)}}`) as Record<string, string | undefined>;
  const { job_id: jobId, trace_id: traceId } = head;
  const trace = traceId === undefined ? '' : `,"trace_id":"${draftTraceId(traceId)}"`;
  return {
    jobId,
    traceId,
    correlationId: head['correlation_id'],
    streamId: head['stream_id'],
    trace,
    asEvent: jobId === undefined ? '' : asEventOf(jobId, trace),
  };
}
