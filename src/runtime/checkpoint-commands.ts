/** `checkpoint.create` and `checkpoint.restore`: a client has a job's state kept, and has the job go on from it. */
import type { ResultSoFar } from '../agents/replayed-result.js';
import { ArcpError } from '../protocol/errors.js';
import type { Engine } from './engine.js';
import { findCheckpoint, keepCheckpoint, type Checkpoint } from './checkpoints.js';
import type { Command } from './command.js';
import { answerLater } from './later-answer.js';
import { readHistory, resultSoFar, type JobHistory } from './job-history.js';
import type { JobRun } from './job-run.js';
import { ownJob } from './own-job.js';
import { endOpenStreams, restoreInputs } from './stream-recovery.js';

/** The snapshot that the client gives is kept; without one the job's agent is asked for its own. */
export const createCheckpoint: Command<'checkpoint.create'> = (scene, envelope) => {
  const { engine, session } = scene;
  const { checkpoint_id: asked, snapshot } = envelope.payload;
  if (asked !== undefined) {
    throw new ArcpError('INVALID_ARGUMENT', 'checkpoint_id: the runtime names checkpoints, leave it out');
  }
  if (envelope.job_id === undefined) throw new ArcpError('INVALID_ARGUMENT', 'job_id: missing');
  const job = ownJob(engine.jobs, session.principal, envelope.job_id);
  const run = engine.jobs.run(job);
  if (run?.isLive !== true) {
    throw new ArcpError('FAILED_PRECONDITION', `job ${job.id} is ${job.state}: it has no state to keep`);
  }
  const keep = (data: unknown): Promise<string> => keepCheckpoint(run, data, engine);
  const kept = snapshot === undefined ? inTime(engine, run.snapshots.ask(keep)) : keep(snapshot);
  answerLater(scene, envelope, kept, acknowledgement);
};

/** A new attempt at the job goes on from the checkpoint; the present one is over (`job-run.ts`, R6). */
export const restoreCheckpoint: Command<'checkpoint.restore'> = (scene, envelope) => {
  const { engine, session } = scene;
  const restored = findCheckpoint(engine, session.principal, envelope.payload.checkpoint_id).then(
    async (checkpoint) => {
      await restore(engine, checkpoint);
      return checkpoint.id;
    },
  );
  answerLater(scene, envelope, restored, acknowledgement);
};

function acknowledgement(checkpoint_id: string): { readonly note: string; readonly checkpoint_id: string } {
  return { note: checkpoint_id, checkpoint_id };
}

/** Resolves once the new attempt has begun. Rejects with FAILED_PRECONDITION when there can be none. */
async function restore(engine: Engine, { id, job, seq, data }: Checkpoint): Promise<void> {
  const run = engine.jobs.run(job);
  refuseRestore(engine, run, job.state);
  const next = run.replace({ checkpointId: id, data });
  engine.jobs.began(next);
  let result: ResultSoFar | undefined;
  let history: JobHistory;
  try {
    await engine.journal.flushed();
    await endOpenStreams(engine, job, true);
    await restoreInputs(engine, next);
    history = await readHistory(engine.store, job.id);
    result = history.hasStreamed ? await resultSoFar(engine.store, job.id, seq) : undefined;
  } catch (error) {
    const failure = ArcpError.from(error);
    next.stop({ kind: 'fail', error: failure });
    throw failure;
  }
  if (!next.restart(result, history.questions))
    throw new ArcpError('ABORTED', 'the job ended before it could be started again');
}

function refuseRestore({ limits }: Engine, run: JobRun | undefined, state: string): asserts run is JobRun {
  if (run?.isRunning !== true) {
    throw new ArcpError('FAILED_PRECONDITION', `the job is ${state}: only one that runs can be restored`);
  }
  if (!run.isResumable) {
    throw new ArcpError('FAILED_PRECONDITION', `${run.job.agent} cannot resume from a checkpoint`);
  }
  if (run.attempt.number >= limits.maxRestores) {
    const message = `there were ${run.attempt.number} attempts at the job already`;
    throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
  }
}

/** Rejects with DEADLINE_EXCEEDED when the agent takes too long. */
function inTime({ clock, limits }: Engine, made: Promise<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = clock.timer(limits.checkpointTimeoutMs, () => {
      const message = `the agent made no checkpoint within ${limits.checkpointTimeoutMs} ms`;
      reject(new ArcpError('DEADLINE_EXCEEDED', message));
    });
    made.then(resolve, reject).finally(() => {
      timer.cancel();
    });
  });
}
