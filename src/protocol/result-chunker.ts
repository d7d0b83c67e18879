/**
 * Cuts a result into chunks: the other side of `ResultChunkAssembler`. How text and bytes are cut is in
 * `chunk-cutter.ts`. The last chunk, and it alone, says `more: false`; a full chunk is held back until it is known not
 * to be the last.
 */
import { ChunkCutter } from './chunk-cutter.js';
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
  /** The `chunk_seq` of the first chunk, where others came before. Default 0. */
  readonly firstSeq?: number | undefined;
}

export const DEFAULT_CHUNK_BYTES = 64 * 1024;

/**
 * @example
 * const chunker = new ResultChunker({ resultId: 'res_1' });
 * const chunks = [...chunker.write('hi'), ...chunker.end()];
 */
export class ResultChunker {
  readonly resultId: string;
  readonly encoding: ResultChunkEncoding;
  readonly #cutter: ChunkCutter;
  #nextSeq: number;
  #ended = false;

  constructor({
    resultId,
    encoding = 'utf8',
    maxChunkBytes = DEFAULT_CHUNK_BYTES,
    firstSeq = 0,
  }: ResultChunkerOptions) {
    this.resultId = resultId;
    this.encoding = encoding;
    this.#nextSeq = firstSeq;
    this.#cutter = new ChunkCutter({
      encoding,
      maxBytes: maxChunkBytes,
      limit: DEFAULT_RESULT_CHUNK_LIMITS.maxChunkBytes,
      fault: (kind, message, cause) => new ResultChunkError(kind, message, {}, { cause }),
    });
  }

  /** Bytes taken in: after `end`, the `result_size` of `job.completed`. */
  get size(): number {
    return this.#cutter.size;
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
    return this.#cutter.write(data).map((piece) => this.#chunk(piece, true));
  }

  /** What was taken in and not yet returned, as a chunk of its own; nothing where there is none. */
  flush(): ResultChunk[] {
    const piece = this.#cutter.flush();
    return piece === undefined ? [] : [this.#chunk(piece, true)];
  }

  /**
   * Ends the result; returns its final chunk, which is empty where nothing is left.
   * @throws ResultChunkError `malformed_utf8`, `invalid_utf8`, `after_final`
   */
  end(): [ResultChunk] {
    this.#assertOpen();
    const last = this.#cutter.end();
    this.#ended = true;
    return [this.#chunk(last, false)];
  }

  #assertOpen(): void {
    if (this.#ended) throw new ResultChunkError('after_final', 'the result has ended');
  }

  #chunk(data: string, more: boolean): ResultChunk {
    return { result_id: this.resultId, chunk_seq: this.#nextSeq++, data, encoding: this.encoding, more };
  }
}
