/**
 * What a principal's jobs, and the session itself, told after a message: what a subscription with `since` begins with (RFC 0001 §13).
 * Types are known only to the store, so it is read; meanwhile the subscription gathers what happens.
 */
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES } from '../protocol/ids.js';
import type { Store } from '../store/store.js';
import { headOfBody, type EventLog } from './event-log.js';
import { inCommitOrder } from './event-order.js';
import type { JobTable } from './job-table.js';
import type { Limits } from './limits.js';
import { placeOf } from './message-places.js';
import type { Session } from './session.js';
import type { Held, Subscription } from './subscriptions.js';

interface Past {
  readonly store: Store;
  readonly jobs: JobTable;
  readonly limits: Limits;
}

const READ_BATCH = 256;

/** Where a message stands. Throws DATA_LOSS when it is not known, or not all that followed it is kept. */
export function positionBehind({ jobs }: Past, session: Session, messageId: string): number {
  const after = positionOf(messageId, logsOf(jobs, session), session);
  if (after === undefined || after < jobs.forgottenUpTo(session.principal)) {
    throw new ArcpError('DATA_LOSS', 'since.after_message_id: what followed that message is not all kept');
  }
  return after;
}

/** Rejects with RESOURCE_EXHAUSTED when more matches than a session can be told. */
export function backfill(
  past: Past,
  session: Session,
  after: number,
  subscription: Subscription,
): Promise<Held[]> {
  const logs = logsOf(past.jobs, session);
  const stretches = inCommitOrder(
    logs.flatMap((log) =>
      [...log.order.stretchesAfter(log.order.countToPosition(after))].map((part) => ({ ...part, log })),
    ),
  );
  return matching(past, stretches, subscription);
}

function logsOf(jobs: JobTable, { principal, logParts }: Session): EventLog[] {
  const logs = [...logParts];
  for (const { origin, log } of jobs.all()) if (origin.principal === principal) logs.push(log);
  return logs;
}

async function matching(
  { store, limits }: Past,
  stretches: readonly { readonly log: EventLog; from: number; to: number; position: number }[],
  subscription: Subscription,
): Promise<Held[]> {
  const found: Held[] = [];
  const byStream = subscription.filter.stream_id.length > 0;
  for (const { log, from, to, position } of stretches) {
    const { subject } = log;
    if (subject === undefined || !subscription.takes(subject)) continue;
    const wrapping = subscription.wrappingOf(log, subject);
    for (let at = from; at <= to;) {
      const records = await store.read(log.id, at - 1, Math.min(READ_BATCH, to - at + 1));
      if (records.length === 0) throw new ArcpError('DATA_LOSS', `log ${log.id} is no longer kept`);
      for (const record of records) {
        if (!subscription.takesType(record.type, subject)) continue;
        if (byStream && !subscription.takesStream(headOfBody(record.body).stream_id)) continue;
        found.push({ wrapping, seq: record.seq, position: position + record.seq - from });
      }
      at += records.length;
    }
    if (found.length > limits.maxSubscriptionBacklog) {
      const message = `more than ${limits.maxSubscriptionBacklog} events match: begin after a later message`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
  }
  return found;
}

/** Which commit the message was, of those that this principal may know. */
function positionOf(
  messageId: string,
  logs: readonly EventLog[],
  { outbox, watching }: Session,
): number | undefined {
  const place = placeOf(messageId);
  if (place === undefined) return undefined;
  const { owner, number } = place;
  const wrapped = watching.subscriptions.told(`${ID_PREFIXES.subscription}_${owner}`, number)
    ? outbox.wrappedAt(number)
    : undefined;
  const names = [`${ID_PREFIXES.job}_${owner}`, `${ID_PREFIXES.session}_${owner}`];
  const log = logs.find(({ id }) =>
    wrapped === undefined ? names.includes(id) : id === wrapped.wrapping.log,
  );
  const seq = wrapped?.seq ?? number;
  return log === undefined || seq > log.committedSeq ? undefined : log.order.positionOf(seq);
}
