/**
 * The runtime that a client wants to talk to, and no other: it is known by its fingerprint, and has to prove it at every
 * handshake, at the first and after each lost connection (`protocol/identity.ts`).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { nanoid } from 'nanoid';
import {
  ArcpError,
  decodeBase64,
  fingerprintOf,
  isFingerprint,
  PUBLIC_KEY_BYTES,
  statementBytes,
  type Envelope,
  type Payload,
} from '../protocol/index.js';
import { isNode } from '../transport/websocket-client.js';

/** Characters of a nonce, of 6 random bits each. */
const NONCE_LENGTH = 43;

export function newNonce(): string {
  return nanoid(NONCE_LENGTH);
}

type Runtime = Payload<'session.accepted'>['runtime'];

export class ExpectedIdentity {
  readonly #fingerprint: string;
  /** What it said of itself when it first proved who it is: a resume does not say it again. */
  #runtime: Runtime | undefined;

  /** Throws INVALID_ARGUMENT for what is no fingerprint. */
  constructor(fingerprint: string) {
    if (!isFingerprint(fingerprint)) {
      throw new ArcpError(
        'INVALID_ARGUMENT',
        'a fingerprint is sha256: and 64 hexadecimal digits in lower case',
      );
    }
    this.#fingerprint = fingerprint;
  }

  /** Rejects with UNAUTHENTICATED, and what is wrong, where the answer does not prove who gave it. */
  async verify(
    { type, payload }: Envelope<'session.accepted'> | Envelope<'session.resumed'>,
    nonce: string,
  ): Promise<void> {
    const runtime = 'runtime' in payload ? payload.runtime : this.#runtime;
    const { identity } = payload;
    if (identity === undefined) throw refused('it does not prove who it is');
    if (runtime === undefined) throw refused('it resumed a session that it had not opened');
    const [key, signature] = [bytesOf(identity.public_key), bytesOf(identity.signature)];
    const shown = fingerprintOf(bytesToHex(sha256(key)));
    if (shown !== this.#fingerprint) throw refused(`it is ${shown}, not ${this.#fingerprint}`);
    if (runtime.fingerprint !== shown) throw refused('it says that it is another than it proves to be');
    const { kind, version } = runtime;
    const statement = statementBytes({ type, nonce, sessionId: payload.session_id, kind, version });
    if (key.length !== PUBLIC_KEY_BYTES || !(await isSigned(key, statement, signature))) {
      throw refused('its signature is not good');
    }
    this.#runtime = runtime;
  }
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeBase64(base64);
  } catch {
    throw refused('its proof is no base64');
  }
}

function refused(why: string): ArcpError {
  return new ArcpError('UNAUTHENTICATED', `this is not the expected runtime: ${why}`);
}

async function isSigned(
  key: Uint8Array<ArrayBuffer>,
  statement: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (isNode()) return (await import('./ed25519-node.js')).isSigned(key, statement, signature);
  try {
    const imported = await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, signature, statement);
  } catch (cause) {
    throw new ArcpError('UNIMPLEMENTED', 'this browser cannot check an Ed25519 signature', { cause });
  }
}
