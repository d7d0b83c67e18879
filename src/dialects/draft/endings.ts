/** How a job ended, as `job.result` or `job.error` (draft-1.1 §7.3, §8.4). */
import type { ErrorPayload } from '../../protocol/errors.js';
import { toDraftError } from '../../protocol/draft/errors.js';
import { draftStatus } from '../../protocol/draft/statuses.js';
import { isJsonObject, type JsonObject } from '../../protocol/scalars.js';
import { fromMessageId } from './message-ids.js';
import type { NativeEvent } from './native-event.js';

export interface DraftEnding {
  readonly type: 'job.result' | 'job.error';
  /** JSON. */
  readonly payload: string;
}

/** Nothing for an event that ends no job. */
export function draftEnding(event: NativeEvent): DraftEnding | undefined {
  switch (event.type) {
    case 'job.completed':
      return { type: 'job.result', payload: result(event) };
    case 'job.failed':
      return { type: 'job.error', payload: failure(event) };
    case 'job.cancelled':
      return { type: 'job.error', payload: cancellation(event) };
    default:
      return undefined;
  }
}

const VALUE = '{"value":';

/** An inline value stands first in its text (`runtime/ending.ts`), so that only its name changes. */
function result({ payload, timestamp }: NativeEvent): string {
  const head = `{"final_status":"success","completed_at":"${timestamp}"`;
  if (payload.startsWith(VALUE)) return `${head},"result":${payload.slice(VALUE.length)}`;
  return payload === '{}' ? `${head}}` : `${head},${payload.slice(1)}`;
}

function failure({ payload, timestamp, head }: NativeEvent): string {
  const { jobId, correlationId } = head;
  const error = JSON.parse(payload) as ErrorPayload;
  if (error.code === 'ABORTED' && isJsonObject(error.details) && error.details['after'] === 'cancel') {
    return ended('cancelled', { ...error, code: 'CANCELLED', retryable: false }, timestamp);
  }
  // Of a submission that no job came of, the client knows only the request.
  const request =
    jobId === undefined && correlationId !== undefined ? { request_id: fromMessageId(correlationId) } : {};
  return ended(draftStatus('failed', error.code), error, timestamp, request);
}

function cancellation({ payload, timestamp }: NativeEvent): string {
  const { reason } = JSON.parse(payload) as { readonly reason?: string };
  const message = reason ?? 'the job was cancelled';
  return ended('cancelled', { code: 'CANCELLED', message, retryable: false }, timestamp);
}

function ended(status: string, error: ErrorPayload, timestamp: string, more: JsonObject = {}): string {
  return JSON.stringify({ final_status: status, ...toDraftError(error, more), completed_at: timestamp });
}
