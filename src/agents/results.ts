/** What a job gives back, and reads: its result, artifacts, and the streams beside it. */
import type { Writable } from 'node:stream';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import type { ValueStream } from '../protocol/value-stream.js';

/** Results in chunks go to whoever watches; as an artifact only the reference does, for those who want it. */
export type ResultOptions = ChunkedResultOptions | ArtifactResultOptions;

export interface ArtifactResultOptions extends ArtifactOptions {
  /** `job.completed` has a `result_ref`. */
  readonly as: 'artifact';
}

export interface ArtifactOptions {
  /** Default `application/octet-stream`; of text given as a whole `text/plain; charset=utf-8`. */
  readonly mediaType?: string;
  /** How long it is to be kept, up to the runtime's longest; its default otherwise. */
  readonly retainSeconds?: number;
}

export interface ArtifactReader extends AsyncIterable<Uint8Array> {
  readonly ref: ArtifactRef;
  /** All of it. Rejects with DATA_LOSS where it does not fit its hash, as iterating does at its end. */
  bytes(): Promise<Uint8Array>;
  /** All of it as UTF-8. */
  text(): Promise<string>;
}

/** A part of an artifact, see `protocol/payloads/artifacts.ts`. */
export interface AgentArtifactPart extends ArtifactOptions {
  /** Which parts belong together. */
  readonly uploadId: string;
  readonly bytes: Uint8Array;
  /** Where `bytes` begins. */
  readonly offset: number;
  readonly isLast: boolean;
  /** Whether it is the job's result. */
  readonly isResult?: boolean;
}

/** A piece of an artifact. */
export interface AgentArtifactPiece {
  readonly ref: ArtifactRef;
  readonly bytes: Uint8Array;
  /** Whether further bytes follow it. */
  readonly more: boolean;
}

export interface ChunkedResultOptions {
  readonly as?: 'chunks';
  /** `utf8` takes strings, `base64` takes bytes. Default `utf8`. */
  readonly encoding?: 'utf8' | 'base64';
  /** Bytes of decoded data per chunk at most. Default 64 KiB. */
  readonly chunkBytes?: number;
}

/** A Node writable, so that `pipeline(source, ctx.openResult())` works; `write` calls wait for the store. */
export interface ResultStream extends Writable {
  /** Its `result_id` in chunks; a name of its own as an artifact. */
  readonly resultId: string;
}

export interface StreamOptions {
  /**
   * `text` takes strings and UTF-8, `binary` bytes; `event` any JSON, `log` `{level, message, attributes?}`, `metric`
   * `{name, value, unit?, dims?}`, `thought` a string or `{content, role?, redacted?}`.
   */
  readonly kind: StreamKind;
  /** A media type. Default for `binary`: `application/octet-stream`. */
  readonly contentType?: string;
  /** For `text` and `binary`: decoded bytes per chunk at most, 4 to 1 MiB. Default 64 KiB. */
  readonly chunkBytes?: number;
  /** For `binary`: whether each chunk carries its SHA-256. */
  readonly sha256?: boolean;
  /** `str_…`. Default: a fresh one. */
  readonly streamId?: string;
}

/**
 * A Node writable, in object mode but for `text` and `binary`. A write is done when the store has it and its consumer
 * wants more; `destroy(error)` ends it with `stream.error`. It fails, with CANCELLED, when somebody cancels the stream;
 * the job goes on.
 */
export interface JobStream extends Writable {
  readonly streamId: string;
  readonly kind: StreamKind;
}

/** A stream into a job. Its values are what the store has: a job that is started again reads them again. */
export type InputStream = ValueStream;

export interface ResultChunk {
  readonly result_id: string;
  readonly chunk_seq: number;
  readonly data: string;
  readonly encoding: 'utf8' | 'base64';
  readonly more: boolean;
}
