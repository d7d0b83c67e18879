/**
 * Cuts a result into chunks: the other side of `ResultChunkAssembler`.
 * 1. Bytes or text go in, cut anywhere; no chunk is larger than `maxChunkBytes`, and the chunks assemble to what went in.
 * 2. Text chunks end between code points. A high surrogate, or the beginning of a UTF-8 sequence, at the end of a
 *    write waits for the next one; what stays without its other half is refused, never replaced (decision 19).
 * 3. A write that is refused takes nothing in.
 * 4. The last chunk, and it alone, says `more: false`; a full chunk is held back until it is known not to be the last.
 */
import { encodeBase64 } from './base64.js';
import { ArcpError } from './errors.js';
import {
  DEFAULT_RESULT_CHUNK_LIMITS,
  ResultChunkError,
  type ResultChunk,
  type ResultChunkEncoding,
} from './result-chunk.js';

export interface ResultChunkerOptions {
  readonly resultId: string;
  /** `utf8` takes text, and bytes that are UTF-8; `base64` takes any bytes, and text as its UTF-8. Default `utf8`. */
  readonly encoding?: ResultChunkEncoding | undefined;
  /** Bytes of decoded data in a chunk at most, 4 to 1 MiB. Default 64 KiB. */
  readonly maxChunkBytes?: number | undefined;
}

export const DEFAULT_CHUNK_BYTES = 64 * 1024;
/** Room for one code point. */
const MIN_CHUNK_BYTES = 4;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Where the last code point of the bytes begins. */
function lastCodePoint(bytes: Uint8Array, end: number): number {
  let start = end - 1;
  while (start > 0 && end - start < 4 && isContinuation(bytes[start])) start--;
  return start;
}

/** Where a UTF-8 sequence begins that the end of the bytes cuts short; their length where none does. */
function completeLength(bytes: Uint8Array): number {
  if (bytes.length === 0) return 0;
  const start = lastCodePoint(bytes, bytes.length);
  const lead = bytes[start] ?? 0;
  const needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return bytes.length - start < needed ? start : bytes.length;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/**
 * @example
 * const chunker = new ResultChunker({ resultId: 'res_1' });
 * const chunks = [...chunker.write('hi'), ...chunker.end()];
 */
export class ResultChunker {
  readonly resultId: string;
  readonly encoding: ResultChunkEncoding;
  readonly #buffer: Uint8Array;
  #filled = 0;
  #nextSeq = 0;
  #size = 0;
  #ended = false;
  /** A high surrogate that ended a write of text. */
  #surrogate = '';
  /** The beginning of a UTF-8 sequence that ended a write of bytes. */
  #partial: Uint8Array = EMPTY;

  constructor({ resultId, encoding = 'utf8', maxChunkBytes = DEFAULT_CHUNK_BYTES }: ResultChunkerOptions) {
    const max = DEFAULT_RESULT_CHUNK_LIMITS.maxChunkBytes;
    if (!Number.isInteger(maxChunkBytes) || maxChunkBytes < MIN_CHUNK_BYTES || maxChunkBytes > max) {
      throw new ArcpError(
        'INVALID_ARGUMENT',
        `maxChunkBytes must be ${MIN_CHUNK_BYTES} to ${max}, not ${maxChunkBytes}`,
      );
    }
    this.resultId = resultId;
    this.encoding = encoding;
    this.#buffer = new Uint8Array(maxChunkBytes);
  }

  /** Bytes taken in: after `end`, the `result_size` of `job.completed`. */
  get size(): number {
    return this.#size;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /**
   * Takes more of the result in; returns the chunks that became full.
   * @throws ResultChunkError `malformed_utf8`, `invalid_utf8`, `after_final`
   */
  write(data: string | Uint8Array): ResultChunk[] {
    this.#assertOpen();
    return this.#fill(typeof data === 'string' ? this.#takeText(data) : this.#takeBytes(data));
  }

  /** What was taken in and not yet returned, as a chunk of its own; nothing where there is none. */
  flush(): ResultChunk[] {
    return this.#filled === 0 ? [] : [this.#cut(this.#filled, true)];
  }

  /**
   * Ends the result; returns its final chunk, which is empty where nothing is left.
   * @throws ResultChunkError `malformed_utf8`, `invalid_utf8`, `after_final`
   */
  end(): [ResultChunk] {
    this.#assertOpen();
    this.#assertNoSurrogate();
    this.#assertNoPartial();
    this.#ended = true;
    return [this.#cut(this.#filled, false)];
  }

  #assertOpen(): void {
    if (this.#ended) throw new ResultChunkError('after_final', 'the result has ended');
  }

  #assertNoSurrogate(): void {
    if (this.#surrogate === '') return;
    throw new ResultChunkError('malformed_utf8', 'the text has a lone surrogate');
  }

  #assertNoPartial(): void {
    if (this.#partial.length === 0) return;
    throw new ResultChunkError('invalid_utf8', 'the bytes end within a UTF-8 sequence');
  }

  #takeText(data: string): Uint8Array {
    if (data !== '') this.#assertNoPartial();
    const text = this.#surrogate + data;
    const last = text.charCodeAt(text.length - 1);
    const end = last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length;
    const whole = text.slice(0, end);
    if (!whole.isWellFormed()) {
      throw new ResultChunkError('malformed_utf8', 'the text has a lone surrogate');
    }
    this.#surrogate = text.slice(end);
    return encoder.encode(whole);
  }

  #takeBytes(data: Uint8Array): Uint8Array {
    if (data.length > 0) this.#assertNoSurrogate();
    if (this.encoding === 'base64') return data;
    const bytes = concat(this.#partial, data);
    const end = completeLength(bytes);
    const whole = bytes.subarray(0, end);
    try {
      decoder.decode(whole);
    } catch (cause) {
      throw new ResultChunkError('invalid_utf8', 'the bytes are not valid UTF-8', {}, { cause });
    }
    this.#partial = bytes.slice(end);
    return whole;
  }

  #fill(bytes: Uint8Array): ResultChunk[] {
    const chunks: ResultChunk[] = [];
    this.#size += bytes.length;
    let taken = 0;
    while (taken < bytes.length) {
      if (this.#filled === this.#buffer.length) {
        const splits = this.encoding === 'utf8' && isContinuation(bytes[taken]);
        chunks.push(this.#cut(splits ? lastCodePoint(this.#buffer, this.#filled) : this.#filled, true));
      }
      const part = bytes.subarray(taken, taken + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      taken += part.length;
    }
    return chunks;
  }

  /** The first `length` buffered bytes as a chunk; the rest moves to the front. */
  #cut(length: number, more: boolean): ResultChunk {
    const bytes = this.#buffer.subarray(0, length);
    const data = this.encoding === 'utf8' ? decoder.decode(bytes) : encodeBase64(bytes);
    this.#buffer.copyWithin(0, length, this.#filled);
    this.#filled -= length;
    return { result_id: this.resultId, chunk_seq: this.#nextSeq++, data, encoding: this.encoding, more };
  }
}
