/**
 * What a job has streamed of its result, and whether that is a whole result (arcp-core §12, RFC 0001 §10).
 * A wrong chunk spoils the result for good: the job cannot complete any more, even if its agent hides the error.
 */
import type { ResultChunk, ResultStream } from './agent.js';
import { ArcpError } from '../protocol/errors.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type { ResultSoFar } from './replayed-result.js';
import { ResultChunkSequence, type ResultChunkLimits } from '../protocol/result-chunks.js';

export class ResultLedger {
  readonly #limits: ResultChunkLimits;
  #sequence: ResultChunkSequence | undefined;
  #stream: ResultStream | undefined;
  #ref: ArtifactRef | undefined;
  #spoiled: ArcpError | undefined;
  /** Whether this attempt has sent a chunk. */
  #hasTaken = false;
  /** Whether a part of what an earlier attempt streamed has to be streamed again (`replayed-result.ts`). */
  #owesReplay: boolean;

  /** @param soFar what earlier attempts streamed */
  constructor(limits: ResultChunkLimits, soFar?: ResultSoFar) {
    this.#limits = limits;
    this.#owesReplay = soFar !== undefined && soFar.replay.bytes > 0;
    if (soFar !== undefined) this.#sequence = new ResultChunkSequence(limits, soFar);
  }

  /** What earlier attempts streamed was streamed again, or its sender goes on behind it. */
  replayed(): void {
    this.#owesReplay = false;
  }

  /** Passes the next chunk on. Throws when it may not follow (`ResultChunkError`), or could not be passed on. */
  take(chunk: ResultChunk, passOn: () => void): void {
    this.#take((sequence) => {
      checkShape(chunk);
      sequence.push(chunk);
      this.replayed();
    }, passOn);
  }

  /** `take` for a chunk that was cut here. */
  takeOwn(chunk: ResultChunk, passOn: () => void): void {
    this.#take((sequence) => {
      sequence.pushOwn(chunk);
      this.replayed();
    }, passOn);
  }

  #take(push: (sequence: ResultChunkSequence) => void, passOn: () => void): void {
    if (this.#ref !== undefined) throw secondResult();
    this.#sequence ??= new ResultChunkSequence(this.#limits);
    this.#hasTaken = true;
    try {
      push(this.#sequence);
      passOn();
    } catch (error) {
      this.#spoiled ??= ArcpError.from(error);
      throw error;
    }
  }

  /** Throws FAILED_PRECONDITION when the attempt has begun its result already. */
  refuseSecond(): void {
    if (this.#stream !== undefined || this.#hasTaken) {
      throw secondResult();
    }
  }

  /** The agent writes its result through this stream. */
  opened(stream: ResultStream): void {
    this.refuseSecond();
    this.#stream = stream;
  }

  /** The result is this artifact. */
  refersTo(ref: ArtifactRef): void {
    // A result that an earlier attempt began in chunks has to end in chunks.
    if (this.#sequence !== undefined || this.#ref !== undefined) throw secondResult();
    this.#ref = ref;
  }

  /** Calls back once, at once where possible, when a stream that was ended has written its last chunk or cannot any more. */
  whenSettled(settled: (error: unknown) => void): void {
    const stream = this.#stream;
    if (stream === undefined || stream.writableFinished) {
      settled(undefined);
    } else if (stream.errored !== null) {
      settled(stream.errored);
    } else if (!stream.writableEnded || stream.destroyed) {
      settled(unended());
    } else {
      // Every end of a stream is followed by its close.
      stream.once('close', () => {
        settled(stream.writableFinished ? undefined : (stream.errored ?? unended()));
      });
    }
  }

  /** What `job.completed` says of the streamed result; nothing when none was streamed. */
  completion():
    | { readonly result_id: string; readonly result_size: number }
    | { readonly result_ref: ArtifactRef }
    | undefined {
    if (this.#spoiled !== undefined) throw this.#spoiled;
    if (this.#ref !== undefined) return { result_ref: this.#ref };
    const sequence = this.#sequence;
    if (sequence === undefined) return undefined;
    if (this.#owesReplay) {
      const message = 'a part of the result was streamed before the job was resumed, and not again after it';
      throw new ArcpError('FAILED_PRECONDITION', message);
    }
    if (!sequence.isFinished || sequence.resultId === undefined) {
      throw new ArcpError('FAILED_PRECONDITION', 'the agent returned before the last chunk of its result');
    }
    return { result_id: sequence.resultId, result_size: sequence.size };
  }
}

function secondResult(): ArcpError {
  return new ArcpError('FAILED_PRECONDITION', 'a job has one result');
}

function unended(): ArcpError {
  return new ArcpError('FAILED_PRECONDITION', 'the agent returned without ending its result stream');
}

/** Agents may be plain JavaScript. */
function checkShape(chunk: { readonly [Field in keyof ResultChunk]: unknown }): void {
  const { result_id, data, encoding, more } = chunk;
  const isRight =
    typeof result_id === 'string' &&
    result_id !== '' &&
    result_id.isWellFormed() &&
    typeof data === 'string' &&
    (encoding === 'utf8' || encoding === 'base64') &&
    typeof more === 'boolean';
  if (!isRight) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      'a result chunk has a result_id, a chunk_seq, data, more, and an encoding, which is utf8 or base64',
    );
  }
}
