/** Ed25519 in Node; browsers have it as WebCrypto, which Node 20 still calls an experiment. */
import { createPublicKey, verify } from 'node:crypto';

/** @param key the raw 32 bytes */
export function isSigned(key: Uint8Array, statement: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(key).toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verify(null, statement, publicKey, signature);
}
