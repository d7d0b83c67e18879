/**
 * Cuts bytes into lines of text. Chunks may end anywhere, within a character too: a line break is a byte that occurs
 * in no other UTF-8 character, so lines are found as bytes and decoded whole.
 */
import { isUtf8 } from 'node:buffer';
import { CLOSE_CODES } from './transport.js';

const LF = 0x0a;
const CR = 0x0d;

export interface RefusedLine {
  readonly code: typeof CLOSE_CODES.messageTooBig | typeof CLOSE_CODES.invalidText;
  readonly reason: string;
}

export class LineDecoder {
  readonly #maxBytes: number;
  /** Room for a line whose end has not come yet, and how much of it is filled. Copied: pieces may be tiny and many. */
  #room = Buffer.alloc(0);
  #filled = 0;
  #refused = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isMidLine(): boolean {
    return this.#filled > 0;
  }

  /** Passes on the lines that `chunk` completes. After a refusal everything is ignored, so at most a line is kept. */
  push(chunk: Buffer, onLine: (line: string) => void): RefusedLine | undefined {
    if (this.#refused) return undefined;
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      const refusal = this.#line(chunk.subarray(start, end), onLine);
      if (refusal !== undefined) return refusal;
      start = end + 1;
    }
    return start < chunk.length ? this.#keep(chunk.subarray(start)) : undefined;
  }

  #line(rest: Buffer, onLine: (line: string) => void): RefusedLine | undefined {
    let line = rest;
    if (this.#filled > 0) {
      line = Buffer.concat([this.#room.subarray(0, this.#filled), rest]);
      this.#forget();
    }
    if (line.at(-1) === CR) line = line.subarray(0, -1);
    if (line.length === 0) return undefined;
    if (line.length > this.#maxBytes) return this.#tooLong();
    if (!isUtf8(line)) return this.#refuse(CLOSE_CODES.invalidText, 'the line is not valid UTF-8');
    onLine(line.toString());
    return undefined;
  }

  #keep(piece: Buffer): RefusedLine | undefined {
    const needed = this.#filled + piece.length;
    // One byte more may be the carriage return of a line that just fits.
    if (needed > this.#maxBytes + 1) return this.#tooLong();
    if (needed > this.#room.length) {
      const grown = Buffer.allocUnsafe(Math.min(Math.max(needed, 2 * this.#room.length), this.#maxBytes + 1));
      this.#room.copy(grown, 0, 0, this.#filled);
      this.#room = grown;
    }
    piece.copy(this.#room, this.#filled);
    this.#filled = needed;
    return undefined;
  }

  #tooLong(): RefusedLine {
    return this.#refuse(CLOSE_CODES.messageTooBig, `the frame is larger than ${this.#maxBytes} bytes`);
  }

  #refuse(code: RefusedLine['code'], reason: string): RefusedLine {
    this.#refused = true;
    this.#forget();
    return { code, reason };
  }

  #forget(): void {
    this.#room = Buffer.alloc(0);
    this.#filled = 0;
  }
}
