/**
 * The streams of one job over the wire. Those that its agent opens are cut here and acknowledged by the runtime chunk by
 * chunk; those that clients open into it are acknowledged as the agent reads them, which is what paces their senders.
 */
import { nanoid } from 'nanoid';
import type { InputStream, JobStream, StreamOptions } from '../agents/agent.js';
import { handledSteps } from '../agents/handled.js';
import { ChunkedStream, type StreamSink } from '../agents/job-stream.js';
import type { ContextStreams } from '../agents/mirrored-context.js';
import { EventQueue } from '../client/event-queue.js';
import { decodeBase64 } from '../protocol/base64.js';
import type { AnyEnvelope, Envelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES, isId, type Id, type MessageId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import {
  chunkOfValue,
  isContinuous,
  StreamSequence,
  valueOfChunk,
  type StreamValue,
} from '../protocol/stream-chunk.js';
import { ValueStream } from '../protocol/value-stream.js';
import { sha256Of } from './digest.js';
import type { JobWire } from './job-wire.js';

/** Those of the runtime, by default: it refuses what is beyond its own. */
const LIMITS = { maxChunkBytes: 1_048_576, maxStreamBytes: 268_435_456 };

/** Streams that clients opened and the agent has not taken, and chunks of one that it has not read; the runtime sends fewer. */
const QUEUE = { items: 1_024, size: Number.MAX_SAFE_INTEGER };

/** Something of a client that is acknowledged once the agent has it. */
interface Arrived<T> {
  readonly id: MessageId;
  readonly value: T;
}

interface Input {
  readonly stream: InputStream;
  readonly queue: EventQueue<Arrived<StreamValue>>;
  readonly sequence: StreamSequence;
}

export class WireStreams implements ContextStreams {
  readonly input: AsyncIterable<InputStream, undefined>;
  readonly #wire: JobWire;
  readonly #signal: AbortSignal;
  readonly #open = new Map<string, ChunkedStream>();
  readonly #arriving = new EventQueue<Arrived<Input>>(QUEUE);
  readonly #inputs = new Map<string, Input>();

  constructor(wire: JobWire, signal: AbortSignal) {
    this.#wire = wire;
    this.#signal = signal;
    this.input = { [Symbol.asyncIterator]: () => handledSteps(this.#taken()) };
    signal.addEventListener('abort', () => {
      const reason = ArcpError.from(signal.reason);
      this.#arriving.fail(reason);
      for (const { queue } of this.#inputs.values()) queue.fail(reason);
    });
  }

  open(options: StreamOptions): JobStream {
    const { kind, streamId = `${ID_PREFIXES.stream}_${nanoid()}`, contentType, sha256 = false } = options;
    if (!isId('stream', streamId))
      throw new ArcpError('INVALID_ARGUMENT', 'stream: expected an id such as str_1');
    if (this.#open.has(streamId))
      throw new ArcpError('ALREADY_EXISTS', `stream: ${streamId} is open already`);
    const sink = new WireSink(this.#wire, streamId, kind, sha256 && kind === 'binary');
    const stream = new ChunkedStream(sink, options);
    this.#open.set(streamId, stream);
    stream.once('close', () => this.#open.delete(streamId));
    sink.open(contentType, (error) => {
      stream.destroy(error);
    });
    return stream;
  }

  async settled(): Promise<void> {
    const ending = [...this.#open.values()].filter(({ writableEnded }) => writableEnded);
    await Promise.all(ending.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  }

  /** Ends what the agent left open, as a job in process does. */
  leave(): void {
    for (const stream of this.#open.values()) stream.destroy();
  }

  /** A message about a stream that answers nothing. */
  receive(envelope: AnyEnvelope): void {
    switch (envelope.type) {
      case 'stream.open':
        this.#opened(envelope);
        return;
      case 'stream.chunk':
        this.#chunk(envelope);
        return;
      case 'stream.close':
        this.#inputs.get(envelope.stream_id ?? '')?.queue.end();
        this.#inputs.delete(envelope.stream_id ?? '');
        return;
      case 'stream.error': {
        const error = ArcpError.fromPayload(envelope.payload);
        const id = envelope.stream_id ?? '';
        this.#open.get(id)?.destroy(error);
        this.#inputs.get(id)?.queue.fail(error);
        this.#inputs.delete(id);
        return;
      }
      default:
    }
  }

  #opened({ id, payload, stream_id: streamId }: Envelope<'stream.open'>): void {
    if (streamId === undefined) return;
    const { kind, content_type: contentType } = payload;
    const queue = new EventQueue<Arrived<StreamValue>>(QUEUE);
    const values = handledSteps(this.#values(streamId, queue));
    const stream = new ValueStream(streamId, kind, contentType, values);
    const input: Input = { stream, queue, sequence: new StreamSequence(kind, LIMITS) };
    this.#inputs.set(streamId, input);
    this.#arriving.push({ id, value: input }, 1);
  }

  #chunk({ id, payload, stream_id: streamId }: Envelope<'stream.chunk'>): void {
    const input = this.#inputs.get(streamId ?? '');
    if (input === undefined) {
      // It was left: whoever sent this has been told so.
      this.#acknowledge(id, streamId);
      return;
    }
    try {
      input.sequence.take(payload);
      input.queue.push({ id, value: valueOfChunk(input.stream.kind, payload) }, 1);
    } catch (error) {
      input.queue.fail(ArcpError.from(error));
      this.#left(input.stream.id);
    }
  }

  async *#taken(): AsyncGenerator<InputStream, undefined> {
    this.#signal.throwIfAborted();
    for (;;) {
      const step = await this.#arriving.next();
      if (step.done === true) return undefined;
      const { id, value } = step.value;
      this.#acknowledge(id, value.stream.id);
      yield value.stream;
    }
  }

  async *#values(
    id: Id<'stream'>,
    queue: EventQueue<Arrived<StreamValue>>,
  ): AsyncGenerator<StreamValue, undefined> {
    let isOver = false;
    try {
      for (;;) {
        const step = await queue.next();
        isOver = step.done === true;
        if (step.done === true) return undefined;
        this.#acknowledge(step.value.id, id);
        yield step.value.value;
      }
    } finally {
      if (!isOver) this.#left(id);
    }
  }

  #left(id: Id<'stream'>): void {
    if (!this.#inputs.delete(id)) return;
    this.#wire.say('cancel', { target: 'stream', target_id: id });
  }

  #acknowledge(id: MessageId, streamId: Id<'stream'> | undefined): void {
    this.#wire.say('ack', { ack_for: id }, { correlation_id: id, stream_id: streamId });
  }
}

/** Where the chunks of a stream of the agent's go: each is one act, and done when the runtime has it. */
class WireSink implements StreamSink {
  readonly id: Id<'stream'>;
  readonly kind: StreamKind;
  readonly #wire: JobWire;
  readonly #digests: boolean;
  readonly #sequence: StreamSequence;
  #opening: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(wire: JobWire, id: Id<'stream'>, kind: StreamKind, digests: boolean) {
    this.#wire = wire;
    this.id = id;
    this.kind = kind;
    this.#digests = digests;
    this.#sequence = new StreamSequence(kind, LIMITS);
  }

  open(contentType: string | undefined, refused: (error: ArcpError) => void): void {
    const type = contentType ?? (this.kind === 'binary' ? 'application/octet-stream' : undefined);
    const more = type === undefined ? {} : { content_type: type };
    this.#opening = this.#say('stream.open', { kind: this.kind, ...more });
    this.#opening.catch((error: unknown) => {
      refused(ArcpError.from(error));
    });
  }

  async chunk(value: unknown): Promise<void> {
    await this.#opening;
    const chunk = { sequence: this.#sequence.next, ...chunkOfValue(this.kind, value) };
    // The piece of a continuous stream is base64 already where it is bytes.
    const digest =
      this.#digests && isContinuous(this.kind)
        ? { sha256: sha256Of(decodeBase64(chunk.data as string)) }
        : {};
    this.#sequence.take(chunk);
    await this.#say('stream.chunk', { ...chunk, ...digest });
  }

  close(): void {
    this.#closing = this.#say('stream.close', this.#sequence.closing);
  }

  fail(error: ArcpError): void {
    this.#wire.say('stream.error', error.toPayload(), { stream_id: this.id });
  }

  async flushed(): Promise<void> {
    await this.#closing;
  }

  #say(
    type: 'stream.open' | 'stream.chunk' | 'stream.close',
    payload: Payload<'stream.open' | 'stream.chunk' | 'stream.close'>,
  ): Promise<void> {
    return this.#wire.ask(
      'brief',
      type,
      payload,
      (answer) => (answer.type === 'ack' ? { value: undefined } : undefined),
      { stream_id: this.id },
    );
  }
}
