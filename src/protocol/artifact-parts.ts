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

/** The parts, each but the last of `partBytes` bytes. */
export class PartCutter {
  readonly #partBytes: number;
  #part = new Uint8Array(0);
  #filled = 0;
  #offset = 0;

  constructor(partBytes: number) {
    this.#partBytes = partBytes;
  }

  /** Takes bytes in; gives the parts that they fill and that others follow. */
  *push(bytes: Uint8Array): Generator<CutPart, void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#filled === this.#partBytes) yield this.#take(false);
      const fresh = bytes.subarray(at, at + this.#partBytes - this.#filled);
      const end = this.#filled + fresh.length;
      this.#part = withRoom(this.#part, this.#filled, end, this.#partBytes);
      this.#part.set(fresh, this.#filled);
      this.#filled = end;
      at += fresh.length;
    }
  }

  /** The last part; of nothing one that is empty. */
  end(): CutPart {
    return this.#take(true);
  }

  #take(isLast: boolean): CutPart {
    const part = { bytes: this.#part.subarray(0, this.#filled), offset: this.#offset, isLast };
    this.#offset += this.#filled;
    this.#part = new Uint8Array(0);
    this.#filled = 0;
    return part;
  }
}

/** The parts of what a source gives. Throws INVALID_ARGUMENT where that is not bytes, and whatever the source throws. */
export async function* cutParts(source: ArtifactSource, partBytes: number): AsyncGenerator<CutPart, void> {
  const cutter = new PartCutter(partBytes);
  for await (const piece of piecesOf(source)) yield* cutter.push(piece);
  yield cutter.end();
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

/** Text as bytes. Throws INVALID_ARGUMENT for a lone surrogate, which is never replaced (decision 19). */
export function artifactBytes(text: string): Uint8Array {
  if (!text.isWellFormed()) throw notBytes('text with a lone surrogate');
  return utf8.encode(text);
}

async function* piecesOf(source: ArtifactSource): AsyncGenerator<Uint8Array, void> {
  if (typeof source === 'string') {
    yield artifactBytes(source);
  } else if (source instanceof Uint8Array) {
    yield source;
  } else if (!isObject(source)) {
    throw notBytes(`a ${typeof source}`);
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

/** Callers may be plain JavaScript. */
function isObject(source: unknown): source is object {
  return typeof source === 'object' && source !== null;
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
