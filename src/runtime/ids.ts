import { randomFillSync } from 'node:crypto';
import { nanoid } from 'nanoid';
import { ID_PREFIXES, type Id, type IdKind } from '../protocol/ids.js';

/** Makes fresh ids. Injected so that a simulation can make them repeatable. */
export type NewId = <Kind extends IdKind>(kind: Kind) => Id<Kind>;

/** Unguessable ids: 126 random bits after the prefix. */
export const randomId: NewId = (kind) => `${ID_PREFIXES[kind]}_${nanoid()}`;

const TRACE_BYTES = 16;
/** Random bytes are drawn for many trace ids at once: asking for them is what costs. */
const pool = Buffer.allocUnsafeSlow(256 * TRACE_BYTES);
let used = pool.length;

/** A fresh trace id: 32 lower-case hex digits, which draft-1.1 peers insist on (draft-1.1 §11). */
export function newTraceId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += TRACE_BYTES;
  return pool.toString('hex', used - TRACE_BYTES, used);
}
