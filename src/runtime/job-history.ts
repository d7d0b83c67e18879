/**
 * What the log of a job says of its past (law L1): where it stands, which attempts at it there were, and from which
 * checkpoint the next one goes on. That is the latest one of the latest attempt, or the one which that resumed from.
 */
import { createHash } from 'node:crypto';
import type { ResultSoFar } from '../agents/replayed-result.js';
import { decodeBase64 } from '../protocol/base64.js';
import type { JobState } from '../protocol/job-state.js';
import type { Payload } from '../protocol/messages.js';
import { ResultChunkSequence } from '../protocol/result-chunks.js';
import type { Store, StoredRecord } from '../store/store.js';
import { JOB_RESTARTED, type Restarted } from './attempt.js';
import { placeOfCheckpoint } from './message-places.js';
import { QuestionFold, type RecordedQuestion } from './questions/question.js';

export interface JobHistory {
  readonly state: JobState;
  readonly heartbeats: number;
  /** When its agent first started, in milliseconds since 1970. */
  readonly startedAt: number | undefined;
  /** Attempts that were begun. */
  readonly attempts: number;
  /** Those of them that a restart of the runtime was the reason for. */
  readonly recoveries: number;
  /** Where in the log the checkpoint is that the next attempt goes on from; 0 where it begins anew. */
  readonly checkpointSeq: number;
  readonly hasStreamed: boolean;
  readonly questions: readonly RecordedQuestion[];
}

/** Records that are read in one go. */
const BATCH = 500;

/** All records of a log, in order. */
export async function* recordsOf(store: Store, log: string): AsyncGenerator<StoredRecord> {
  for (let after = 0; ;) {
    const page = await store.read(log, after, BATCH);
    yield* page;
    if (page.length < BATCH) return;
    after += page.length;
  }
}

export function payloadOf({ body }: Pick<StoredRecord, 'body'>): unknown {
  return (JSON.parse(`{${body}`) as { readonly payload: unknown }).payload;
}

function timeOf({ body }: StoredRecord): number {
  return Date.parse((JSON.parse(`{${body}`) as { readonly timestamp: string }).timestamp);
}

/** @param note is told of every record on the way */
export async function readHistory(
  store: Store,
  log: string,
  note?: (record: StoredRecord) => void,
): Promise<JobHistory> {
  let state: JobState = 'accepted';
  let heartbeats = 0;
  let startedAt: number | undefined;
  let attempts = 1;
  let recoveries = 0;
  let checkpointSeq = 0;
  let hasStreamed = false;
  const asked = new QuestionFold();
  for await (const record of recordsOf(store, log)) {
    const { type, seq } = record;
    asked.note(record);
    note?.(record);
    if (type === 'job.started') {
      state = 'running';
      startedAt ??= timeOf(record);
    }
    if (type === 'job.result_chunk') hasStreamed = true;
    if (type === 'job.checkpoint') checkpointSeq = seq;
    if (type === 'job.heartbeat') {
      const beat = payloadOf(record) as Payload<'job.heartbeat'>;
      state = beat.state;
      heartbeats = beat.sequence;
    }
    if (type === 'event.emit') {
      const { name, data } = payloadOf(record) as Payload<'event.emit'>;
      if (name !== JOB_RESTARTED) continue;
      const { attempt, reason, checkpoint_id: from } = data as Restarted;
      attempts = attempt;
      if (reason === 'recovery') recoveries += 1;
      checkpointSeq = from === undefined ? 0 : (placeOfCheckpoint(from)?.number ?? 0);
    }
  }
  const { questions } = asked;
  return { state, heartbeats, startedAt, attempts, recoveries, checkpointSeq, hasStreamed, questions };
}

/** What the log has of the job's result, and a digest of what it has of it after the checkpoint. */
export async function resultSoFar(
  store: Store,
  log: string,
  checkpointSeq: number,
): Promise<ResultSoFar | undefined> {
  const sequence = new ResultChunkSequence({ maxTotalBytes: Infinity });
  const hash = createHash('sha256');
  let repeated = 0;
  for await (const record of recordsOf(store, log)) {
    if (record.type !== 'job.result_chunk') continue;
    const chunk = payloadOf(record) as Payload<'job.result_chunk'>;
    sequence.push(chunk);
    if (record.seq < checkpointSeq) continue;
    const bytes = chunk.encoding === 'base64' ? decodeBase64(chunk.data) : Buffer.from(chunk.data);
    hash.update(bytes);
    repeated += bytes.length;
  }
  const { resultId, encoding, nextSeq, size, isFinished } = sequence;
  if (resultId === undefined || encoding === undefined) return undefined;
  return {
    resultId,
    encoding,
    nextChunk: nextSeq,
    size,
    isFinished,
    replay: { bytes: repeated, sha256: hash.digest('hex') },
  };
}
