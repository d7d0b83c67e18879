/**
 * Puts a streamed result together again: a `ResultChunkSequence` that keeps the data.
 * Nothing is copied more than twice: small parts when they come, all of them when they are joined at the end.
 */
import { decodeBase64 } from './base64.js';
import { readBase64, readText, ResultChunkSequence } from './result-chunk-sequence.js';
import {
  ResultChunkError,
  type ResultChunk,
  type ResultChunkEncoding,
  type ResultChunkLimits,
} from './result-chunk.js';

function decode(chunk: ResultChunk): Uint8Array {
  return chunk.encoding === 'base64' ? readBase64(chunk, decodeBase64) : readText(chunk);
}

const MIN_BLOCK_BYTES = 1024;
const MAX_BLOCK_BYTES = 64 * 1024;

/** Bytes as they come. Large parts are kept, small ones are packed, so that tiny chunks cost no object each (L7). */
class Parts {
  readonly #closed: Uint8Array[] = [];
  #open = new Uint8Array(0);
  #filled = 0;
  #size = 0;

  add(part: Uint8Array): void {
    if (part.length === 0) return;
    if (part.length > this.#open.length - this.#filled) {
      this.#close();
      const block = Math.min(Math.max(this.#size, MIN_BLOCK_BYTES), MAX_BLOCK_BYTES);
      if (part.length < block) this.#open = new Uint8Array(block);
    }
    if (this.#open.length === 0) {
      this.#closed.push(part);
    } else {
      this.#open.set(part, this.#filled);
      this.#filled += part.length;
    }
    this.#size += part.length;
  }

  /** All of them in one array, which takes their place. */
  join(): Uint8Array {
    this.#close();
    const [first] = this.#closed;
    if (first?.length === this.#size && first.length === first.buffer.byteLength) return first;
    const joined = new Uint8Array(this.#size);
    let offset = 0;
    for (const part of this.#closed) {
      joined.set(part, offset);
      offset += part.length;
    }
    this.#closed.splice(0, Infinity, joined);
    return joined;
  }

  #close(): void {
    if (this.#filled > 0) this.#closed.push(this.#open.subarray(0, this.#filled));
    this.#open = new Uint8Array(0);
    this.#filled = 0;
  }
}

/**
 * @example
 * const assembler = new ResultChunkAssembler();
 * assembler.push({ result_id: 'res_1', chunk_seq: 0, data: 'aGk=', encoding: 'base64', more: false }); // true
 * assembler.finishUtf8(); // 'hi'
 */
export class ResultChunkAssembler {
  readonly #sequence: ResultChunkSequence;
  readonly #parts = new Parts();

  constructor(limits: Partial<ResultChunkLimits> = {}) {
    this.#sequence = new ResultChunkSequence(limits);
  }

  /** Of the first chunk that was in its place. */
  get resultId(): string | undefined {
    return this.#sequence.resultId;
  }

  /** Of the first chunk that was in its place. */
  get encoding(): ResultChunkEncoding | undefined {
    return this.#sequence.encoding;
  }

  /** Decoded bytes received. */
  get size(): number {
    return this.#sequence.size;
  }

  /** Whether the final chunk was received. */
  get isFinished(): boolean {
    return this.#sequence.isFinished;
  }

  /**
   * Takes the next chunk; true when it was the final one.
   * @throws ResultChunkError, and then nothing is taken.
   */
  push(chunk: ResultChunk): boolean {
    this.#sequence.expect(chunk);
    const part = decode(chunk);
    const isFinal = this.#sequence.receive(chunk, part.length);
    this.#parts.add(part);
    return isFinal;
  }

  /**
   * The result's bytes. Every call returns the same array.
   * @throws ResultChunkError `not_final`
   */
  finish(): Uint8Array {
    if (!this.isFinished) {
      throw new ResultChunkError('not_final', 'the final chunk has not come yet');
    }
    return this.#parts.join();
  }

  /**
   * The result's bytes as text; a byte order mark stays.
   * @throws ResultChunkError `not_final`, `invalid_utf8`
   */
  finishUtf8(): string {
    const bytes = this.finish();
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      throw new ResultChunkError('invalid_utf8', 'the result is not valid UTF-8', {}, { cause });
    }
  }
}
