/**
 * The result of a job, as its chunks come in.
 *
 * (R1) Data is kept once: as chunks until somebody asks, then either as the assembled bytes or in the queue of the
 *      one reader that takes it piece by piece.
 * (R2) What is handed out has been checked: the order and the data of every chunk, and at the end `result_id` and
 *      `result_size` of `job.completed` against what came.
 * (R3) At most `maxResultBytes` are held (L7).
 */
import {
  ArcpError,
  ResultChunkAssembler,
  ResultChunkError,
  ResultChunkSequence,
  decodeBase64,
  type Payload,
  type ResultChunk,
  type ResultChunkEncoding,
} from '../protocol/index.js';
import { readBase64, readText } from '../protocol/result-chunk-sequence.js';
import { EventQueue } from './event-queue.js';

type Completed = Payload<'job.completed'>;

/** How a job completed. */
export interface JobResult {
  readonly value?: unknown;
  readonly summary?: string;
  /** Where the result is, when it is an artifact. */
  readonly resultRef?: Completed['result_ref'];
  /** The result that came in chunks. */
  readonly result?: StreamedResult;
}

/** A result that came in chunks: all of them, in order, and as many bytes as the runtime said. */
export interface StreamedResult {
  readonly id: string;
  /** Decoded bytes. */
  readonly size: number;
  readonly encoding: ResultChunkEncoding;
  /** The result. Throws FAILED_PRECONDITION when `job.chunks()` took it. */
  readonly bytes: Uint8Array;
  /** The result as UTF-8. Throws a ResultChunkError `invalid_utf8` where it is not. */
  text(): string;
}

type Keeping =
  | { readonly kind: 'chunks'; readonly chunks: ResultChunk[]; size: number }
  | {
      readonly kind: 'reader';
      readonly sequence: ResultChunkSequence;
      readonly queue: EventQueue<Uint8Array>;
    }
  | { readonly kind: 'faulty'; readonly error: ArcpError }
  | { readonly kind: 'result'; readonly result: StreamedResult | undefined };

/** What an empty chunk counts for, so that they cannot be held without end. */
const MIN_CHUNK_SIZE = 64;

export class ResultCollector {
  readonly #maxResultBytes: number;
  #keeping: Keeping = { kind: 'chunks', chunks: [], size: 0 };

  constructor(maxResultBytes: number) {
    this.#maxResultBytes = maxResultBytes;
  }

