/**
 * How a runtime proves who it is (`arcpx.arcp.identity.v1`, an addition to RFC 0001 §8; decision 28).
 *
 * A runtime has one Ed25519 key pair (RFC 8032) for as long as its data folder lives. Its `fingerprint`, in
 * `session.accepted.runtime`, is `sha256:` and the SHA-256 of the 32 raw bytes of the public key, as 64 hexadecimal digits in
 * lower case. A client that wants it proven sends a fresh `nonce` in `session.open` or `session.resume`; the runtime then
 * adds `identity: {public_key, signature}` to `session.accepted` or `session.resumed`, both in standard base64: the 32 raw
 * bytes of the key, and the 64 of its signature over the statement.
 *
 * The statement is six netstrings (`<length in bytes, decimal>:<the bytes>,`), one after the other, in UTF-8:
 *
 *     arcpx.arcp.identity.v1
 *     the type of the message that carries the signature: session.accepted or session.resumed
 *     the nonce
 *     the session id of that message
 *     the runtime's kind, as in `session.accepted.runtime.kind`
 *     the runtime's version, as in `session.accepted.runtime.version`
 *
 * So for the nonce n0123456789abcdefghijk and the session sess_1 of an acme 1.0 it begins
 * `22:arcpx.arcp.identity.v1,16:session.accepted,22:n0123456789abcdefghijk,6:sess_1,4:acme,3:1.0,`.
 *
 * (P1) No part can be moved into another: each says how long it is.
 * (P2) What is signed is good for this nonce and this session alone, and for nothing but this purpose: it begins with
 *      its name. It says who answered, not who else listens: that is for TLS.
 */
import * as z from 'zod';
import { OPT_IN } from './extensions.js';
import { text } from './scalars.js';

const FINGERPRINT = /^sha256:[0-9a-f]{64}$/;
const NONCE = /^[A-Za-z0-9_-]{22,128}$/;

/** Bytes of an Ed25519 public key. */
export const PUBLIC_KEY_BYTES = 32;

/** At least 128 random bits, in the alphabet of base64url. */
export const nonce = z.custom<string>(
  (value) => typeof value === 'string' && NONCE.test(value),
  'expected 22 to 128 of A-Z a-z 0-9 _ -',
);

export const identityProof = z.object({ public_key: text, signature: text });

export type IdentityProof = z.output<typeof identityProof>;

/** What a runtime says of itself when it signs. */
export interface IdentityStatement {
  readonly type: 'session.accepted' | 'session.resumed';
  readonly nonce: string;
  readonly sessionId: string;
  readonly kind: string;
  readonly version: string;
}

export function isFingerprint(value: string): boolean {
  return FINGERPRINT.test(value);
}

/** @param digest the SHA-256 of the raw public key, in hexadecimal */
export function fingerprintOf(digest: string): string {
  return `sha256:${digest.toLowerCase()}`;
}

const utf8 = new TextEncoder();

/** The bytes that are signed. */
export function statementBytes(statement: IdentityStatement): Uint8Array<ArrayBuffer> {
  const { type, nonce: once, sessionId, kind, version } = statement;
  const parts = [OPT_IN.identity, type, once, sessionId, kind, version];
  return utf8.encode(parts.map((part) => `${utf8.encode(part).length}:${part},`).join(''));
}
