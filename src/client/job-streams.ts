/**
 * The streams of one job, put together from its events, for one reader of `job.streams()`.
 *
 * (T1) A stream's values come in order and complete, or it fails with one error that says what is wrong: a chunk that
 *      is missing or malformed, the `stream.error` of the job, or the loss of the job.
 * (T2) Each stream has a queue of its own, so that a slow reader of one holds up no other. Where one falls behind, the
 *      job is asked by `backpressure` to slow the stream down, if it is a job of this session; where that does not
 *      help, the stream fails with BACKPRESSURE_OVERFLOW (L7).
 * (T3) What clients sent into the job is not among its streams.
 */
import {
  ArcpError,
  StreamSequence,
  ValueStream,
  valueOfChunk,
  type Id,
  type Payload,
  type StreamValue,
} from '../protocol/index.js';
import { EventQueue } from './event-queue.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { ClientLimits } from './limits.js';

/** One stream of a job. */
export type JobStream = ValueStream;

/** What a stream needs of its client. */
export interface StreamHost {
  readonly limits: ClientLimits;
  /** Asks the runtime to slow a stream down; absent where this client may not. */
  readonly slow: ((streamId: Id<'stream'>, wish: Payload<'backpressure'>) => void) | undefined;
}

/** Takes the events of one job apart. */
export class StreamReader {
  readonly streams: EventQueue<JobStream>;
  readonly #host: StreamHost;
  readonly #open = new Map<string, Incoming>();
  #left = false;

  constructor(events: AsyncIterableIterator<JobEvent, undefined>, host: StreamHost) {
    this.#host = host;
    this.streams = new EventQueue<JobStream>({ items: host.limits.iteratorEvents, size: Infinity }, () => {
      this.#left = true;
      if (this.#open.size === 0) void events.return?.();
    });
    void this.#pump(events);
  }

  async #pump(events: AsyncIterableIterator<JobEvent, undefined>): Promise<void> {
    try {
      for await (const event of events) {
        this.#take(event);
        if (this.#left && this.#open.size === 0) return;
      }
      this.#end(new ArcpError('DATA_LOSS', 'the job ended before the stream did'));
      this.streams.end();
    } catch (thrown) {
      const error = ArcpError.from(thrown);
      this.#end(error);
      this.streams.fail(error);
    }
  }

  #end(error: ArcpError): void {
    for (const incoming of this.#open.values()) incoming.fail(error);
    this.#open.clear();
  }

  #take(event: JobEvent): void {
    const { stream_id: id, source } = event;
    if (id === undefined || source !== undefined) return;
    switch (event.type) {
      case 'stream.open': {
        if (this.#left) return;
        const incoming = new Incoming(id, event.payload, this.#host);
        this.#open.set(id, incoming);
        this.streams.push(incoming.stream, 0);
        return;
      }
      case 'stream.chunk':
        this.#open.get(id)?.chunk(event.payload);
        return;
      case 'stream.close':
        this.#open.get(id)?.close(event.payload);
        break;
      case 'stream.error':
        this.#open.get(id)?.fail(ArcpError.fromPayload(event.payload));
        break;
      default:
        return;
    }
    this.#open.delete(id);
  }
}

/** From how many unread bytes on a stream is slowed down; half of it lets it flow again. */
const SLOW_FROM = 1_048_576;
/** How much more may come until that is said again: a runtime forgets it after a while. */
const SLOW_AGAIN = 262_144;
/** What a value counts for beside its size, so that small ones cannot be held without end. */
const VALUE_SIZE = 64;

/** An open stream: what comes of it is checked and queued. */
class Incoming {
  readonly stream: JobStream;
  readonly #sequence: StreamSequence;
  readonly #queue: UnreadQueue;

  constructor(id: Id<'stream'>, { kind, content_type }: Payload<'stream.open'>, host: StreamHost) {
    const { iteratorEvents: items, iteratorSize: size } = host.limits;
    this.#sequence = new StreamSequence(kind, { maxChunkBytes: Infinity, maxStreamBytes: Infinity });
    this.#queue = new UnreadQueue({ items, size }, (wish) => host.slow?.(id, wish));
    this.stream = new ValueStream(id, kind, content_type, this.#queue);
  }

  chunk(chunk: Payload<'stream.chunk'>): void {
    try {
      const bytes = this.#sequence.take(chunk);
      this.#queue.put(valueOfChunk(this.#sequence.kind, chunk), bytes + VALUE_SIZE);
    } catch (error) {
      this.#queue.fail(ArcpError.from(error));
    }
  }

  close(close: Payload<'stream.close'>): void {
    try {
      this.#sequence.close(close);
      this.#queue.end();
    } catch (error) {
      this.#queue.fail(ArcpError.from(error));
    }
  }

  fail(error: ArcpError): void {
    this.#queue.fail(error);
  }
}

type Ask = (wish: Payload<'backpressure'>) => void;

interface Held {
  readonly value: StreamValue;
  readonly size: number;
}

/** The unread values of one stream; asks for less to come when there are many (T2). */
class UnreadQueue implements AsyncIterableIterator<StreamValue, undefined> {
  readonly #queue: EventQueue<Held>;
  readonly #ask: Ask;
  #unread = 0;
  /** How much was unread when it was last asked to wait; 0 while it flows. */
  #slowedAt = 0;
  #over = false;
  /** Whether somebody has begun to read: what nobody reads slows nothing down. */
  #isRead = false;

  constructor(limit: { readonly items: number; readonly size: number }, ask: Ask) {
    this.#queue = new EventQueue(limit, () => {
      this.#over = true;
      this.#flow();
    });
    this.#ask = ask;
  }

  put(value: StreamValue, size: number): void {
    if (this.#over) return;
    this.#unread += size;
    this.#queue.push({ value, size }, size);
    if (!this.#isRead || this.#unread < Math.max(SLOW_FROM, this.#slowedAt + SLOW_AGAIN)) return;
    this.#slowedAt = this.#unread;
    this.#ask({ buffer_remaining_bytes: 0, reason: 'the reader is slow' });
  }

  end(): void {
    this.#over = true;
    this.#queue.end();
  }

  fail(error: ArcpError): void {
    this.#over = true;
    this.#queue.fail(error);
  }

  async next(): Promise<IteratorResult<StreamValue, undefined>> {
    this.#isRead = true;
    const { done, value } = await this.#queue.next();
    if (done === true) return { done, value: undefined };
    this.#unread -= value.size;
    if (this.#unread <= SLOW_FROM / 2 && !this.#over) this.#flow();
    return { done: false, value: value.value };
  }

  /** Nobody reads on. */
  async return(): Promise<IteratorResult<StreamValue, undefined>> {
    await this.#queue.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #flow(): void {
    if (this.#slowedAt === 0) return;
    this.#slowedAt = 0;
    this.#ask({});
  }
}
