/** Who is served first. */
import type { FleetInboxEntry } from '../../protocol/fleet/index.js';
import { parseTimestamp } from '../../protocol/timestamp.js';

/** The higher priority first, then who waits longer, then by the id, so that the order is the same everywhere. */
export function compareInbox(a: FleetInboxEntry, b: FleetInboxEntry): number {
  return (
    b.priority - a.priority ||
    (a.enqueued_at === b.enqueued_at ? 0 : instant(a.enqueued_at) - instant(b.enqueued_at)) ||
    (a.task_id < b.task_id ? -1 : a.task_id > b.task_id ? 1 : 0)
  );
}

/** The seed's timestamps are any text: what is none is as old as can be. */
function instant(text: string): number {
  return parseTimestamp(text) ?? 0;
}
