/**
 * The streams of one job that are open: from it, and into it.
 *
 * (T1) A job's streams end before the job does: what its agent left open ends with `stream.error`.
 * (T2) Nobody holds up a job's end: once its agent is done or is being stopped, its streams flow as fast as they can.
 */
import type { JobStream, StreamOptions } from '../agents/agent.js';
import { ChunkedStream } from '../agents/job-stream.js';
import { ArcpError } from '../protocol/errors.js';
import type { Ending } from './ending.js';
import type { EngineContext } from './engine-context.js';
import type { JobRun } from './job-run.js';
import { OutputStream } from './output-stream.js';

interface Output {
  readonly stream: OutputStream;
  readonly writable: ChunkedStream;
}

export class JobStreams {
  readonly #run: JobRun;
  readonly #context: EngineContext;
  readonly #outputs = new Map<string, Output>();

  constructor(run: JobRun, context: EngineContext) {
    this.#run = run;
    this.#context = context;
  }

  /** Opens a stream to the job's watchers. Throws INVALID_ARGUMENT, ALREADY_EXISTS or RESOURCE_EXHAUSTED. */
  open(options: StreamOptions): JobStream {
    const { streams, limits } = this.#context;
    const { principal } = this.#run.job.origin;
    if (options.streamId !== undefined && streams.has(principal, options.streamId))
      throw new ArcpError('ALREADY_EXISTS', `stream ${options.streamId} exists already`);
    if (this.#outputs.size >= limits.maxOpenStreamsPerJob) {
      const message = `job ${this.#run.job.id} has ${this.#outputs.size} open streams already`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
    const stream = new OutputStream(this.#run, options, this.#context, (ended) => {
      this.#outputs.delete(ended.id);
      streams.ended(ended);
    });
    const writable = new ChunkedStream(stream, options);
    stream.onStopped = (error) => {
      writable.destroy(error);
    };
    this.#outputs.set(stream.id, { stream, writable });
    streams.add(stream);
    return writable;
  }

  /** (T2) */
  hurry(): void {
    for (const { stream } of this.#outputs.values()) stream.hurry();
  }

  /** Resolves once the streams that the agent has ended have told all that was written; nothing when they have. */
  settled(): Promise<void> | undefined {
    const ending = [...this.#outputs.values()].filter(({ writable }) => writable.writableEnded);
    if (ending.length === 0) return undefined;
    this.hurry();
    const closes = ending.map(
      ({ writable }) =>
        new Promise<void>((resolve) =>
          writable.once('close', () => {
            resolve();
          }),
        ),
    );
    return Promise.all(closes).then(() => undefined);
  }

  /** The store lost what stood in the job's log behind `committedSeq`: streams that began there never were. */
  lost(committedSeq: number): void {
    for (const { stream } of [...this.#outputs.values()]) {
      if (stream.openedAt > committedSeq) stream.endWithJob(LOST, false);
    }
  }

  /** The job ends next (T1). */
  end({ type }: Ending): void {
    const error =
      type === 'job.cancelled'
        ? new ArcpError('CANCELLED', 'the job was cancelled')
        : new ArcpError('ABORTED', 'the job ended before the stream did', { retryable: false });
    for (const { stream } of [...this.#outputs.values()]) stream.endWithJob(error, true);
  }

  /** The job is dropped where it stands. */
  letGo(error: ArcpError): void {
    for (const { stream } of [...this.#outputs.values()]) stream.endWithJob(error, false);
  }
}

const LOST = new ArcpError('UNAVAILABLE', 'the runtime could not store what happened');
