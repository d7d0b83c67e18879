/** What the log of a job says of a handoff that an earlier attempt at it began (`hand-over.ts`, F3). */
import type { Amount } from '../../protocol/cost-budget.js';
import { chargeIn } from '../../protocol/cost-names.js';
import type { Payload } from '../../protocol/messages.js';
import type { Store } from '../../store/store.js';
import type { JobId } from '../../protocol/ids.js';
import { payloadOf, recordsOf } from '../job-history.js';

/** The event that says which job it is there, once that is known. Classic has no message for it: an `event.emit`. */
export const HANDED_OVER = 'job.handed_over';

export interface HandedOver {
  readonly handoff_id: string;
  readonly job_id: string;
}

export interface PastHandoff {
  readonly terms: Payload<'agent.handoff'>;
  /** The job there, if it had come so far. */
  readonly remoteId: string | undefined;
  /** Charges that were made there and are known here. */
  readonly charges: number;
  /** What they come to. */
  readonly spent: ReadonlyMap<string, Amount>;
  /** The next chunk of its result. */
  readonly nextChunk: number;
}

/** Nothing where no attempt had come as far as to tell of it. */
export async function pastHandoff(store: Store, job: JobId, key: string): Promise<PastHandoff | undefined> {
  let terms: PastHandoff['terms'] | undefined;
  let remoteId: string | undefined;
  let charges = 0;
  let nextChunk = 0;
  const spent = new Map<string, Amount>();
  for await (const record of recordsOf(store, job)) {
    switch (record.type) {
      case 'agent.handoff': {
        const payload = payloadOf(record) as PastHandoff['terms'];
        if (payload.handoff_id === key) terms = payload;
        break;
      }
      case 'event.emit': {
        const { name, data } = payloadOf(record) as Payload<'event.emit'>;
        if (name !== HANDED_OVER) break;
        const { handoff_id, job_id } = data as HandedOver;
        if (handoff_id === key) remoteId = job_id;
        break;
      }
      case 'metric': {
        const metric = payloadOf(record) as Payload<'metric'>;
        const charge = metric.dims?.['handoff_id'] === key ? chargeIn(metric) : undefined;
        if (charge === undefined) break;
        charges += 1;
        spent.set(charge.currency, (spent.get(charge.currency) ?? 0n) + charge.amount);
        break;
      }
      case 'job.result_chunk':
        if (terms !== undefined) nextChunk = (payloadOf(record) as Payload<'job.result_chunk'>).chunk_seq + 1;
        break;
      default:
        break;
    }
  }
  return terms && { terms, remoteId, charges, spent, nextChunk };
}
