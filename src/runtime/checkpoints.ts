/**
 * Checkpoints are `job.checkpoint` events of a job's log. Their ids follow from their places (`message-places.ts`), so
 * that one is found without an index, by whoever may see its job.
 */
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import type { Store } from '../store/store.js';
import { jsonText } from './agent-output.js';
import type { EngineContext } from './engine-context.js';
import { payloadOf } from './job-history.js';
import type { Job } from './job.js';
import type { JobRun } from './job-run.js';
import type { JobTable } from './job-table.js';
import { checkpointId, placeOfCheckpoint } from './message-places.js';
import { ownJob } from './own-job.js';

/** A client that cannot read `job.checkpoint` gets it in an `event.emit`, two levels deeper. */
const CHECKPOINT_LEVELS = 3;

/**
 * Keeps what a run gave, and resolves with the checkpoint's id once it is committed. Rejects with INVALID_ARGUMENT for
 * what is no JSON, RESOURCE_EXHAUSTED for what is too large, and with the reason when the run ended before.
 */
export async function keepCheckpoint(
  run: JobRun,
  data: unknown,
  { limits, journal }: EngineContext,
): Promise<string> {
  run.refuseWhenOver();
  const { job } = run;
  const id = checkpointId(job.id, job.log.nextSeq);
  const text = `{"checkpoint_id":"${id}","data":${jsonText(data ?? null, limits.maxNesting - CHECKPOINT_LEVELS - 1)}}`;
  run.sawLife();
  run.say('job.checkpoint', text, limits.maxCheckpointBytes);
  await journal.flushed();
  // A store that refuses an event ends its job.
  run.refuseWhenOver();
  return id;
}

export interface Checkpoint {
  readonly id: string;
  readonly job: Job;
  readonly seq: number;
  readonly data: unknown;
}

/** Rejects with NOT_FOUND when there is no such checkpoint, with PERMISSION_DENIED when its job is another principal's. */
export async function findCheckpoint(
  { store, jobs }: { readonly store: Store; readonly jobs: JobTable },
  principal: string,
  id: string,
): Promise<Checkpoint> {
  const place = placeOfCheckpoint(id);
  if (place === undefined) throw unknown();
  const { owner, number: seq } = place;
  const job = ownJob(jobs, principal, `${ID_PREFIXES.job}_${owner}`);
  if (seq > job.log.committedSeq) throw unknown();
  return { id, job, seq, data: await checkpointData(store, job.id, seq) };
}

/** What was kept at this place of a job's log. */
export async function checkpointData(store: Store, log: string, seq: number): Promise<unknown> {
  const [record] = await store.read(log, seq - 1, 1);
  if (record?.type !== 'job.checkpoint') throw unknown();
  return (payloadOf(record) as Payload<'job.checkpoint'>).data;
}

function unknown(): ArcpError {
  return new ArcpError('NOT_FOUND', 'there is no such checkpoint');
}
