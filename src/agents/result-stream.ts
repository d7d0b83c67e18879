/**
 * The writable end of a streamed result: cuts what an agent writes into chunks.
 * A write is done when the store has the chunks that it made, which is what paces a fast source.
 */
import { Writable } from 'node:stream';
import type { ChunkedResultOptions, ResultChunk, ResultStream } from './agent.js';
import { DEFAULT_CHUNK_BYTES, ResultChunker } from '../protocol/result-chunks.js';

export interface ChunkSink {
  chunk(chunk: ResultChunk): void;
  flushed(): Promise<void>;
}

type Done = (error?: Error | null) => void;

export class ChunkedResult extends Writable implements ResultStream {
  readonly resultId: string;
  readonly #chunker: ResultChunker;
  readonly #sink: ChunkSink;

  constructor(resultId: string, options: ChunkedResultOptions, sink: ChunkSink) {
    const chunkBytes = options.chunkBytes ?? DEFAULT_CHUNK_BYTES;
    const encoding = options.encoding ?? 'utf8';
    const chunker = new ResultChunker({ resultId, encoding, maxChunkBytes: chunkBytes });
    super({ decodeStrings: false, highWaterMark: chunkBytes });
    // What goes wrong fails the job when its agent returns. Nobody has to listen, but without a listener Node would throw.
    this.on('error', () => undefined);
    this.resultId = resultId;
    this.#sink = sink;
    this.#chunker = chunker;
  }

  override _write(data: string | Uint8Array, _encoding: string, done: Done): void {
    this.#emit(() => [...this.#chunker.write(data), ...this.#chunker.flush()], done);
  }

  /** What was written while the store was busy shares chunks. */
  override _writev(writes: readonly { readonly chunk: string | Uint8Array }[], done: Done): void {
    this.#emit(
      () => [...writes.flatMap(({ chunk }) => this.#chunker.write(chunk)), ...this.#chunker.flush()],
      done,
    );
  }

  override _final(done: Done): void {
    this.#emit(() => this.#chunker.end(), done);
  }

  #emit(produce: () => Iterable<ResultChunk>, done: Done): void {
    try {
      for (const chunk of produce()) this.#sink.chunk(chunk);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#sink.flushed().then(() => {
      done();
    }, done);
  }
}
