/**
 * What becomes of a job's streams when its runtime ended: those that its agent had open end with ABORTED, before
 * anything else is told of the job. A further attempt opens its own.
 */
import type { StoredRecord, Store } from '../store/store.js';
import { ArcpError } from '../protocol/errors.js';
import { headOfBody } from './event-log.js';
import type { Job } from './job.js';
import { errorPayloadOf } from './output-stream.js';

const READ_BATCH = 256;

const ABORTED = new ArcpError('ABORTED', 'the runtime was restarted while the stream was open');

/** Ends the streams that the job's log leaves open. */
export async function endOpenStreams(store: Store, job: Job): Promise<void> {
  const open = new Set<string>();
  for await (const { type, body } of recordsOf(store, job.id)) {
    if (!type.startsWith('stream.') || type === 'stream.chunk') continue;
    const { stream_id: id } = headOfBody(body);
    if (id === undefined) continue;
    if (type === 'stream.open') open.add(id);
    else open.delete(id);
  }
  const text = JSON.stringify(errorPayloadOf(ABORTED));
  for (const stream_id of open) job.emitText('stream.error', text, undefined, { stream_id });
}

async function* recordsOf(store: Store, log: string): AsyncGenerator<StoredRecord> {
  for (let after = 0; ; after += READ_BATCH) {
    const page = await store.read(log, after, READ_BATCH);
    yield* page;
    if (page.length < READ_BATCH) return;
  }
}
