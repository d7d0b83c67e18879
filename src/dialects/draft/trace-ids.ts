/** Trace ids on their way out: native ones are any text, the draft's are those of the W3C. */
import { createHash } from 'node:crypto';
import { readTraceId } from '../../protocol/draft/trace-id.js';

/** The id itself where it is one or holds one; else one that follows from it, so that equal traces stay equal. */
export function draftTraceId(native: string): string {
  return readTraceId(native) ?? createHash('sha256').update(native).digest('hex').slice(0, 32);
}
