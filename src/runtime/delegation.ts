/** What a running agent sees of the child that it started. */
import { resultOf } from '../agents/child-result.js';
import type { ChildJob, ChildOutcome, StreamedResult } from '../agents/agent.js';
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import { ResultChunkAssembler } from '../protocol/result-chunks.js';
import type { Store } from '../store/store.js';
import { ChildEvents } from './child-events.js';
import type { Ending } from './ending.js';
import type { Job } from './job.js';

/** Records at once; each may be a chunk of a megabyte. */
const READ_BATCH = 16;

/**
 * @param parent which of its attempts has begun the child
 * @param cancel stops it, if whoever asks may still do that
 */
export function childJob(
  job: Job,
  parent: { readonly signal: AbortSignal },
  cancel: ChildJob['cancel'],
  store: Store,
): ChildJob {
  const outcome = job.ended.then((ending) => outcomeOf(job, ending, store));
  return {
    jobId: job.id,
    outcome,
    events: new ChildEvents(job, () => parent.signal, store),
    result: () => resultOf(job.id, outcome),
    cancel,
  };
}

/** As every other observer sees it: from the text, not from the objects of the child. */
function outcomeOf(job: Job, { type, text }: Ending, store: Store): ChildOutcome {
  const payload: unknown = JSON.parse(text);
  switch (type) {
    case 'job.completed': {
      const { value, summary, result_id, result_size, result_ref } = payload as Payload<'job.completed'>;
      const result =
        result_id === undefined ? undefined : streamedResult(job.id, result_id, result_size ?? 0, store);
      return { status: 'completed', value, summary, result, resultRef: result_ref };
    }
    case 'job.failed': {
      const { code, message, retryable } = ArcpError.fromPayload(payload as Payload<'job.failed'>);
      return { status: 'failed', code, message, retryable };
    }
    case 'job.cancelled':
      return { status: 'cancelled', reason: (payload as Payload<'job.cancelled'>).reason };
  }
}

function streamedResult(log: string, resultId: string, size: number, store: Store): StreamedResult {
  const assemble = async (): Promise<ResultChunkAssembler> => {
    const assembler = new ResultChunkAssembler();
    for (let after = 0; !assembler.isFinished;) {
      const records = await store.read(log, after, READ_BATCH);
      if (records.length === 0) throw new ArcpError('DATA_LOSS', `the result of ${log} is no longer kept`);
      for (const { type, body } of records) {
        if (type !== 'job.result_chunk') continue;
        const { payload } = JSON.parse(`{${body}`) as { payload: Payload<'job.result_chunk'> };
        assembler.push(payload);
      }
      after += records.length;
    }
    return assembler;
  };
  return {
    resultId,
    size,
    bytes: async () => (await assemble()).finish(),
    text: async () => (await assemble()).finishUtf8(),
  };
}

/** What the watchers of a job are told when a delegation that they heard of came to nothing: an `event.emit`. */
export function refusalText(delegateId: string | undefined, target: string, error: unknown): string {
  const { code, message } = ArcpError.from(error);
  return JSON.stringify({
    name: 'agent.delegate.refused',
    data: { delegate_id: delegateId, target, code, message },
  });
}
