/**
 * What the chunks of a stream carry, by the stream's kind, and in which order they come (RFC 0001 §11).
 *
 * (K1) `sequence` is contiguous from 0 within a stream. `final_sequence` and `total_chunks` of its close say the same.
 * (K2) `text` is well-formed text; `binary` is base64, each chunk decoded on its own; `log` and `metric` are what the
 *      messages of these names are; `thought` is text with a role, or nothing where it is redacted; `event` is anything.
 * (K3) A chunk that is refused changes nothing: the right one may follow.
 */
import type * as z from 'zod';
import { decodeBase64, encodeBase64, measureBase64 } from './base64.js';
import { ArcpError } from './errors.js';
import { describeIssues } from './issues.js';
import type { Payload } from './messages.js';
import { streamChunk, type StreamKind } from './payloads/streams.js';
import { log, metric } from './payloads/telemetry.js';

export type StreamChunk = Payload<'stream.chunk'>;

/** A chunk of a stream of kind `thought`. */
export interface Thought {
  readonly content: string;
  readonly role?: string | undefined;
  /** Whether the content was held back. */
  readonly redacted?: boolean | undefined;
}

/** What a reader of a stream gets for each chunk. */
export interface StreamValues {
  text: string;
  binary: Uint8Array;
  event: unknown;
  log: z.output<typeof log>;
  metric: z.output<typeof metric>;
  thought: Thought;
}

export type StreamValue<Kind extends StreamKind = StreamKind> = StreamValues[Kind];

export interface StreamLimits {
  /** Decoded bytes in one chunk; of JSON, its text. */
  readonly maxChunkBytes: number;
  /** The same in one stream. */
  readonly maxStreamBytes: number;
}

/** Whether a stream of this kind is text or bytes that may be cut anywhere, not values. */
export function isContinuous(kind: StreamKind): kind is 'text' | 'binary' {
  return kind === 'text' || kind === 'binary';
}

/** The value that a chunk carries. The chunk must be one that `StreamSequence` took. */
export function valueOfChunk<Kind extends StreamKind>(kind: Kind, chunk: StreamChunk): StreamValue<Kind> {
  return read(kind, chunk) as StreamValue<Kind>;
}

function read(kind: StreamKind, { data, role, redacted }: StreamChunk): unknown {
  switch (kind) {
    case 'binary':
      return decodeBase64(data as string);
    case 'thought':
      return { content: data, ...(role === undefined ? {} : { role }), ...(redacted ? { redacted } : {}) };
    default:
      return data;
  }
}

/**
 * A value as the part of a chunk that carries it, under both of its names on the wire; without `sequence`.
 * Throws INVALID_ARGUMENT for what the kind cannot carry.
 */
export function chunkOfValue(kind: StreamKind, value: unknown): Omit<StreamChunk, 'sequence'> {
  switch (kind) {
    case 'text':
      return { data: value, redacted: false };
    case 'binary':
      return { data: value instanceof Uint8Array ? encodeBase64(value) : value, redacted: false };
    case 'event':
    case 'log':
    case 'metric':
      return { data: value, [kind]: value, redacted: false };
    case 'thought': {
      const {
        content,
        role,
        redacted = false,
      } = typeof value === 'string' ? { content: value } : asThought(value);
      return { data: content, content, ...(role === undefined ? {} : { role }), redacted };
    }
  }
}

function asThought(value: unknown): Thought {
  const read = streamChunk.safeParse({ sequence: 0, ...(typeof value === 'object' ? value : {}) });
  if (!read.success) throw wrong('a thought', describeIssues(read.error.issues, value));
  const { data, role, redacted } = read.data;
  return { content: data as string, role, redacted };
}

/** What has come of one stream, and what may come next. */
export class StreamSequence {
  readonly kind: StreamKind;
  readonly #limits: StreamLimits;
  #next = 0;
  #size = 0;

  constructor(kind: StreamKind, limits: StreamLimits) {
    this.kind = kind;
    this.#limits = limits;
  }

  /** The sequence of the next chunk: how many there were. */
  get next(): number {
    return this.#next;
  }

  /** Of all chunks, decoded, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Throws OUT_OF_RANGE when the chunk is not the next one. */
  expect({ sequence }: Pick<StreamChunk, 'sequence'>): void {
    if (sequence === this.#next) return;
    throw new ArcpError('OUT_OF_RANGE', `sequence: expected ${this.#next}, not ${sequence}`, {
      details: { expected: this.#next, got: sequence },
    });
  }

  /**
   * Whether the chunk may come next; its size in bytes. Throws OUT_OF_RANGE, INVALID_ARGUMENT for what the kind cannot
   * carry, and RESOURCE_EXHAUSTED for what is too large.
   */
  check(chunk: StreamChunk): number {
    this.expect(chunk);
    const { maxChunkBytes, maxStreamBytes } = this.#limits;
    const bytes = measure(this.kind, chunk);
    if (bytes > maxChunkBytes)
      throw tooLarge(`the chunk has ${bytes} bytes, and ${maxChunkBytes} are allowed`);
    if (this.#size + bytes > maxStreamBytes)
      throw tooLarge(`the stream has more than ${maxStreamBytes} bytes`);
    return bytes;
  }

  /** A chunk of so many bytes was taken. */
  count(bytes: number): void {
    this.#size += bytes;
    this.#next += 1;
  }

  /** `check` and `count`. */
  take(chunk: StreamChunk): number {
    const bytes = this.check(chunk);
    this.count(bytes);
    return bytes;
  }

  /** Throws OUT_OF_RANGE when the close is not that of what came. */
  close({ final_sequence: last, total_chunks: total }: Payload<'stream.close'>): void {
    const came = this.#next;
    if ((last === undefined || last === came - 1) && (total === undefined || total === came)) return;
    throw new ArcpError(
      'OUT_OF_RANGE',
      `the stream is closed after ${came} chunks, and its close says otherwise`,
      {
        details: { chunks: came, final_sequence: last, total_chunks: total },
      },
    );
  }

  /** What its close says. */
  get closing(): Payload<'stream.close'> {
    return { ...(this.#next === 0 ? {} : { final_sequence: this.#next - 1 }), total_chunks: this.#next };
  }
}

const utf8 = new TextEncoder();

/** Checks what the chunk carries; its size in bytes. */
function measure(kind: StreamKind, { data, redacted }: StreamChunk): number {
  switch (kind) {
    case 'thought':
      if (redacted && typeof data !== 'string') return 0;
      return textBytes(data);
    case 'text':
      return textBytes(data);
    case 'binary':
      if (typeof data !== 'string') throw wrong('a binary chunk', 'data: expected base64');
      return measureBase64(data);
    case 'log':
      return checked(log, data);
    case 'metric':
      return checked(metric, data);
    case 'event':
      return jsonBytes(data);
  }
}

function textBytes(data: unknown): number {
  if (typeof data !== 'string' || !data.isWellFormed())
    throw wrong('a chunk of text', 'data: expected a string without lone surrogates');
  return utf8.encode(data).length;
}

function checked(schema: z.ZodType, data: unknown): number {
  const read = schema.safeParse(data);
  if (!read.success) throw wrong('a chunk', describeIssues(read.error.issues, data));
  return jsonBytes(data);
}

function jsonBytes(data: unknown): number {
  return utf8.encode(JSON.stringify(data)).length;
}

function wrong(what: string, why: string): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', `${what} of the stream: ${why}`);
}

function tooLarge(message: string): ArcpError {
  return new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
}
