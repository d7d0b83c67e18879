/**
 * What result chunks are made of: the payload of `job.result_chunk`, its limits, and everything that may be wrong with
 * a sequence of them. Sources: execution.rs `JobResultChunkPayload`, `ResultChunkError`; draft-1.1 §8.4; decision 24.
 */
import { ArcpError, type ErrorCode } from './errors.js';

export type ResultChunkEncoding = 'utf8' | 'base64';

/** A fragment of a streamed result: the payload of `job.result_chunk`. */
export interface ResultChunk {
  readonly result_id: string;
  /** From 0, one more each time. */
  readonly chunk_seq: number;
  /** Text, or base64 that decodes by itself. */
  readonly data: string;
  readonly encoding: ResultChunkEncoding;
  /** Whether another chunk follows. */
  readonly more: boolean;
}

export interface ResultChunkLimits {
  /** Decoded bytes in one chunk at most. */
  readonly maxChunkBytes: number;
  /** Decoded bytes in one result at most. */
  readonly maxTotalBytes: number;
}

/** 1 MiB a chunk, 256 MiB a result (decision 24). */
export const DEFAULT_RESULT_CHUNK_LIMITS: ResultChunkLimits = {
  maxChunkBytes: 1024 * 1024,
  maxTotalBytes: 256 * 1024 * 1024,
};

/**
 * Each kind of failure and the code it has on the wire. `out_of_order` is OUT_OF_RANGE, but FAILED_PRECONDITION for a
 * result that does not begin at 0 (arcp-runtime `context.rs`). `invalid_utf8` is for the whole of a result, where the
 * seed reports a base64 failure at the highest sequence number there is; `malformed_utf8` is for one chunk of text.
 */
export const RESULT_CHUNK_FAULTS = {
  after_final: 'FAILED_PRECONDITION',
  out_of_order: 'OUT_OF_RANGE',
  result_id_mismatch: 'FAILED_PRECONDITION',
  encoding_mismatch: 'FAILED_PRECONDITION',
  base64_decode: 'INVALID_ARGUMENT',
  malformed_utf8: 'INVALID_ARGUMENT',
  chunk_too_large: 'RESOURCE_EXHAUSTED',
  result_too_large: 'RESOURCE_EXHAUSTED',
  not_final: 'FAILED_PRECONDITION',
  invalid_utf8: 'INVALID_ARGUMENT',
} as const satisfies Record<string, ErrorCode>;

export type ResultChunkFault = keyof typeof RESULT_CHUNK_FAULTS;

export interface ResultChunkErrorDetails {
  /** The `chunk_seq` of the chunk that is wrong. */
  readonly seq?: number;
  readonly expected?: number | string;
  readonly got?: number | string;
  readonly limit?: number;
}

/** What is wrong with a chunk, or with asking for the result; `kind` tells. Never worth a retry as it is. */
export class ResultChunkError extends ArcpError {
  readonly kind: ResultChunkFault;
  declare readonly details: ResultChunkErrorDetails & { readonly kind: ResultChunkFault };

  constructor(
    kind: ResultChunkFault,
    message: string,
    details: ResultChunkErrorDetails = {},
    options: { readonly code?: ErrorCode; readonly cause?: unknown } = {},
  ) {
    super(options.code ?? RESULT_CHUNK_FAULTS[kind], `result_chunk: ${message}`, {
      retryable: false,
      details: { kind, ...details },
      cause: options.cause,
    });
    this.kind = kind;
  }
}
