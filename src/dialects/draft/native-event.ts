/**
 * A stored event, taken apart as text: what the draft needs of its head, and its payload untouched.
 * The head is ours (`runtime/event-log.ts`), so that it is known where things stand; a quote inside a value is escaped, so
 * that `,"payload":` stands in it once.
 */
import type { StoredRecord } from '../../store/store.js';

export interface NativeEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly jobId: string | undefined;
  /** As it was given: any text. */
  readonly traceId: string | undefined;
  readonly correlationId: string | undefined;
  readonly streamId: string | undefined;
  /** JSON. */
  readonly payload: string;
}

const TIMESTAMP = '"timestamp":"';
const PAYLOAD = ',"payload":';
/** The usual fields: a job's own, with a trace id that every peer takes. */
const USUAL = /^,"job_id":"([\w.-]+)","trace_id":"([0-9a-f]{32})"(?:,"correlation_id":"([\w.~-]+)")?$/;

export function readNativeEvent({ type, body }: Pick<StoredRecord, 'type' | 'body'>): NativeEvent {
  const start = body.indexOf(TIMESTAMP) + TIMESTAMP.length;
  const end = body.indexOf('"', start);
  const at = body.indexOf(PAYLOAD, end);
  const timestamp = body.slice(start, end);
  const payload = body.slice(at + PAYLOAD.length, -1);
  const fields = body.slice(end + 1, at);
  const usual = USUAL.exec(fields);
  if (usual !== null) {
    const [, jobId, traceId, correlationId] = usual;
    return { type, timestamp, jobId, traceId, correlationId, streamId: undefined, payload };
  }
  const head = JSON.parse(`{${fields.slice(1)}}`) as Record<string, string | undefined>;
  return {
    type,
    timestamp,
    jobId: head['job_id'],
    traceId: head['trace_id'],
    correlationId: head['correlation_id'],
    streamId: head['stream_id'],
    payload,
  };
}
