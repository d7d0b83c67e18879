/**
 * A stream from a client into a job (RFC 0001 §11).
 *
 * (I1) What a client sends is an event of the job's log before the agent sees it (L1, L2), and every watcher is told it
 *      like any other. The event that comes back, correlated to the message, is what tells the client that it was taken;
 *      one that does not watch the job gets an `ack`.
 * (I2) The agent reads from the store: what it has yet to read costs a place here, no text (L7).
 * (I3) The sender is told by `backpressure` how much more may come, from when there is a window's worth unread; what it
 *      sends beyond all patience is refused.
 * (I4) A message that comes again is dropped, in a later life of the runtime as well. Whatever else is wrong is refused
 *      and changes nothing (L6): the right chunk may follow.
 */
import { ArcpError } from '../protocol/errors.js';
import type { Id, SessionId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import { handledSteps } from '../agents/handled.js';
import { decodeBase64 } from '../protocol/base64.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import { StreamSequence, valueOfChunk, type StreamValue } from '../protocol/stream-chunk.js';
import { ValueStream } from '../protocol/value-stream.js';
import type { StoredRecord } from '../store/store.js';
import type { EngineContext } from './engine-context.js';
import { headOfBody, type LogEvent } from './event-log.js';
import type { JobRun } from './job-run.js';
import { errorPayloadOf, sha256Of } from './output-stream.js';
import { RememberedIds } from './remembered-ids.js';
import type { PaceWish } from './stream-pace.js';
import type { OpenStream } from './stream-table.js';

/** Where it comes from. */
export interface InputSource {
  readonly streamId: Id<'stream'>;
  readonly sessionId: SessionId;
  readonly open: Payload<'stream.open'>;
  /** Says something to the client, if it is there. */
  readonly tell: (wish: PaceWish) => void;
  /** Its message is committed: a client that does not watch the job is told so. */
  readonly taken: (messageId: string) => void;
}

/** A chunk's place in the job's log, and what it counts for while it is unread. */
interface Place {
  readonly seq: number;
  readonly bytes: number;
}

/** What an empty chunk counts for, so that they cannot pile up without end (L7). */
const MIN_CHUNK_BYTES = 64;

type Supply =
  | { readonly kind: 'open' }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly error: ArcpError };

/** Message ids that are remembered, so that chunks sent again after a restart are known; a sender's window is smaller. */
const REMEMBERED = 1_024;
/** Data that is read from the store in one go, in bytes. */
const READ_BYTES = 262_144;

export class InputStream implements OpenStream {
  readonly id: Id<'stream'>;
  readonly principal: string;
  readonly sessionId: SessionId;
  readonly direction = 'input';
  /** What the agent reads. */
  readonly values: ValueStream;
  readonly #run: JobRun;
  readonly #context: EngineContext;
  readonly #source: InputSource;
  readonly #onEnd: (stream: InputStream) => void;
  readonly #sequence: StreamSequence;
  readonly #took = new RememberedIds(REMEMBERED);
  /** Appended but not yet committed. */
  readonly #appended: Place[] = [];
  /** Committed and not yet read. */
  #places: Place[] = [];
  #unreadBytes = 0;
  /** What was read since the sender was told how much may come; nothing until it is told for the first time. */
  #readSince: number | undefined;
  #supply: Supply = { kind: 'open' };
  #isOver = false;
  /** Of its `stream.open` in the job's log. */
  #openedAt = 0;
  #wake: () => void = () => undefined;

