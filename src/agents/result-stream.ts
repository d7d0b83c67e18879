/**
 * The writable end of a streamed result: cuts what an agent writes into chunks.
 * A write is done when the store has the chunks that it made, which is what paces a fast source.
 */
import { Writable } from 'node:stream';
import type { ChunkedResultOptions, ResultChunk, ResultStream } from './agent.js';
import { ReplayedResult, type ResultSoFar } from './replayed-result.js';
import { ArcpError } from '../protocol/errors.js';
import { DEFAULT_CHUNK_BYTES, ResultChunker } from '../protocol/result-chunks.js';

export interface ChunkSink {
  chunk(chunk: ResultChunk): void;
  /** What an earlier attempt had streamed was streamed again. */
  replayed?(): void;
  flushed(): Promise<void>;
}

/** Characters of data that are sent before the store must have them. */
const FLUSH_AT = 4_194_304;

type Done = (error?: Error | null) => void;

export class ChunkedResult extends Writable implements ResultStream {
  readonly resultId: string;
  readonly #chunker: ResultChunker;
  readonly #sink: ChunkSink;
  /** What an earlier attempt streamed, until that is through. */
  #replay: ReplayedResult | undefined;
  /** Whether the earlier attempt sent the final chunk too. */
  readonly #wasFinished: boolean;

  /** @param soFar what earlier attempts streamed: the id is that of their result then */
  constructor(newResultId: string, options: ChunkedResultOptions, sink: ChunkSink, soFar?: ResultSoFar) {
    const resultId = soFar?.resultId ?? newResultId;
    const chunkBytes = options.chunkBytes ?? DEFAULT_CHUNK_BYTES;
    const encoding = options.encoding ?? soFar?.encoding ?? 'utf8';
    if (soFar !== undefined && encoding !== soFar.encoding) {
      throw new ArcpError('FAILED_PRECONDITION', `the result was begun as ${soFar.encoding}`);
    }
    const chunker = new ResultChunker({
      resultId,
      encoding,
      maxChunkBytes: chunkBytes,
      firstSeq: soFar?.nextChunk,
    });
    super({ decodeStrings: false, highWaterMark: chunkBytes });
    // What goes wrong fails the job when its agent returns. Nobody has to listen, but without a listener Node would throw.
    this.on('error', () => undefined);
    this.resultId = resultId;
    this.#sink = sink;
    this.#chunker = chunker;
    this.#wasFinished = soFar?.isFinished ?? false;
    if (soFar !== undefined) {
      const replay = new ReplayedResult(soFar);
      if (replay.isOver) sink.replayed?.();
      else this.#replay = replay;
    }
  }

  override _write(data: string | Uint8Array, _encoding: string, done: Done): void {
    this.#emit(() => [...this.#chunks(data), ...this.#chunker.flush()], done);
  }

  /** What was written while the store was busy shares chunks. */
  override _writev(writes: readonly { readonly chunk: string | Uint8Array }[], done: Done): void {
    this.#emit(() => [...writes.flatMap(({ chunk }) => this.#chunks(chunk)), ...this.#chunker.flush()], done);
  }

  override _final(done: Done): void {
    this.#emit(() => {
      this.#replay?.end();
      return this.#wasFinished ? [] : this.#chunker.end();
    }, done);
  }

  /** The chunks that became full with what is new of this. */
  #chunks(data: string | Uint8Array): ResultChunk[] {
    if (this.#replay === undefined) return this.#new(data);
    const fresh = this.#replay.take(data);
    if (!this.#replay.isOver) return [];
    this.#replay = undefined;
    this.#sink.replayed?.();
    return this.#new(fresh);
  }

  #new(data: string | Uint8Array): ResultChunk[] {
    if (!this.#wasFinished) return this.#chunker.write(data);
    if (data.length === 0) return [];
    throw new ArcpError('FAILED_PRECONDITION', 'the result had ended, and the agent writes more of it');
  }

  #emit(produce: () => Iterable<ResultChunk>, done: Done): void {
    this.#send(produce).then(() => {
      done();
    }, done);
  }

  /** So much at a time that what was written without a pause does not pile up before the store. */
  async #send(produce: () => Iterable<ResultChunk>): Promise<void> {
    let unsaved = 0;
    for (const chunk of produce()) {
      this.#sink.chunk(chunk);
      unsaved += chunk.data.length;
      if (unsaved < FLUSH_AT) continue;
      unsaved = 0;
      await this.#sink.flushed();
    }
    await this.#sink.flushed();
  }
}
