/** `job.accepted` in the draft (draft-1.1 §7.1), from the native one. */
import type { Payload } from '../../protocol/messages.js';
import { isTraceId } from '../../protocol/draft/trace-id.js';
import { budgetOf, draftLease } from './authority.js';
import { fromMessageId } from './message-ids.js';
import type { NativeEvent } from './native-event.js';
import { draftTraceId } from './trace-ids.js';

/** As JSON. `request_id` names the submission, where that was this session's. */
export function acceptance({ payload, head }: NativeEvent, isAnswer: boolean): string {
  const { traceId, correlationId } = head;
  const request = isAnswer && correlationId !== undefined ? fromMessageId(correlationId) : undefined;
  if (!payload.includes('"lease":') && traceId !== undefined && isTraceId(traceId)) {
    const more = request === undefined ? '' : `"request_id":${JSON.stringify(request)},`;
    return `{${more}"lease":{},${payload.slice(1)}`;
  }
  const { lease: native, trace_id, ...rest } = JSON.parse(payload) as Payload<'job.accepted'>;
  const granted = draftLease(native);
  const budget = budgetOf(granted.lease);
  return JSON.stringify({
    request_id: request,
    ...rest,
    ...granted,
    budget,
    trace_id: trace_id === undefined ? undefined : draftTraceId(trace_id),
  });
}
