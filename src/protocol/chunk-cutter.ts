/**
 * Cuts text or bytes into pieces for the wire, for results and for streams alike.
 * 1. Text or bytes go in, cut anywhere; no piece is larger than `maxBytes` decoded, and the pieces make up what went in.
 * 2. Pieces of text end between code points. A high surrogate, or the beginning of a UTF-8 sequence, at the end of a
 *    write waits for the next one; what stays without its other half is refused, never replaced (decision 19).
 * 3. A write that is refused takes nothing in.
 */
import { encodeBase64 } from './base64.js';
import { ArcpError } from './errors.js';

/** What is wrong with text: a string with a lone surrogate, or bytes that are no UTF-8. */
export type TextFault = 'malformed_utf8' | 'invalid_utf8';

export interface ChunkCutterOptions {
  /** `utf8` takes text, and bytes that are UTF-8; `base64` takes any bytes, and text as its UTF-8. */
  readonly encoding: 'utf8' | 'base64';
  /** Decoded bytes in a piece, 4 to `limit`. */
  readonly maxBytes: number;
  /** The largest `maxBytes` that is allowed. */
  readonly limit: number;
  /** The error to throw for text that is none. */
  readonly fault: (kind: TextFault, message: string, cause?: unknown) => Error;
}

/** Room for one code point. */
const MIN_BYTES = 4;

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

export class ChunkCutter {
  readonly #isText: boolean;
  readonly #fault: ChunkCutterOptions['fault'];
  readonly #buffer: Uint8Array;
  #filled = 0;
  #size = 0;
  /** A high surrogate that ended a write of text. */
  #surrogate = '';
  /** The beginning of a UTF-8 sequence that ended a write of bytes. */
  #partial: Uint8Array = EMPTY;

  constructor({ encoding, maxBytes, limit, fault }: ChunkCutterOptions) {
    if (!Number.isInteger(maxBytes) || maxBytes < MIN_BYTES || maxBytes > limit) {
      throw new ArcpError(
        'INVALID_ARGUMENT',
        `maxChunkBytes must be ${MIN_BYTES} to ${limit}, not ${maxBytes}`,
      );
    }
    this.#isText = encoding === 'utf8';
    this.#fault = fault;
    this.#buffer = new Uint8Array(maxBytes);
  }

  /** Bytes taken in. */
  get size(): number {
    return this.#size;
  }

  /** Takes more in; returns the pieces that became full. A full one is held back until more follows it. */
  write(data: string | Uint8Array): string[] {
    return this.#fill(typeof data === 'string' ? this.#takeText(data) : this.#takeBytes(data));
  }

  /** What was taken in and not yet returned; `undefined` where there is nothing. */
  flush(): string | undefined {
    return this.#filled === 0 ? undefined : this.#cut(this.#filled);
  }

  /** The last piece, which is empty where nothing is left. Throws where a code point was left without its other half. */
  end(): string {
    this.#assertNoSurrogate();
    this.#assertNoPartial();
    return this.#cut(this.#filled);
  }

  #assertNoSurrogate(): void {
    if (this.#surrogate !== '') throw this.#fault('malformed_utf8', 'the text has a lone surrogate');
  }

  #assertNoPartial(): void {
    if (this.#partial.length > 0) throw this.#fault('invalid_utf8', 'the bytes end within a UTF-8 sequence');
  }

  #takeText(data: string): Uint8Array {
    if (data !== '') this.#assertNoPartial();
    const text = this.#surrogate + data;
    const last = text.charCodeAt(text.length - 1);
    const end = last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length;
    const whole = text.slice(0, end);
    if (!whole.isWellFormed()) throw this.#fault('malformed_utf8', 'the text has a lone surrogate');
    this.#surrogate = text.slice(end);
    return encoder.encode(whole);
  }

  #takeBytes(data: Uint8Array): Uint8Array {
    if (data.length > 0) this.#assertNoSurrogate();
    if (!this.#isText) return data;
    const bytes = concat(this.#partial, data);
    const end = completeLength(bytes);
    const whole = bytes.subarray(0, end);
    try {
      decoder.decode(whole);
    } catch (cause) {
      throw this.#fault('invalid_utf8', 'the bytes are not valid UTF-8', cause);
    }
    this.#partial = bytes.slice(end);
    return whole;
  }

  #fill(bytes: Uint8Array): string[] {
    const pieces: string[] = [];
    this.#size += bytes.length;
    let taken = 0;
    while (taken < bytes.length) {
      if (this.#filled === this.#buffer.length) {
        const splits = this.#isText && isContinuation(bytes[taken]);
        pieces.push(this.#cut(splits ? lastCodePoint(this.#buffer, this.#filled) : this.#filled));
      }
      const part = bytes.subarray(taken, taken + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      taken += part.length;
    }
    return pieces;
  }

  /** The first `length` buffered bytes as text; the rest moves to the front. */
  #cut(length: number): string {
    const bytes = this.#buffer.subarray(0, length);
    const piece = this.#isText ? decoder.decode(bytes) : encodeBase64(bytes);
    this.#buffer.copyWithin(0, length, this.#filled);
    this.#filled -= length;
    return piece;
  }
}
