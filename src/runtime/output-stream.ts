/**
 * A stream from a job to its watchers: events of the job's log (L1), told, counted and replayed like all others.
 *
 * (S1) `stream.open`, chunks from 0 without a hole, and one last event: `stream.close` or `stream.error`.
 * (S2) The session that asked for the job can slow the stream down, and nobody else: a watcher must not hold up what
 *      others watch. How long is bounded (`stream-pace.ts`, P2).
 */
import { createHash } from 'node:crypto';
import type { StreamOptions } from '../agents/agent.js';
import type { StreamSink } from '../agents/job-stream.js';
import { decodeBase64 } from '../protocol/base64.js';
import { ArcpError } from '../protocol/errors.js';
import { isId, type Id } from '../protocol/ids.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import { STREAM_KINDS, type StreamKind } from '../protocol/payloads/streams.js';
import { chunkOfValue, isContinuous, StreamSequence, type StreamChunk } from '../protocol/stream-chunk.js';
import { checkText, checkWord, jsonText } from './agent-output.js';
import type { EngineContext } from './engine-context.js';
import type { LogEvent } from './event-log.js';
import type { JobRun } from './job-run.js';
import { StreamPace, type PaceWish } from './stream-pace.js';
import type { OpenStream } from './stream-table.js';

/** A chunk carries its value under two names, two levels below the frame. */
const VALUE_LEVELS = 2;

/** Told in `stream.open`. */
const ENCODINGS: ReadonlyMap<StreamKind, string> = new Map<StreamKind, string>([
  ['text', 'utf8'],
  ['binary', 'base64'],
]);

const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

export class OutputStream implements StreamSink, OpenStream {
  readonly id: Id<'stream'>;
  readonly kind: StreamKind;
  readonly principal: string;
  readonly sessionId: string;
  readonly direction = 'output';
  /** Of its `stream.open` in the job's log. */
  readonly openedAt: number;
  /** Told when it is ended from elsewhere. */
  onStopped: (error: ArcpError) => void = () => undefined;
  readonly #run: JobRun;
  readonly #context: EngineContext;
  readonly #onEnd: (stream: OutputStream) => void;
  readonly #sequence: StreamSequence;
  readonly #pace: StreamPace;
  readonly #contentType: string | undefined;
  readonly #digests: boolean;
  /** Why it is over, when its agent did not end it. */
  #stopped: ArcpError | undefined;
  #isOver = false;

  /** Tells `stream.open`. Throws INVALID_ARGUMENT. */
  constructor(
    run: JobRun,
    options: StreamOptions,
    context: EngineContext,
    onEnd: (stream: OutputStream) => void,
  ) {
    const { kind, contentType, streamId, sha256 = false } = options;
    checkWord('stream kind', kind, STREAM_KINDS);
    if (contentType !== undefined) checkText('stream contentType', contentType);
    if (streamId !== undefined && !isStreamId(streamId))
      throw new ArcpError('INVALID_ARGUMENT', 'stream streamId: expected an id that begins with str_');
    const { maxChunkBytes, maxStreamBytes, maxStreamPauseMs } = context.limits;
    const isBinary = kind === 'binary';
    this.id = streamId ?? context.newId('stream');
    this.kind = kind;
    this.principal = run.job.origin.principal;
    this.sessionId = run.job.origin.sessionId;
    this.#run = run;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#sequence = new StreamSequence(kind, { maxChunkBytes, maxStreamBytes });
    this.#pace = new StreamPace(context.clock, maxStreamPauseMs);
    this.#contentType = contentType ?? (isBinary ? DEFAULT_CONTENT_TYPE : undefined);
    this.#digests = sha256 && isBinary;
    const opened = this.#say('stream.open', {
      kind,
      content_type: this.#contentType,
      encoding: ENCODINGS.get(kind),
      related_job_id: run.job.id,
    });
    this.openedAt = opened.seq;
  }

  chunk(value: unknown): Promise<void> | void {
    this.#refuseWhenOver();
    const chunk = this.#chunkOf(value);
    const bytes = this.#sequence.check(chunk);
    const admitted = this.#pace.admit(bytes);
    if (admitted === undefined) {
      this.#tell(chunk, bytes);
      return;
    }
    return admitted.then(() => {
      this.#refuseWhenOver();
      this.#tell(chunk, bytes);
    });
  }

  close(): void {
    this.#refuseWhenOver();
    this.#say('stream.close', this.#sequence.closing);
    this.#end();
  }

  fail(error: ArcpError): void {
    if (this.#isOver) return;
    if (!this.#run.job.isOver) this.#say('stream.error', errorPayloadOf(error));
    this.#end();
  }

  stop(error: ArcpError): void {
    this.#stopped = error;
    this.fail(error);
    this.onStopped(error);
  }

  /** Its job ends, in these words if it may still say something: its agent finds out by this error. */
  endWithJob(error: ArcpError, mayTell: boolean): void {
    if (mayTell && !this.#isOver) {
      const text = JSON.stringify(errorPayloadOf(error));
      this.#run.job.emitText('stream.error', text, undefined, { stream_id: this.id });
    }
    this.#stopped = error;
    this.#end();
    this.onStopped(error);
  }

  wish(wish: PaceWish): void {
    this.#pace.wish(wish);
  }

  /** Whatever its consumer asks for: the job is about to end. */
  hurry(): void {
    this.#pace.lift();
  }

  flushed(): Promise<void> {
    return this.#context.journal.flushed();
  }

  #chunkOf(value: unknown): StreamChunk {
    // Values are read again from their text: they are what was written, whatever becomes of the agent's object.
    const plain = isContinuous(this.kind)
      ? value
      : (JSON.parse(jsonText(value, this.#context.limits.maxNesting - VALUE_LEVELS)) as unknown);
    const chunk = { sequence: this.#sequence.next, ...chunkOfValue(this.kind, plain) };
    if (this.kind !== 'binary') return chunk;
    const digest = this.#digests ? { sha256: sha256Of(decodeBase64(chunk.data as string)) } : undefined;
    return { ...chunk, content_type: this.#contentType, ...digest };
  }

  #tell(chunk: StreamChunk, bytes: number): void {
    this.#run.sawLife();
    this.#say('stream.chunk', chunk);
    this.#sequence.count(bytes);
  }

  #say<T extends MessageType>(type: T, payload: Payload<T>): LogEvent {
    return this.#run.say(type, JSON.stringify(payload), undefined, { stream_id: this.id });
  }

  #refuseWhenOver(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
    if (this.#isOver) throw new ArcpError('FAILED_PRECONDITION', 'the stream has ended');
    if (!this.#run.isLive) throw new ArcpError('FAILED_PRECONDITION', `job ${this.#run.job.id} has ended`);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pace.lift();
    this.#onEnd(this);
  }
}

export function isStreamId(text: string): text is Id<'stream'> {
  return isId('stream', text) && text.isWellFormed();
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Longest message of a `stream.error`, in UTF-16 units. */
const MAX_MESSAGE = 4_096;

export function errorPayloadOf({ code, message, retryable }: ArcpError): Payload<'stream.error'> {
  return { code, message: message.slice(0, MAX_MESSAGE).toWellFormed(), retryable };
}