  push(chunk: ResultChunk): void {
    const keeping = this.#keeping;
    if (keeping.kind === 'chunks') {
      keeping.size += heldSize(chunk);
      if (keeping.size > this.#maxResultBytes)
        this.#keeping = { kind: 'faulty', error: this.#tooLarge(chunk) };
      else keeping.chunks.push(chunk);
    } else if (keeping.kind === 'reader') {
      this.#hand(chunk, keeping.sequence, keeping.queue);
    }
  }

  /** Gives the data to one reader, what has come and what is to come. */
  read(): AsyncIterableIterator<Uint8Array, undefined> {
    const queue = new EventQueue<Uint8Array>({ items: Infinity, size: this.#maxResultBytes });
    const keeping = this.#keeping;
    switch (keeping.kind) {
      case 'chunks': {
        const sequence = this.#newSequence();
        this.#keeping = { kind: 'reader', sequence, queue };
        for (const chunk of keeping.chunks) this.#hand(chunk, sequence, queue);
        break;
      }
      case 'reader':
        queue.fail(new ArcpError('FAILED_PRECONDITION', 'the result is being read already'));
        break;
      case 'faulty':
        queue.fail(keeping.error);
        break;
      case 'result':
        if (keeping.result !== undefined) queue.push(keeping.result.bytes, 0);
        queue.end();
        break;
    }
    return queue;
  }

  /** Ends the reader of a job that has completed. Assembles nothing: that waits until somebody asks. */
  completed(completed: Completed): void {
    const keeping = this.#keeping;
    if (keeping.kind !== 'reader') return;
    const { sequence, queue } = keeping;
    try {
      checkAgainst(completed, sequence);
      queue.end();
    } catch (error) {
      queue.fail(asArcpError(error));
    }
  }

  /** Ends the reader of a job that did not complete, and lets go of the data. */
  failed(error: ArcpError): void {
    if (this.#keeping.kind === 'reader') this.#keeping.queue.fail(error);
    this.#keeping = { kind: 'faulty', error };
  }

  /** The streamed result of a completed job, if it has one. Throws when what came is not what was said (R2). */
  assemble(completed: Completed): StreamedResult | undefined {
    const keeping = this.#keeping;
    switch (keeping.kind) {
      case 'chunks': {
        const result = assembled(keeping.chunks, completed, this.#maxResultBytes);
        this.#keeping = { kind: 'result', result };
        return result;
      }
      case 'reader':
        return checkAgainst(completed, keeping.sequence) ? handedOut(keeping.sequence) : undefined;
      case 'faulty':
        throw keeping.error;
      case 'result':
        return keeping.result;
    }
  }

  #newSequence(): ResultChunkSequence {
    return new ResultChunkSequence({ maxTotalBytes: this.#maxResultBytes });
  }

  #hand(chunk: ResultChunk, sequence: ResultChunkSequence, queue: EventQueue<Uint8Array>): void {
    if (this.#keeping.kind !== 'reader') return;
    try {
      sequence.expect(chunk);
      const bytes = decode(chunk);
      sequence.receive(chunk, bytes.length);
      if (bytes.length > 0) queue.push(bytes, bytes.length);
    } catch (error) {
      this.failed(asArcpError(error));
    }
  }

  #tooLarge({ chunk_seq: seq }: ResultChunk): ResultChunkError {
    const limit = this.#maxResultBytes;
    return new ResultChunkError('result_too_large', `the result has more than ${limit} bytes`, {
      seq,
      limit,
    });
  }
}

function decode(chunk: ResultChunk): Uint8Array {
  return chunk.encoding === 'base64' ? readBase64(chunk, decodeBase64) : readText(chunk);
}

function heldSize(chunk: ResultChunk): number {
  const { length } = chunk.data;
  return Math.max(MIN_CHUNK_SIZE, chunk.encoding === 'base64' ? Math.floor((length * 3) / 4) - 2 : length);
}

function assembled(
  chunks: readonly ResultChunk[],
  completed: Completed,
  maxResultBytes: number,
): StreamedResult | undefined {
  const assembler = new ResultChunkAssembler({ maxTotalBytes: maxResultBytes });
  for (const chunk of chunks) assembler.push(chunk);
  if (!checkAgainst(completed, assembler)) return undefined;
  return {
    id: assembler.resultId ?? '',
    size: assembler.size,
    encoding: assembler.encoding ?? 'utf8',
    bytes: assembler.finish(),
    text: () => assembler.finishUtf8(),
  };
}

function handedOut(sequence: ResultChunkSequence): StreamedResult {
  const gone = (): never => {
    throw new ArcpError('FAILED_PRECONDITION', 'the result was handed out through chunks()');
  };
  return {
    id: sequence.resultId ?? '',
    size: sequence.size,
    encoding: sequence.encoding ?? 'utf8',
    get bytes(): Uint8Array {
      return gone();
    },
    text: gone,
  };
}

/** Whether there is a streamed result; throws when it is not the one that `job.completed` describes. */
function checkAgainst(
  completed: Completed,
  received: Pick<ResultChunkSequence, 'resultId' | 'size' | 'isFinished'>,
): boolean {
  const { result_id: id, result_size: size } = completed;
  if (received.resultId === undefined) {
    if (id === undefined) return false;
    throw new ArcpError('DATA_LOSS', `the job completed with result ${id}, of which no chunk came`);
  }
  if (!received.isFinished) {
    throw new ResultChunkError('not_final', 'the job completed before the final chunk');
  }
  if (id !== undefined && id !== received.resultId) {
    throw new ResultChunkError('result_id_mismatch', 'the chunks are of another result than job.completed', {
      expected: id,
      got: received.resultId,
    });
  }
  if (size !== undefined && size !== received.size) {
    throw new ArcpError('DATA_LOSS', `the result has ${received.size} bytes, job.completed says ${size}`, {
      details: { expected: size, got: received.size },
    });
  }
  return true;
}

function asArcpError(error: unknown): ArcpError {
  return error instanceof ArcpError
    ? error
    : new ArcpError('INTERNAL', `the result could not be read: ${String(error)}`, { cause: error });
}
