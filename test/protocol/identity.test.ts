/** What a runtime signs, and what a client makes of it: `spec-fixtures/identity.json`, with both of our ends. */
import { createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExpectedIdentity } from '../../src/client/expected-identity.js';
import {
  isFingerprint,
  statementBytes,
  type Envelope,
  type IdentityStatement,
} from '../../src/protocol/index.js';
import { newPrivateKey, RuntimeKey } from '../../src/runtime/runtime-key.js';
import { fixtureCases, type FixtureCase } from '../spec-fixtures/load.js';

interface IdentityCase extends FixtureCase {
  readonly seed: string;
  readonly public_key: string;
  readonly fingerprint: string;
  readonly type: IdentityStatement['type'];
  readonly nonce: string;
  readonly session_id: `sess_${string}`;
  readonly kind: string;
  readonly version: string;
  readonly statement: string;
  readonly signature: string;
  readonly expected: string;
  readonly ok: boolean;
  readonly mentions?: string;
}

/** What stands before the seed in an Ed25519 private key (RFC 8410 §7). */
const PKCS8 = '302e020100300506032b657004220420';

function keyOf(seed: string): RuntimeKey {
  const der = Buffer.from(`${PKCS8}${seed}`, 'hex');
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return new RuntimeKey(key.export({ type: 'pkcs8', format: 'pem' }) as string);
}

function answer(
  { type, session_id, kind, version, fingerprint, public_key, signature }: IdentityCase,
  proof = { public_key, signature },
) {
  const shared = { session_id, identity: proof };
  const payload =
    type === 'session.accepted'
      ? { ...shared, runtime: { kind, version, fingerprint }, capabilities: {} }
      : { ...shared, resume_token: 't', replayed_from: 1, replayed: false };
  return { type, payload } as Envelope<'session.accepted'> | Envelope<'session.resumed'>;
}

describe.each(fixtureCases<IdentityCase>('identity.json'))('$id: $shows', (one) => {
  const statement = { ...one, sessionId: one.session_id };

  it('is signed as it says', () => {
    const key = keyOf(one.seed);
    expect(key.fingerprint).toBe(one.fingerprint);
    expect(Buffer.from(statementBytes(statement)).toString()).toBe(one.statement);
    const proof = key.prove(statement);
    expect(proof.public_key).toBe(one.public_key);
    expect(proof.signature === one.signature).toBe(one.ok || one.expected !== one.fingerprint);
  });

  it('is taken, or refused for what is wrong with it', async () => {
    const expected = new ExpectedIdentity(one.expected);
    if (one.type === 'session.resumed') {
      const first = { ...one, type: 'session.accepted', nonce: 'x'.repeat(22) } as const;
      const proof = keyOf(one.seed).prove({ ...first, sessionId: one.session_id });
      await expected.verify(answer(first, proof), first.nonce);
    }
    const verified = expected.verify(answer(one), one.nonce);
    if (one.ok) await verified;
    else
      await expect(verified).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
        message: expect.stringContaining(one.mentions ?? '?') as string,
      });
  });
});

describe('a runtime key', () => {
  it('is another one each time, and its fingerprint has the form that is expected', () => {
    const [one, other] = [new RuntimeKey(newPrivateKey()), new RuntimeKey(newPrivateKey())];
    expect(one.fingerprint).not.toBe(other.fingerprint);
    expect(isFingerprint(one.fingerprint)).toBe(true);
    expect(() => new ExpectedIdentity(one.fingerprint.toUpperCase())).toThrow('a fingerprint is sha256:');
  });

  it('that is none is refused, and not repeated', () => {
    const refused = () => new RuntimeKey('-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----');
    expect(refused).toThrow('no Ed25519 private key');
    expect(refused).not.toThrow('c2VjcmV0');
  });

  it('signs different bytes for different statements, whatever is in their parts (P1)', () => {
    const part = fc.string({ unit: fc.constantFrom(',', ':', '1', '2', 'ü', 'a'), maxLength: 6 });
    const statement = fc.record({ nonce: part, sessionId: part, kind: part, version: part });
    fc.assert(
      fc.property(statement, statement, (one, other) => {
        const bytes = [one, other].map((some) =>
          Buffer.from(statementBytes({ type: 'session.accepted', ...some })),
        );
        const isSame =
          JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());
        expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(isSame);
      }),
    );
  });
});
