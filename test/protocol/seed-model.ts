/**
 * What execution.rs says of base64 and of result chunks, written down as literally and slowly as it is written there.
 * The one difference is the named one of decision 18: after the first `=` only `=` and whitespace may follow.
 */
import type { ResultChunk, ResultChunkFault } from '../../src/protocol/result-chunks.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const WHITESPACE = ' \t\n\f\r';

/** `decode_base64`; `undefined` for its `Err(())`. */
export function seedDecodeBase64(input: string): number[] | undefined {
  const characters = Array.from(input).filter((character) => !WHITESPACE.includes(character));
  const firstPad = characters.indexOf('=');
  const data = firstPad === -1 ? characters : characters.slice(0, firstPad);
  const pad = firstPad === -1 ? [] : characters.slice(firstPad);
  if (pad.some((character) => character !== '=')) return undefined;
  if ((data.length + pad.length) % 4 !== 0) return undefined;
  const out: number[] = [];
  let chunk: number[] = [];
  for (const character of data) {
    const value = ALPHABET.indexOf(character);
    if (value === -1) return undefined;
    chunk.push(value);
    if (chunk.length === 4) {
      const [a = 0, b = 0, c = 0, d = 0] = chunk;
      out.push(((a << 2) | (b >> 4)) & 255, ((b << 4) | (c >> 2)) & 255, ((c << 6) | d) & 255);
      chunk = [];
    }
  }
  const [a = 0, b = 0, c = 0] = chunk;
  switch (chunk.length) {
    case 0:
      return out;
    case 2:
      return [...out, ((a << 2) | (b >> 4)) & 255];
    case 3:
      return [...out, ((a << 2) | (b >> 4)) & 255, ((b << 4) | (c >> 2)) & 255];
    default:
      return undefined;
  }
}

/** `ResultChunkAssembler`, its outcomes as values. */
export class SeedAssembler {
  resultId: string | undefined;
  encoding: string | undefined;
  nextSeq = 0;
  buffer: number[] = [];
  finished = false;

  push(chunk: ResultChunk): 'more' | 'final' | ResultChunkFault {
    if (this.finished) return 'after_final';
    if (chunk.chunk_seq !== this.nextSeq) return 'out_of_order';
    if (this.resultId === undefined) this.resultId = chunk.result_id;
    else if (this.resultId !== chunk.result_id) return 'result_id_mismatch';
    if (this.encoding === undefined) this.encoding = chunk.encoding;
    else if (this.encoding !== chunk.encoding) return 'encoding_mismatch';
    if (chunk.encoding === 'utf8') {
      this.buffer.push(...new TextEncoder().encode(chunk.data));
    } else {
      const decoded = seedDecodeBase64(chunk.data);
      if (decoded === undefined) return 'base64_decode';
      this.buffer.push(...decoded);
    }
    this.nextSeq += 1;
    if (!chunk.more) this.finished = true;
    return chunk.more ? 'more' : 'final';
  }
}
