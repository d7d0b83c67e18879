/** Trace ids in the draft's envelope are those of the W3C: 32 lower-case hex digits, not all of them 0 (draft-1.1 §11). */

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
/** A whole `traceparent`, which some write in place of the id that it holds. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

export function isTraceId(text: string): boolean {
  return TRACE_ID.test(text);
}

/** The trace id of a `trace_id` field, be it the id or a `traceparent`; nothing where there is none in it. */
export function readTraceId(text: string): string | undefined {
  const id = TRACEPARENT.exec(text)?.[1] ?? text;
  return isTraceId(id) ? id : undefined;
}
