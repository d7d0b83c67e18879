/**
 * What becomes of a job when whoever did an attempt at it is lost while the runtime goes on: an agent that dialled in and
 * does not come back, or falls silent. As after a restart of the runtime (`job-recovery.ts`), the agent's recovery decides:
 * it fails, or another attempt begins, from its arguments or from its latest checkpoint. Attempts are bounded.
 */
import { ArcpError } from '../protocol/errors.js';
import { checkpointData } from './checkpoints.js';
import type { Engine } from './engine.js';
import { readHistory, resultSoFar } from './job-history.js';
import type { JobRun } from './job-run.js';
import { checkpointId } from './message-places.js';
import { endOpenStreams, restoreInputs } from './stream-recovery.js';

/** Whether another attempt takes over; it begins once the log of the job has been read. */
export function goOnElsewhere(engine: Engine, run: JobRun, error: ArcpError): boolean {
  const { job, attempt, recovery } = run;
  if (recovery === 'fail' || attempt.number >= engine.limits.maxAttempts) return false;
  const { code, message } = error;
  engine.logger.warn({ job: job.id, attempt: attempt.number, code, reason: message }, 'an attempt was lost');
  const next = run.replace(undefined);
  engine.jobs.began(next);
  void takeOver(engine, next).catch((failure: unknown) => {
    next.stop({ kind: 'fail', error: ArcpError.from(failure) });
  });
  return true;
}

async function takeOver(engine: Engine, next: JobRun): Promise<void> {
  const { store, journal } = engine;
  const { job, recovery } = next;
  await journal.flushed();
  await endOpenStreams(engine, job, true);
  await restoreInputs(engine, next);
  const { checkpointSeq, hasStreamed, questions } = await readHistory(store, job.id);
  if (recovery === 'restart' && hasStreamed) {
    const message = 'whoever did the job was lost when a part of its result had been streamed';
    throw new ArcpError('ABORTED', message);
  }
  const from = recovery === 'restart' ? 0 : checkpointSeq;
  const result = hasStreamed ? await resultSoFar(store, job.id, from) : undefined;
  const resumedFrom =
    from === 0
      ? undefined
      : { checkpointId: checkpointId(job.id, from), data: await checkpointData(store, job.id, from) };
  next.restart(result, questions, { resumedFrom });
}
