/**
 * Text measured in UTF-8 bytes, without Node: limits and close reasons are in bytes, strings are in UTF-16 units.
 */
import type { TransportEnd } from './transport.js';

/** What a WebSocket close frame carries after its code (RFC 6455 §5.5). */
const MAX_REASON_BYTES = 123;

/** Whether `text` takes more than `limit` bytes; mostly known from its length alone. */
export function exceedsBytes(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  let bytes = 0;
  for (const char of text) bytes += byteLength(char);
  return bytes > limit;
}

/** The longest beginning of `text` that takes at most `limit` bytes and splits no character. */
export function cutToBytes(text: string, limit: number): string {
  if (text.length * 3 <= limit) return text;
  let bytes = 0;
  let end = 0;
  for (const char of text) {
    bytes += byteLength(char);
    if (bytes > limit) break;
    end += char.length;
  }
  return text.slice(0, end);
}

/** An end whose reason fits a close frame: well-formed and at most 123 bytes, on every transport alike. */
export function endOf(code: number, reason: string): TransportEnd {
  return { code, reason: cutToBytes(reason.toWellFormed(), MAX_REASON_BYTES) };
}

function byteLength(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}