  constructor(
    run: JobRun,
    source: InputSource,
    context: EngineContext,
    onEnd: (stream: InputStream) => void,
  ) {
    const { maxChunkBytes, maxStreamBytes } = context.limits;
    const { kind, content_type } = source.open;
    this.id = source.streamId;
    this.principal = run.job.origin.principal;
    this.sessionId = source.sessionId;
    this.#run = run;
    this.#context = context;
    this.#source = source;
    this.#onEnd = onEnd;
    this.#sequence = new StreamSequence(kind, { maxChunkBytes, maxStreamBytes });
    this.values = new ValueStream(this.id, kind, content_type, handledSteps(this.#read()));
  }

  /** Records that it was opened. */
  opened(messageId: string): void {
    this.#took.add(messageId);
    this.#openedAt = this.#append('stream.open', this.#source.open, messageId).seq;
  }

  /** Takes the next chunk. Throws OUT_OF_RANGE, INVALID_ARGUMENT, RESOURCE_EXHAUSTED or BACKPRESSURE_OVERFLOW. */
  chunk(chunk: Payload<'stream.chunk'>, messageId: string): void {
    if (chunk.sequence < this.#sequence.next && this.#took.has(messageId)) return;
    const size = this.#sequence.check(chunk);
    const bytes = Math.max(size, MIN_CHUNK_BYTES);
    checkDigest(this.#sequence.kind, chunk);
    const { maxInputBacklogBytes } = this.#context.limits;
    if (this.#unreadBytes + bytes > maxInputBacklogBytes) {
      throw new ArcpError('BACKPRESSURE_OVERFLOW', `${this.#unreadBytes} bytes of the stream are unread`);
    }
    const { seq } = this.#append('stream.chunk', chunk, messageId);
    this.#took.add(messageId);
    this.#sequence.count(size);
    this.#appended.push({ seq, bytes });
    this.#unreadBytes += bytes;
    if (this.#unreadBytes >= this.#context.limits.inputWindowBytes) this.#announce();
  }

  /** Throws OUT_OF_RANGE when it is not closed behind what came. */
  close(close: Payload<'stream.close'>, messageId: string): void {
    this.#sequence.close(close);
    this.#append('stream.close', close, messageId);
    this.#end();
  }

  /** The client gives it up. */
  fail(error: Payload<'stream.error'>, messageId: string): void {
    this.#append('stream.error', error, messageId);
    this.#end();
  }

  stop(error: ArcpError): void {
    this.endWithJob(error, !this.#run.job.isOver);
  }

  /** Nothing more is taken, in these words if they may still be said. */
  endWithJob(error: ArcpError, mayTell: boolean): void {
    if (!this.#isOver && mayTell) {
      const text = JSON.stringify(errorPayloadOf(error));
      this.#run.job.emitText('stream.error', text, undefined, { stream_id: this.id });
    }
    this.leave(error);
  }

  /** Whoever reads it finds out by this error. */
  leave(error: ArcpError): void {
    this.#end();
    this.interrupt(error);
  }

  /** Whoever waits for more of it gets this error instead; what has come can still be read. */
  interrupt(error: ArcpError): void {
    if (this.#supply.kind === 'open') this.#supply = { kind: 'failed', error };
    this.#wake();
  }

  /** The store lost what stood in the job's log behind `committedSeq`: a stream that began there never was. */
  lost(committedSeq: number, error: ArcpError): void {
    this.#appended.length = 0;
    if (this.#openedAt > committedSeq) this.leave(error);
  }

  /** A job does not slow its input down by wishes but by not reading. */
  wish(): void {
    // Nothing: only the agent's reading counts.
  }

  /** One of its events is committed (I1). */
  committed(event: LogEvent): void {
    const { source, correlation_id: messageId } = headOfBody(event.body);
    if (source !== undefined && messageId !== undefined) this.#source.taken(messageId);
    this.#taken(event);
  }

  #taken({ type, body }: Pick<StoredRecord, 'type' | 'body'>): void {
    if (type === 'stream.chunk') {
      const place = this.#appended.shift();
      if (place !== undefined) this.#places.push(place);
    } else if (type === 'stream.close') {
      this.#supply = { kind: 'closed' };
    } else if (type === 'stream.error' && this.#supply.kind === 'open') {
      this.#supply = { kind: 'failed', error: ArcpError.fromPayload(payloadOf<'stream.error'>(body)) };
    }
    this.#wake();
  }

  /** Takes up an event that the job's log has from an earlier life. */
  restore({ seq, type, body }: StoredRecord, messageId: string | undefined): void {
    if (messageId !== undefined) this.#took.add(messageId);
    if (type === 'stream.chunk') {
      const bytes = Math.max(this.#sequence.take(payloadOf<'stream.chunk'>(body)), MIN_CHUNK_BYTES);
      this.#unreadBytes += bytes;
      this.#appended.push({ seq, bytes });
    } else if (type !== 'stream.open') {
      this.#isOver = true;
    }
    this.#taken({ type, body });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  #append<T extends 'stream.open' | 'stream.chunk' | 'stream.close' | 'stream.error'>(
    type: T,
    payload: Payload<T>,
    messageId: string,
  ): LogEvent {
    return this.#run.hear(type, JSON.stringify(payload), {
      stream_id: this.id,
      source: this.sessionId,
      correlation_id: messageId,
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd(this);
  }

  /** (I3) */
  #announce(): void {
    this.#readSince = 0;
    const room = Math.max(0, this.#context.limits.inputWindowBytes - this.#unreadBytes);
    this.#source.tell({ buffer_remaining_bytes: room });
  }

  async *#read(): AsyncGenerator<StreamValue, undefined> {
    try {
      for (;;) {
        if (this.#places.length > 0) {
          for (const { value, bytes } of await this.#nextValues()) {
            this.#wasRead(bytes);
            yield value;
          }
        } else if (this.#supply.kind === 'failed') {
          throw this.#supply.error;
        } else if (this.#supply.kind === 'closed') {
          return undefined;
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve));
        }
      }
    } finally {
      if (!this.#isOver) this.stop(new ArcpError('CANCELLED', 'the agent reads the stream no further'));
      this.#places = [];
    }
  }

  /** What the longest run of unread chunks carries that lie side by side, up to some size (I2). */
  async #nextValues(): Promise<{ readonly value: StreamValue; readonly bytes: number }[]> {
    const places = this.#places;
    const first = places[0]?.seq ?? 0;
    let count = 0;
    let size = 0;
    while (
      count < places.length &&
      places[count]?.seq === first + count &&
      (count === 0 || size < READ_BYTES)
    ) {
      size += places[count]?.bytes ?? 0;
      count += 1;
    }
    const records = await this.#context.store.read(this.#run.job.id, first - 1, count);
    const read = this.#places.splice(0, count);
    return read.map(({ bytes }, index) => {
      const record = records[index];
      if (record === undefined) throw new ArcpError('DATA_LOSS', 'the stream is no longer kept');
      return { value: valueOfChunk(this.#sequence.kind, payloadOf<'stream.chunk'>(record.body)), bytes };
    });
  }

  #wasRead(bytes: number): void {
    this.#unreadBytes -= bytes;
    if (this.#readSince === undefined || this.#isOver) return;
    this.#readSince += bytes;
    if (this.#readSince >= this.#context.limits.inputWindowBytes / 4) this.#announce();
  }
}

function payloadOf<T extends 'stream.chunk' | 'stream.error'>(body: string): Payload<T> {
  return (JSON.parse(`{${body}`) as { readonly payload: Payload<T> }).payload;
}

/** Throws INVALID_ARGUMENT when bytes are not those that their digest is of. */
function checkDigest(kind: StreamKind, { data, sha256 }: Payload<'stream.chunk'>): void {
  if (sha256 === undefined || typeof data !== 'string') return;
  const bytes = kind === 'binary' ? decodeBase64(data) : Buffer.from(data);
  if (sha256Of(bytes) === sha256.toLowerCase()) return;
  throw new ArcpError('INVALID_ARGUMENT', 'sha256: the data has another one');
}
