/**
 * A result whose beginning was streamed by an earlier attempt at the job. What the clients were told after the checkpoint
 * stays told, so the agent, which streams it again, must stream the same.
 *
 * (Y1) What was streamed is not sent again: it is compared, by its digest. What follows goes on where it ended.
 * (Y2) What differs is refused before anything of it is sent; so is a result that ends before what was streamed.
 */
import { createHash } from 'node:crypto';
import { ArcpError } from '../protocol/errors.js';
import type { BegunResult } from '../protocol/result-chunks.js';

/** What the earlier attempts streamed. Structured-cloneable, for agents in threads. */
export interface ResultSoFar extends BegunResult {
  /** The part of it that came after the checkpoint: how many decoded bytes, and their digest, in hex. */
  readonly replay: { readonly bytes: number; readonly sha256: string };
}

export class ReplayedResult {
  readonly #sha256: string;
  readonly #hash = createHash('sha256');
  #left: number;
  /** A high surrogate at the end of a write: its other half is in the next one. */
  #surrogate = '';

  constructor({ replay }: ResultSoFar) {
    this.#left = replay.bytes;
    this.#sha256 = replay.sha256;
  }

  /** Whether all of it was streamed again. */
  get isOver(): boolean {
    return this.#left === 0;
  }

  /** Takes what the agent writes and gives what of it is new. Throws FAILED_PRECONDITION (Y2). */
  take(data: string | Uint8Array): string | Uint8Array {
    if (this.isOver) return data;
    return typeof data === 'string' ? this.#takeText(data) : this.#takeBytes(data);
  }

  /** The agent ended its result. Throws FAILED_PRECONDITION when that is too early. */
  end(): void {
    if (!this.isOver) throw new ArcpError('FAILED_PRECONDITION', `${DIFFERS}: it ends earlier`);
  }

  #takeText(data: string): string {
    const text = this.#surrogate + data;
    const last = text.charCodeAt(text.length - 1);
    const end = last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length;
    this.#surrogate = text.slice(end);
    const rest = this.#takeBytes(Buffer.from(text.slice(0, end)));
    if (!this.isOver) return '';
    const held = this.#surrogate;
    this.#surrogate = '';
    return `${Buffer.from(rest).toString()}${held}`;
  }

  #takeBytes(bytes: Uint8Array): Uint8Array {
    const repeated = bytes.subarray(0, this.#left);
    this.#hash.update(repeated);
    this.#left -= repeated.length;
    if (this.#left === 0) this.#check();
    return bytes.subarray(repeated.length);
  }

  #check(): void {
    if (this.#hash.digest('hex') !== this.#sha256) throw new ArcpError('FAILED_PRECONDITION', DIFFERS);
  }
}

const DIFFERS = 'the result is not the one of which a part was streamed before the job was resumed';
