/**
 * The streams of one job that are open: from it, and into it.
 *
 * (T1) A job's streams end before the job does: what its agent left open ends with `stream.error`.
 * (T2) Nobody holds up a job's end: once its agent is done or is being stopped, its streams flow as fast as they can.
 */
import type { InputStream as AgentInput, JobStream, StreamOptions } from '../agents/agent.js';
import { handledSteps } from '../agents/handled.js';
import { ChunkedStream } from '../agents/job-stream.js';
import { ArcpError } from '../protocol/errors.js';
import type { Ending } from './ending.js';
import type { EngineContext } from './engine-context.js';
import type { LogEvent } from './event-log.js';
import { InputStream, type InputSource } from './input-stream.js';
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
  /** All that were opened: an ended one is told apart from one that never was. */
  readonly #inputs = new Map<string, InputStream>();
  /** Those that the agent has yet to take. */
  #arrived: InputStream[] = [];
  /** Why no more come. */
  #closed: ArcpError | undefined;
  /** Agents that wait for the next one. */
  #waiting: (() => void)[] = [];

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

  /** The streams that clients open, as they open them. */
  get input(): AsyncIterable<AgentInput, undefined> {
    return { [Symbol.asyncIterator]: () => handledSteps(this.#takeInputs()) };
  }

  async *#takeInputs(): AsyncGenerator<AgentInput, undefined> {
    for (;;) {
      const next = this.#arrived.shift();
      if (next !== undefined) yield next.values;
      else if (this.#closed !== undefined) throw this.#closed;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** A client opens a stream into the job. Throws ALREADY_EXISTS or RESOURCE_EXHAUSTED. */
  receive(source: InputSource, messageId: string): InputStream {
    const { streams, limits } = this.#context;
    const { streamId } = source;
    if (streams.has(this.#run.job.origin.principal, streamId) || this.#inputs.has(streamId))
      throw new ArcpError('ALREADY_EXISTS', `stream ${streamId} exists already`);
    if (this.#inputs.size >= limits.maxInputsPerJob)
      throw new ArcpError(
        'RESOURCE_EXHAUSTED',
        `${this.#inputs.size} streams were opened into the job already`,
      );
    let open = 0;
    for (const { isOver } of this.#inputs.values()) if (!isOver) open += 1;
    if (open >= limits.maxOpenStreamsPerJob)
      throw new ArcpError('RESOURCE_EXHAUSTED', `${open} streams into the job are open already`);
    const input = this.#newInput(source);
    input.opened(messageId);
    this.#inputs.set(streamId, input);
    streams.add(input);
    return input;
  }

  #newInput(source: InputSource): InputStream {
    return new InputStream(this.#run, source, this.#context, (ended) => {
      this.#context.streams.ended(ended);
    });
  }

  /** Takes up a stream that the job's log has from an earlier life; the agent reads it from its beginning. */
  restoreInput(source: InputSource): InputStream {
    const input = this.#newInput(source);
    this.#inputs.set(source.streamId, input);
    this.#arrived.push(input);
    return input;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** An event of one of the streams is committed. */
  committed(event: LogEvent): void {
    const input = event.streamId === undefined ? undefined : this.#inputs.get(event.streamId);
    if (input === undefined) return;
    input.committed(event);
    if (event.type !== 'stream.open') return;
    this.#arrived.push(input);
    this.#wake();
  }

  /** The agent is told to stop, or is no longer asked: what waits for input gets this error. */
  closeInput(error: ArcpError): void {
    this.#closed ??= error;
    this.#wake();
    for (const input of this.#inputs.values()) input.interrupt(error);
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
    for (const input of this.#inputs.values()) input.lost(committedSeq, LOST);
  }

  /** The job ends next (T1). */
  end({ type }: Ending): void {
    const error =
      type === 'job.cancelled'
        ? new ArcpError('CANCELLED', 'the job was cancelled')
        : new ArcpError('ABORTED', 'the job ended before the stream did', { retryable: false });
    for (const { stream } of [...this.#outputs.values()]) stream.endWithJob(error, true);
    for (const input of this.#inputs.values()) input.endWithJob(error, true);
    this.closeInput(error);
  }

  /** The job is dropped where it stands. */
  letGo(error: ArcpError): void {
    for (const { stream } of [...this.#outputs.values()]) stream.endWithJob(error, false);
    for (const input of this.#inputs.values()) input.endWithJob(error, false);
    this.closeInput(error);
  }
}

const LOST = new ArcpError('UNAVAILABLE', 'the runtime could not store what happened');
