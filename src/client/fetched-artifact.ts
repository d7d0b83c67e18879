/** An artifact that is being read: piece by piece, each asked for while the one before it is looked at. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { ArcpError, decodeBase64, type ArtifactRef, type Payload } from '../protocol/index.js';

type Piece = Payload<'artifact.put'>;

export class FetchedArtifact implements AsyncIterable<Uint8Array, undefined> {
  readonly id: ArtifactRef['artifact_id'];
  readonly mediaType: string;
  /** In bytes; `undefined` where the runtime does not say. */
  readonly size: number | undefined;
  /** Hexadecimal; `undefined` where the runtime does not say. */
  readonly sha256: string | undefined;
  readonly #first: Piece;
  readonly #ask: (offset: number) => Promise<Piece>;
  readonly #maxBytes: number;
  #taken = false;

  /** @internal */
  constructor(
    id: ArtifactRef['artifact_id'],
    first: Piece,
    ask: (offset: number) => Promise<Piece>,
    maxBytes: number,
  ) {
    this.id = id;
    this.mediaType = first.media_type;
    this.size = first.size;
    this.sha256 = first.sha256;
    this.#first = first;
    this.#ask = ask;
    this.#maxBytes = maxBytes;
  }

  /** Its content. Throws DATA_LOSS at the end where that does not fit the size or the hash that the runtime told. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
    if (this.#taken)
      throw new ArcpError('FAILED_PRECONDITION', 'the artifact was read already: fetch it again');
    this.#taken = true;
    const hash = sha256.create();
    let read = 0;
    for (let piece = this.#first; ;) {
      const bytes = decodeBase64(piece.data);
      if ((piece.offset ?? 0) !== read || (bytes.length === 0 && piece.more === true)) {
        throw new ArcpError('DATA_LOSS', `the runtime sent another piece than the one from ${read} on`);
      }
      read += bytes.length;
      const next = piece.more === true ? this.#ask(read) : undefined;
      next?.catch(() => undefined); // the reader may have left
      hash.update(bytes);
      if (bytes.length > 0) yield bytes;
      if (next === undefined) break;
      piece = await next;
    }
    if (this.size !== undefined && read !== this.size) {
      throw new ArcpError('DATA_LOSS', `the artifact has ${this.size} bytes, and ${read} came`);
    }
    if (this.sha256 !== undefined && bytesToHex(hash.digest()) !== this.sha256.toLowerCase()) {
      throw new ArcpError('DATA_LOSS', 'the content of the artifact does not fit its hash');
    }
    return undefined;
  }

  /** All of it. Throws RESOURCE_EXHAUSTED above `maxResultBytes`, and what iterating throws. */
  async bytes(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this) {
      size += piece.length;
      if (Math.max(size, this.size ?? 0) > this.#maxBytes) {
        throw new ArcpError('RESOURCE_EXHAUSTED', `the artifact has more than ${this.#maxBytes} bytes`);
      }
      pieces.push(piece);
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** All of it as UTF-8. Throws a TypeError where it is not. */
  async text(): Promise<string> {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await this.bytes());
  }
}
