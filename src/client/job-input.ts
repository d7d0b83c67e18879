/**
 * A stream from this client into a job (RFC 0001 §11).
 *
 * (I1) What is written goes out in order, a window of it at a time. The event that comes back for a chunk says that the
 *      job's log has it; until then it is kept here and, when the connection drops, sent again under the same id: it
 *      is lost by nobody and taken once.
 * (I2) `write` waits while the window is full or the runtime asks for a pause, so that a fast source is paced.
 * (I3) The first thing that goes wrong ends the stream: every later `write` and `end` rejects with it.
 */
import {
  ArcpError,
  chunkOfValue,
  isContinuous,
  StreamSequence,
  type Id,
  type JobId,
  type MessageType,
  type Payload,
  type StreamKind,
  type StreamValue,
} from '../protocol/index.js';
import { ChunkCutter } from '../protocol/chunk-cutter.js';
import { DEFAULT_CHUNK_BYTES, DEFAULT_RESULT_CHUNK_LIMITS } from '../protocol/result-chunks.js';
import type { Answer, OutboundMessage } from './command.js';

export interface InputOptions<Kind extends StreamKind = StreamKind> {
  readonly kind: Kind;
  readonly contentType?: string;
  /** For `text` and `binary`: decoded bytes per chunk at most, 4 to 1 MiB. Default 64 KiB. */
  readonly chunkBytes?: number;
}

/** What an input needs of its client. */
export interface InputHost {
  /** Sends a message and resolves when the event that it becomes has come. */
  send(message: OutboundMessage, signal: AbortSignal): Promise<void>;
  /** The input has ended: nothing of it need be told it any more. */
  ended(input: JobInput): void;
}

/** What may be on its way, unanswered: chunks, and decoded bytes. */
const WINDOW_CHUNKS = 64;
const WINDOW_BYTES = 1_048_576;

type Part = 'stream.open' | 'stream.chunk' | 'stream.close' | 'stream.error';

export class JobInput<Kind extends StreamKind = StreamKind> {
  readonly id: Id<'stream'>;
  readonly kind: Kind;
  readonly #jobId: JobId;
  readonly #host: InputHost;
  readonly #sequence: StreamSequence;
  readonly #cutter: ChunkCutter | undefined;
  readonly #contentType: string | undefined;
  /** What waits for its answer. */
  readonly #pending = new Set<AbortController>();
  #error: ArcpError | undefined;
  #unanswered = 0;
  #unansweredBytes = 0;
  /** Bytes that the runtime still takes, where it has said so. */
  #room = Infinity;
  #chain: Promise<void> = Promise.resolve();
  #wake: (() => void)[] = [];

  /** @internal */
  constructor(id: Id<'stream'>, jobId: JobId, options: InputOptions<Kind>, host: InputHost) {
    const { kind, contentType, chunkBytes = DEFAULT_CHUNK_BYTES } = options;
    const { maxChunkBytes, maxTotalBytes: maxStreamBytes } = DEFAULT_RESULT_CHUNK_LIMITS;
    this.id = id;
    this.kind = kind;
    this.#jobId = jobId;
    this.#host = host;
    this.#sequence = new StreamSequence(kind, { maxChunkBytes, maxStreamBytes });
    this.#contentType = contentType;
    this.#cutter = isContinuous(kind)
      ? new ChunkCutter({
          encoding: kind === 'text' ? 'utf8' : 'base64',
          maxBytes: chunkBytes,
          limit: maxChunkBytes,
          fault: (_kind, message, cause) => new ArcpError('INVALID_ARGUMENT', message, { cause }),
        })
      : undefined;
  }

