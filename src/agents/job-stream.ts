/**
 * The writable end of a stream from a job: cuts text and bytes into chunks, and takes values one a chunk.
 * A write is done when its chunks may be sent and the store has them, which is what paces a fast source.
 */
import { Writable } from 'node:stream';
import { ChunkCutter } from '../protocol/chunk-cutter.js';
import { ArcpError } from '../protocol/errors.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import { DEFAULT_CHUNK_BYTES, DEFAULT_RESULT_CHUNK_LIMITS } from '../protocol/result-chunks.js';
import { isContinuous } from '../protocol/stream-chunk.js';
import type { JobStream, StreamOptions } from './agent.js';

/** Where the chunks go. */
export interface StreamSink {
  readonly id: string;
  readonly kind: StreamKind;
  /** Takes one chunk; resolves when the next may come. Throws or rejects when the stream cannot go on. */
  chunk(value: unknown): Promise<void> | void;
  close(): void;
  fail(error: ArcpError): void;
  /** Resolves when the store has what came so far. */
  flushed(): Promise<void>;
}

/** Values that wait for the store before `write` says so; as many chunks of one write wait for it at most. */
const VALUES_AHEAD = 16;

type Done = (error?: Error | null) => void;

export class ChunkedStream extends Writable implements JobStream {
  readonly streamId: string;
  readonly kind: StreamKind;
  readonly #sink: StreamSink;
  readonly #cutter: ChunkCutter | undefined;
  #closed = false;

  constructor(sink: StreamSink, { chunkBytes = DEFAULT_CHUNK_BYTES }: Pick<StreamOptions, 'chunkBytes'>) {
    const { id, kind } = sink;
    const cutter = isContinuous(kind) ? cutterOf(kind, chunkBytes) : undefined;
    const room =
      cutter === undefined
        ? { objectMode: true, highWaterMark: VALUES_AHEAD }
        : { highWaterMark: chunkBytes };
    super({ decodeStrings: false, ...room });
    // A stream that is cancelled does not take the process down when its agent does not listen.
    this.on('error', () => undefined);
    this.streamId = id;
    this.kind = kind;
    this.#sink = sink;
    this.#cutter = cutter;
  }

  override _write(data: unknown, _encoding: string, done: Done): void {
    this.#send(() => this.#pieces([data]), done);
  }

  /** What was written while the store was busy shares chunks. */
  override _writev(writes: readonly { readonly chunk: unknown }[], done: Done): void {
    this.#send(() => this.#pieces(writes.map(({ chunk }) => chunk)), done);
  }

  override _final(done: Done): void {
    const last = (): unknown[] => {
      const piece = this.#cutter?.end() ?? '';
      return piece === '' ? [] : [piece];
    };
    this.#send(last, (error) => {
      if (error === undefined || error === null) {
        this.#closed = true;
        this.#send(() => {
          this.#sink.close();
          return [];
        }, done);
      } else {
        done(error);
      }
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    if (!this.#closed) {
      this.#closed = true;
      const reason = new ArcpError('ABORTED', 'its agent left the stream unfinished', { retryable: false });
      this.#sink.fail(error === null ? reason : ArcpError.from(error));
    }
    done(error);
  }

  #pieces(values: readonly unknown[]): unknown[] {
    const cutter = this.#cutter;
    if (cutter === undefined) return [...values];
    const pieces = values.flatMap((value) => cutter.write(asContent(value)));
    const rest = cutter.flush();
    return rest === undefined ? pieces : [...pieces, rest];
  }

  #send(produce: () => unknown[], done: Done): void {
    this.#emit(produce).then(
      () => {
        done();
      },
      (error: unknown) => {
        done(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  async #emit(produce: () => unknown[]): Promise<void> {
    for (const [index, piece] of produce().entries()) {
      await this.#sink.chunk(piece);
      if (index % VALUES_AHEAD === VALUES_AHEAD - 1) await this.#sink.flushed();
    }
    await this.#sink.flushed();
  }
}

function cutterOf(kind: 'text' | 'binary', maxBytes: number): ChunkCutter {
  return new ChunkCutter({
    encoding: kind === 'text' ? 'utf8' : 'base64',
    maxBytes,
    limit: DEFAULT_RESULT_CHUNK_LIMITS.maxChunkBytes,
    fault: (_kind, message, cause) => new ArcpError('INVALID_ARGUMENT', `stream: ${message}`, { cause }),
  });
}

function asContent(value: unknown): string | Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  throw new ArcpError('INVALID_ARGUMENT', `stream: a ${typeof value} is neither text nor bytes`);
}
