/**
 * Cuts the content of an artifact into parts, whatever it comes from. Nothing is held but the part that is being filled,
 * and a part is given only once it is known whether another follows.
 */
import { ArcpError } from './errors.js';

/**
 * Where bytes come from: text (as UTF-8), bytes, a `Blob` or `File`, a web stream, or anything that gives bytes piece by
 * piece, such as a Node stream.
 */
export type ArtifactSource =
  string | Uint8Array | BlobLike | StreamLike | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** What counts of a `Blob`. */
export interface BlobLike {
  stream(): StreamLike;
}

/** What counts of a web stream: not every browser can iterate over one. */
export interface StreamLike {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

export interface CutPart {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where `bytes` begins. */
  readonly offset: number;
  readonly isLast: boolean;
}

/**
 * The parts, each but the last of `partBytes` bytes; of nothing one that is empty.
 * Throws INVALID_ARGUMENT for a source that gives anything but bytes, and whatever the source throws.
 */
export async function* cutParts(source: ArtifactSource, partBytes: number): AsyncGenerator<CutPart, void> {
  let part = new Uint8Array(0);
  let filled = 0;
  let offset = 0;
  for await (const piece of piecesOf(source)) {
    for (let at = 0; at < piece.length;) {
      if (filled === partBytes) {
        yield { bytes: part, offset, isLast: false };
        offset += filled;
        part = new Uint8Array(0);
        filled = 0;
      }
      const fresh = piece.subarray(at, at + partBytes - filled);
      part = withRoom(part, filled, filled + fresh.length, partBytes);
      part.set(fresh, filled);
      filled += fresh.length;
      at += fresh.length;
    }
  }
  yield { bytes: part.subarray(0, filled), offset, isLast: true };
}

/** The bytes with room for more of them: as much again, and at most a part. */
function withRoom(
  bytes: Uint8Array<ArrayBuffer>,
  filled: number,
  needed: number,
  most: number,
): Uint8Array<ArrayBuffer> {
  if (needed <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.min(most, Math.max(needed, 2 * bytes.length)));
  larger.set(bytes.subarray(0, filled));
  return larger;
}

const utf8 = new TextEncoder();

async function* piecesOf(source: ArtifactSource): AsyncGenerator<Uint8Array, void> {
  if (typeof source === 'string') {
    if (!source.isWellFormed()) throw notBytes('text with a lone surrogate');
    yield utf8.encode(source);
  } else if (source instanceof Uint8Array) {
    yield source;
  } else if (isIterable(source)) {
    for await (const piece of source) yield checked(piece);
  } else if ('getReader' in source) {
    yield* readAll(source);
  } else if ('stream' in source) {
    yield* readAll(source.stream());
  } else {
    throw notBytes('that');
  }
}

function isIterable(source: object): source is AsyncIterable<unknown> | Iterable<unknown> {
  return Symbol.asyncIterator in source || Symbol.iterator in source;
}

async function* readAll(stream: StreamLike): AsyncGenerator<Uint8Array, void> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield checked(value);
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}

function checked(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw notBytes(`a ${typeof piece}`);
}

function notBytes(what: string): ArcpError {
  return new ArcpError('INVALID_ARGUMENT', `the content of an artifact is bytes: ${what} is none`);
}
