import { ArcpError } from './errors.js';
import type { Id } from './ids.js';
import type { StreamKind } from './payloads/streams.js';
import type { StreamValue } from './stream-chunk.js';

/** A stream as its reader has it: its values by iterating it, or all of them at once. */
export class ValueStream<Kind extends StreamKind = StreamKind> implements AsyncIterable<
  StreamValue<Kind>,
  undefined
> {
  readonly id: Id<'stream'>;
  readonly kind: Kind;
  readonly contentType: string | undefined;
  readonly #queue: AsyncIterableIterator<StreamValue<Kind>, undefined>;

  constructor(
    id: Id<'stream'>,
    kind: Kind,
    contentType: string | undefined,
    queue: AsyncIterableIterator<StreamValue<Kind>, undefined>,
  ) {
    this.id = id;
    this.kind = kind;
    this.contentType = contentType;
    this.#queue = queue;
  }

  /** Whether the stream is of this kind; narrows what it gives. */
  is<Of extends Kind>(kind: Of): this is ValueStream<Of> {
    return this.kind === kind;
  }

  /** Its values as they come: text, bytes, or what the kind carries. Once; what is read is let go. */
  [Symbol.asyncIterator](): AsyncIterableIterator<StreamValue<Kind>, undefined> {
    return this.#queue;
  }

  /** All of its text, once it has ended. Throws INVALID_ARGUMENT for streams that are not text. */
  async text(): Promise<string> {
    const parts: string[] = [];
    for await (const value of this) {
      if (typeof value !== 'string') throw this.#isNot('text');
      parts.push(value);
    }
    return parts.join('');
  }

  /** All of its bytes, once it has ended; of text, its UTF-8. Throws INVALID_ARGUMENT for other kinds. */
  async bytes(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const value of this) {
      const part = typeof value === 'string' ? utf8.encode(value) : value;
      if (!(part instanceof Uint8Array)) throw this.#isNot('bytes');
      parts.push(part);
      size += part.length;
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #isNot(what: string): ArcpError {
    return new ArcpError('INVALID_ARGUMENT', `a stream of kind ${this.kind} is not ${what}`);
  }
}

const utf8 = new TextEncoder();
