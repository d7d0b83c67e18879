/**
 * What becomes of a job's streams when its runtime ended.
 *
 * (X1) Those that its agent had open end with ABORTED before anything else is told of the job; a further attempt opens
 *      its own.
 * (X2) What clients had sent into a job is kept: where the job goes on, its agent reads it from the beginning, and a
 *      sender whose session is still there goes on where it was.
 */
import { ArcpError } from '../protocol/errors.js';
import { isId, type Id, type SessionId } from '../protocol/ids.js';
import type { StoredRecord, Store } from '../store/store.js';
import { headOfBody, type LogContext } from './event-log.js';
import type { InputSource, InputStream } from './input-stream.js';
import type { Job } from './job.js';
import type { JobRun } from './job-run.js';
import { errorPayloadOf } from './output-stream.js';
import type { SessionTable } from './session-table.js';
import { inputSource } from './stream-commands.js';
import type { StreamTable } from './stream-table.js';

interface Recovering extends LogContext {
  readonly store: Store;
  readonly sessions: SessionTable;
  readonly streams: StreamTable;
}

const READ_BATCH = 256;

const ABORTED = new ArcpError('ABORTED', 'the runtime was restarted while the stream was open');

/** Ends the streams that the job's log leaves open (X1); those into it as well, if it does not go on. */
export async function endOpenStreams({ store }: Recovering, job: Job, goesOn: boolean): Promise<void> {
  const open = new Set<string>();
  for await (const { type, body } of streamRecords(store, job.id)) {
    if (type === 'stream.chunk') continue;
    const { stream_id: id, source } = headOfBody(body);
    if (id === undefined) continue;
    if (type !== 'stream.open') open.delete(id);
    else if (!goesOn || source === undefined) open.add(id);
  }
  const text = JSON.stringify(errorPayloadOf(ABORTED));
  for (const stream_id of open) job.emitText('stream.error', text, undefined, { stream_id });
}

/** (X2) */
export async function restoreInputs(context: Recovering, run: JobRun): Promise<void> {
  const { store, sessions, streams } = context;
  const inputs = new Map<string, InputStream>();
  for await (const record of streamRecords(store, run.job.id)) {
    const { stream_id: id, source, correlation_id } = headOfBody(record.body);
    if (id === undefined) continue;
    if (record.type === 'stream.open' && source !== undefined && isId('session', source))
      inputs.set(id, run.streams.restoreInput(sourceOf(context, run.job, source, id, record)));
    inputs.get(id)?.restore(record, source === undefined ? undefined : correlation_id);
  }
  for (const input of inputs.values()) {
    if (input.isOver) continue;
    const session = sessions.find(input.sessionId);
    streams.add(input);
    if (session === undefined) input.stop(new ArcpError('ABORTED', 'the session of its sender has ended'));
    else session.feeds(input);
  }
}

function sourceOf(
  context: Recovering,
  job: Job,
  sessionId: SessionId,
  id: string,
  { body }: StoredRecord,
): InputSource {
  const { payload: open } = JSON.parse(`{${body}`) as { readonly payload: InputSource['open'] };
  const streamId = id as Id<'stream'>;
  const session = context.sessions.find(sessionId);
  if (session !== undefined) return inputSource(context, session, job, streamId, open);
  return { streamId, sessionId, open, tell: () => undefined, taken: () => undefined };
}

async function* streamRecords(store: Store, log: string): AsyncGenerator<StoredRecord> {
  for (let after = 0; ; after += READ_BATCH) {
    const page = await store.read(log, after, READ_BATCH);
    for (const record of page) if (record.type.startsWith('stream.')) yield record;
    if (page.length < READ_BATCH) return;
  }
}
