/**
 * The rules that a sequence of result chunks keeps, and nothing of their data: what a runtime checks as chunks pass.
 * 1. The checks come in the order of execution.rs `ResultChunkAssembler::push`: nothing after the final chunk, then
 *    `chunk_seq`, then `result_id`, then `encoding`, then the data.
 * 2. A chunk that fails a check changes nothing, so that the right one may still follow (L6); only that data which
 *    fails (undecodable, ill-formed, too large) comes after its chunk has settled id and encoding, as in the seed.
 * 3. Sizes are in decoded bytes, and both limits hold before anything counts as received (L7).
 */
import { Base64Error, measureBase64, sizeOfOwnBase64 } from './base64.js';
import {
  DEFAULT_RESULT_CHUNK_LIMITS,
  ResultChunkError,
  type ResultChunk,
  type ResultChunkEncoding,
  type ResultChunkLimits,
} from './result-chunk.js';

const utf8 = new TextEncoder();
const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: typeof Buffer };

/** Bytes of well-formed text as UTF-8. */
function sizeOfText(text: string): number {
  return NodeBuffer?.byteLength(text) ?? utf8.encode(text).length;
}

/** Decoded bytes of a chunk's data. */
function measure(chunk: ResultChunk): number {
  return chunk.encoding === 'base64' ? readBase64(chunk, measureBase64) : readText(chunk).length;
}

/** Reads base64 data, and names the chunk where that fails. */
export function readBase64<T>(chunk: ResultChunk, read: (data: string) => T): T {
  try {
    return read(chunk.data);
  } catch (error) {
    if (!(error instanceof Base64Error)) throw error;
    const seq = chunk.chunk_seq;
    throw new ResultChunkError(
      'base64_decode',
      `chunk ${seq} is ${error.message}`,
      { seq },
      { cause: error },
    );
  }
}

/** The UTF-8 bytes of a chunk of text, which must be well-formed (decision 19). */
export function readText({ chunk_seq: seq, data }: ResultChunk): Uint8Array<ArrayBuffer> {
  if (data.isWellFormed()) return utf8.encode(data);
  throw new ResultChunkError('malformed_utf8', `chunk ${seq} is not well-formed text`, { seq });
}

/** A result of which some chunks have passed. */
export interface BegunResult {
  readonly resultId: string;
  readonly encoding: ResultChunkEncoding;
  /** The `chunk_seq` that comes next. */
  readonly nextChunk: number;
  /** Decoded bytes. */
  readonly size: number;
  readonly isFinished: boolean;
}

/** Checks the chunks of one result as they pass; see the rules above. */
export class ResultChunkSequence {
  readonly limits: ResultChunkLimits;
  #resultId: string | undefined;
  #encoding: ResultChunkEncoding | undefined;
  #nextSeq = 0;
  #size = 0;
  #finished = false;

  /** @param begun what was received before, where this goes on from there */
  constructor(limits: Partial<ResultChunkLimits> = {}, begun?: BegunResult) {
    this.limits = { ...DEFAULT_RESULT_CHUNK_LIMITS, ...limits };
    if (begun === undefined) return;
    this.#resultId = begun.resultId;
    this.#encoding = begun.encoding;
    this.#nextSeq = begun.nextChunk;
    this.#size = begun.size;
    this.#finished = begun.isFinished;
  }

  /** Of the first chunk that was in its place. */
  get resultId(): string | undefined {
    return this.#resultId;
  }

  /** Of the first chunk that was in its place. */
  get encoding(): ResultChunkEncoding | undefined {
    return this.#encoding;
  }

  /** The `chunk_seq` that comes next; also how many chunks were received. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Decoded bytes received. */
  get size(): number {
    return this.#size;
  }

  /** Whether the final chunk was received. */
  get isFinished(): boolean {
    return this.#finished;
  }

  /**
   * Takes the next chunk; true when it was the final one.
   * @throws ResultChunkError
   */
  push(chunk: ResultChunk): boolean {
    this.expect(chunk);
    return this.receive(chunk, measure(chunk));
  }

  /**
   * `push` for a chunk that a `ResultChunker` made: its data is as it should be, and only counted.
   * @throws ResultChunkError
   */
  pushOwn(chunk: ResultChunk): boolean {
    this.expect(chunk);
    const { encoding, data } = chunk;
    return this.receive(chunk, encoding === 'base64' ? sizeOfOwnBase64(data) : sizeOfText(data));
  }

  /**
   * The first half of `push`: whether the chunk is in its place.
   * @internal
   */
  expect(chunk: ResultChunk): void {
    const { result_id: resultId, chunk_seq: seq, encoding } = chunk;
    if (this.#finished) {
      throw new ResultChunkError('after_final', `chunk ${seq} comes after the final chunk`, { seq });
    }
    if (seq !== this.#nextSeq) {
      const expected = this.#nextSeq;
      throw new ResultChunkError(
        'out_of_order',
        `out of order: expected seq ${expected}, got ${seq}`,
        { expected, got: seq },
        expected === 0 ? { code: 'FAILED_PRECONDITION' } : {},
      );
    }
    if (this.#resultId !== undefined && resultId !== this.#resultId) {
      throw new ResultChunkError('result_id_mismatch', `chunk ${seq} has another result_id`, {
        seq,
        expected: this.#resultId,
        got: resultId,
      });
    }
    if (this.#encoding !== undefined && encoding !== this.#encoding) {
      throw new ResultChunkError('encoding_mismatch', `chunk ${seq} has another encoding`, {
        seq,
        expected: this.#encoding,
        got: encoding,
      });
    }
    this.#resultId = resultId;
    this.#encoding = encoding;
  }

  /**
   * The second half of `push`: counts the chunk, whose data is `size` bytes; true when it was the final one.
   * @internal
   */
  receive(chunk: ResultChunk, size: number): boolean {
    const { maxChunkBytes, maxTotalBytes } = this.limits;
    const seq = chunk.chunk_seq;
    if (size > maxChunkBytes) {
      throw new ResultChunkError('chunk_too_large', `chunk ${seq} has more than ${maxChunkBytes} bytes`, {
        seq,
        limit: maxChunkBytes,
      });
    }
    if (this.#size + size > maxTotalBytes) {
      throw new ResultChunkError('result_too_large', `the result has more than ${maxTotalBytes} bytes`, {
        seq,
        limit: maxTotalBytes,
      });
    }
    this.#size += size;
    this.#nextSeq++;
    this.#finished = !chunk.more;
    return this.#finished;
  }
}
