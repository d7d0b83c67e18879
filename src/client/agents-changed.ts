/** What a runtime tells when its agents come and go: an `event.emit` that is nobody's event (`arcpx.arcp.agents.v1`). */
import { AGENTS_CHANGED, parseInventory, type AnyEnvelope, type Inventory } from '../protocol/index.js';
import { isJsonObject } from '../protocol/scalars.js';

/** The agents that there are now; nothing for any other message, and for a list that makes no sense. */
export function agentsTold({ type, payload, job_id, event_seq }: AnyEnvelope): Inventory | undefined {
  if (type !== 'event.emit' || payload.name !== AGENTS_CHANGED) return undefined;
  // A job may emit what has that name too.
  if (job_id !== undefined || event_seq !== undefined || !isJsonObject(payload.data)) return undefined;
  try {
    return parseInventory(payload.data['agents']);
  } catch {
    return undefined;
  }
}
