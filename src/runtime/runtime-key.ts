/**
 * The key pair by which a runtime proves who it is; `protocol/identity.ts` says what is signed, and why.
 * The private key stays in here: nothing that is logged, sent or thrown has it.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { encodeBase64 } from '../protocol/base64.js';
import { ArcpError } from '../protocol/errors.js';
import {
  fingerprintOf,
  PUBLIC_KEY_BYTES,
  statementBytes,
  type IdentityProof,
  type IdentityStatement,
} from '../protocol/identity.js';

/** A fresh private key as PEM (PKCS #8). */
export function newPrivateKey(): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

export class RuntimeKey {
  readonly fingerprint: string;
  readonly #private: KeyObject;
  readonly #public: string;

  /** Throws FAILED_PRECONDITION for what is no Ed25519 key in PEM, without repeating it. */
  constructor(pem: string) {
    this.#private = readKey(pem);
    // Of the DER of an Ed25519 public key, the last bytes are the key itself (RFC 8410 §4).
    const der = createPublicKey(this.#private).export({ type: 'spki', format: 'der' });
    const raw = der.subarray(der.length - PUBLIC_KEY_BYTES);
    this.#public = encodeBase64(raw);
    this.fingerprint = fingerprintOf(createHash('sha256').update(raw).digest('hex'));
  }

  prove(statement: IdentityStatement): IdentityProof {
    const signature = sign(null, statementBytes(statement), this.#private);
    return { public_key: this.#public, signature: encodeBase64(signature) };
  }
}

function readKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // What the library says of a key that it cannot read may show parts of it.
  }
  throw new ArcpError('FAILED_PRECONDITION', 'the key of the runtime is no Ed25519 private key in PEM');
}