  /** @internal Resolves once the job has it. */
  open(): Promise<void> {
    return this.#send('stream.open', {
      kind: this.kind,
      content_type: this.#contentType,
      related_job_id: this.#jobId,
    });
  }

  /**
   * Writes text or bytes, which are cut into chunks, or one value of the other kinds. Resolves when more may be written,
   * rejects when the stream has ended.
   */
  write(
    value: StreamValue<Kind> | (Kind extends 'text' | 'binary' ? string | Uint8Array : never),
  ): Promise<void> {
    return this.#next(() => this.#pieces(value));
  }

  /** Ends the stream; resolves once the job has all of it. */
  async end(): Promise<void> {
    await this.#next(() => {
      const piece = this.#cutter?.end() ?? '';
      return piece === '' ? [] : [piece];
    });
    await this.#until(() => this.#unanswered === 0);
    await this.#send('stream.close', this.#sequence.closing);
    this.fail(new ArcpError('FAILED_PRECONDITION', 'the stream has ended'));
  }

  /** Gives the stream up: the job finds out by `stream.error`. */
  abort(error: ArcpError = new ArcpError('CANCELLED', 'its sender gave the stream up')): void {
    if (this.#error !== undefined) return;
    const { code, message, retryable } = error;
    // Nobody waits for the answer.
    this.#host
      .send(this.#message('stream.error', { code, message, retryable }), new AbortController().signal)
      .catch(() => undefined);
    this.fail(error);
  }

  /** @internal (I3) */
  fail(error: ArcpError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    for (const call of this.#pending) call.abort(error);
    this.#changed();
    this.#host.ended(this);
  }

  /** @internal How much more the runtime takes: what it does not say is not limited. */
  wish({ buffer_remaining_bytes: room, desired_rate_per_second: rate }: Payload<'backpressure'>): void {
    this.#room = rate === 0 ? 0 : (room ?? Infinity);
    this.#changed();
  }

  /** One write after the other. */
  #next(produce: () => readonly unknown[]): Promise<void> {
    const turn = this.#chain.then(() => this.#emit(produce));
    this.#chain = turn.catch(() => undefined);
    return turn;
  }

  async #emit(produce: () => readonly unknown[]): Promise<void> {
    if (this.#error !== undefined) throw this.#error;
    for (const piece of produce()) {
      await this.#until(
        () => this.#unanswered < WINDOW_CHUNKS && this.#unansweredBytes < WINDOW_BYTES && this.#room > 0,
      );
      this.#chunk(piece);
    }
  }

  #chunk(piece: unknown): void {
    const chunk = { sequence: this.#sequence.next, ...chunkOfValue(this.kind, piece) };
    const bytes = this.#sequence.take(chunk);
    this.#room -= bytes;
    this.#unanswered += 1;
    this.#unansweredBytes += bytes;
    this.#send('stream.chunk', chunk).then(
      () => {
        this.#unanswered -= 1;
        this.#unansweredBytes -= bytes;
        this.#changed();
      },
      (error: unknown) => {
        this.abort(ArcpError.from(error));
      },
    );
  }

  #pieces(value: unknown): readonly unknown[] {
    const cutter = this.#cutter;
    if (cutter === undefined) return [value];
    if (typeof value !== 'string' && !(value instanceof Uint8Array))
      throw new ArcpError('INVALID_ARGUMENT', `a ${typeof value} is neither text nor bytes`);
    const pieces = cutter.write(value);
    const rest = cutter.flush();
    return rest === undefined ? pieces : [...pieces, rest];
  }

  async #until(isSo: () => boolean): Promise<void> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (isSo()) return;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }

  async #send<Type extends Part>(type: Type, payload: Payload<Type>): Promise<void> {
    const call = new AbortController();
    this.#pending.add(call);
    try {
      await this.#host.send(this.#message(type, payload), call.signal);
    } finally {
      this.#pending.delete(call);
    }
  }

  #message<Type extends MessageType>(type: Type, payload: Payload<Type>): OutboundMessage<Type> {
    return { type, payload, job_id: this.#jobId, stream_id: this.id };
  }
}

/** What the echo of a part means, or the `ack` of who does not watch the job: it was taken. */
export function readEcho(type: MessageType, got: MessageType): Answer<void> {
  return got === type || got === 'ack' ? { kind: 'resolved', value: undefined } : { kind: 'unrelated' };
}
