/**
 * Base64 as result chunks and artifacts carry it (decision 18). The decoder's rules:
 * 1. Standard alphabet; ASCII whitespace (space, tab, LF, FF, CR) is ignored wherever it stands.
 * 2. The data ends at the first `=`. Data and `=` together are a multiple of four; how they share it is not checked,
 *    except that a single leftover character holds no byte. Trailing bits need not be zero; empty text is no bytes.
 * 3. Nothing but `=` and whitespace may follow the first `=`. Here execution.rs `decode_base64` takes anything.
 *
 * Reading is plain table lookups over the UTF-8 bytes of the text, so that it is the same in Node and in a browser; whitespace
 * costs a second pass. Writing has no rules of its own: where Node's `Buffer` is, that does it.
 */
import { ArcpError } from './errors.js';

export type Base64Fault = 'character' | 'padding' | 'length';

/** INVALID_ARGUMENT; `fault` and `offset` (in UTF-16 units) say what is wrong, and where. */
export class Base64Error extends ArcpError {
  readonly fault: Base64Fault;
  readonly offset: number;

  constructor(fault: Base64Fault, offset: number, message: string) {
    super('INVALID_ARGUMENT', message, { details: { fault, offset } });
    this.fault = fault;
    this.offset = offset;
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const EQUALS = 0x3d;

const utf8 = new TextEncoder();
const ascii = new TextDecoder();

/** The value of each alphabet byte, moved `shift` bits up; -1, whose sign survives any `|`, for every other byte. */
function digitTable(shift: number): Int32Array {
  const table = new Int32Array(256).fill(-1);
  for (const [value, byte] of utf8.encode(ALPHABET).entries()) table[byte] = value << shift;
  return table;
}

const FIRST = digitTable(18);
const SECOND = digitTable(12);
const THIRD = digitTable(6);
const FOURTH = digitTable(0);

function isWhitespace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0c || byte === 0x0d;
}

function withoutWhitespace(text: Uint8Array): Uint8Array {
  const out = new Uint8Array(text.length);
  let o = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] ?? 0;
    if (!isWhitespace(byte)) out[o++] = byte;
  }
  return out.subarray(0, o);
}

/** Bytes of data before the padding, or -1 where they cannot make whole bytes. */
function dataLength(text: Uint8Array): number {
  let end = text.length;
  while (end > 0 && text[end - 1] === EQUALS) end--;
  return text.length % 4 === 0 && end % 4 !== 1 ? end : -1;
}

function decodedSize(data: number): number {
  return Math.floor((data * 3) / 4);
}

/** Decodes text without whitespace; `undefined` where it is not that, or not base64. */
function decodeDense(text: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const end = dataLength(text);
  if (end === -1) return undefined;
  const out = new Uint8Array(decodedSize(end));
  const whole = end - (end % 4);
  let o = 0;
  for (let i = 0; i < whole; i += 4) {
    const bits =
      (FIRST[text[i] ?? 0] ?? -1) |
      (SECOND[text[i + 1] ?? 0] ?? -1) |
      (THIRD[text[i + 2] ?? 0] ?? -1) |
      (FOURTH[text[i + 3] ?? 0] ?? -1);
    if (bits < 0) return undefined;
    out[o] = bits >> 16;
    out[o + 1] = bits >> 8;
    out[o + 2] = bits;
    o += 3;
  }
  if (whole < end) {
    const third = end - whole === 3 ? (THIRD[text[whole + 2] ?? 0] ?? -1) : 0;
    const bits = (FIRST[text[whole] ?? 0] ?? -1) | (SECOND[text[whole + 1] ?? 0] ?? -1) | third;
    if (bits < 0) return undefined;
    out[o] = bits >> 16;
    if (end - whole === 3) out[o + 1] = bits >> 8;
  }
  return out;
}

/** The size that `decodeDense` would give, without making the bytes. */
function measureDense(text: Uint8Array): number | undefined {
  const end = dataLength(text);
  if (end === -1) return undefined;
  let bits = 0;
  for (let i = 0; i < end; i++) bits |= FOURTH[text[i] ?? 0] ?? -1;
  return bits < 0 ? undefined : decodedSize(end);
}

/** What makes the text, which is not base64, so. Up to the fault every character is one byte. */
function explain(text: Uint8Array): Base64Error {
  let padded = false;
  for (const [offset, byte] of text.entries()) {
    if (byte === EQUALS) padded = true;
    else if (isWhitespace(byte)) continue;
    else if (padded) return new Base64Error('padding', offset, `not base64: data after \`=\` at ${offset}`);
    else if ((FOURTH[byte] ?? -1) < 0) {
      return new Base64Error('character', offset, `not base64: invalid character at ${offset}`);
    }
  }
  return new Base64Error('length', text.length, 'not base64: not padded to a multiple of four characters');
}

function read<T>(text: string, readDense: (text: Uint8Array) => T | undefined): T {
  const bytes = utf8.encode(text);
  const dense = readDense(bytes) ?? readDense(withoutWhitespace(bytes));
  if (dense === undefined) throw explain(bytes);
  return dense;
}

/**
 * The bytes that base64 text stands for.
 * @throws Base64Error
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  return read(text, decodeDense);
}

/**
 * How many bytes base64 text stands for; the text is checked as `decodeBase64` checks it.
 * @throws Base64Error
 */
export function measureBase64(text: string): number {
  return read(text, measureDense);
}

/** For each 12 bits their two characters, as they lie in memory: no byte order is assumed. */
const PAIRS = new Uint16Array(4096);
{
  const bytes = new Uint8Array(PAIRS.buffer);
  const alphabet = utf8.encode(ALPHABET);
  for (let bits = 0; bits < PAIRS.length; bits++) {
    bytes[2 * bits] = alphabet[bits >> 6] ?? 0;
    bytes[2 * bits + 1] = alphabet[bits & 63] ?? 0;
  }
}

/** The size of what our own encoder wrote: padded and without whitespace. */
export function sizeOfOwnBase64(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: typeof Buffer };

/** Base64 of the bytes: standard alphabet, padded, without whitespace. */
export function encodeBase64(bytes: Uint8Array): string {
  if (NodeBuffer === undefined) return encodePortably(bytes);
  return NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/**
 * `encodeBase64` where there is no `Buffer`.
 * @internal
 */
export function encodePortably(bytes: Uint8Array): string {
  const rest = bytes.length % 3;
  const whole = bytes.length - rest;
  const pairs = new Uint16Array(Math.ceil(bytes.length / 3) * 2);
  let o = 0;
  for (let i = 0; i < whole; i += 3) {
    const bits = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    pairs[o] = PAIRS[bits >> 12] ?? 0;
    pairs[o + 1] = PAIRS[bits & 4095] ?? 0;
    o += 2;
  }
  const text = new Uint8Array(pairs.buffer);
  if (rest > 0) {
    const bits = ((bytes[whole] ?? 0) << 16) | ((bytes[whole + 1] ?? 0) << 8);
    pairs[o] = PAIRS[bits >> 12] ?? 0;
    pairs[o + 1] = PAIRS[bits & 4095] ?? 0;
    text.fill(EQUALS, text.length - 3 + rest);
  }
  return ascii.decode(text);
}
