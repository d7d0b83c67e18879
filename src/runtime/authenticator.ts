/** Who is asking (RFC 0001 §8.2). Secrets are compared in constant time and never kept as they came. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ArcpError } from '../protocol/errors.js';
import type { TrustLevel } from '../protocol/trust-level.js';

/** What came of a credential. `quota` names whose limits apply: usually the principal itself. */
export type AuthOutcome =
  | {
      readonly kind: 'accepted';
      readonly principal: string;
      readonly quota?: string;
      /** How far the principal is trusted, see `TRUST`. Default: what the runtime says, else `trusted`. */
      readonly trust?: TrustLevel;
    }
  | { readonly kind: 'rejected'; readonly message: string }
  | {
      readonly kind: 'challenge';
      readonly challenge: string;
      readonly verify: (response: string) => AuthOutcome | Promise<AuthOutcome>;
    };

export interface Credentials {
  readonly token: string | undefined;
  /** The id of the session that would be opened: unique. */
  readonly sessionId: string;
}

/**
 * One way to authenticate, chosen by `auth.scheme` of `session.open`. It may take its time, within `helloTimeoutMs`; one
 * that throws or rejects lets nobody in.
 */
export interface Authenticator {
  readonly scheme: string;
  authenticate(credentials: Credentials): AuthOutcome | Promise<AuthOutcome>;
  /**
   * What has become of a token that it once accepted for this principal. Asked of open sessions when the runtime is told
   * to `recheck()`, and of each session that is resumed. Without it, what was accepted is good for as long as its session.
   *
   * @param digest SHA-256 of the token
   */
  standing?(digest: Uint8Array, principal: string): CredentialStanding;
}

/**
 * `good`; `replaced` by another credential of the principal, which its sessions must show before a deadline; or `revoked`,
 * which ends them.
 */
export type CredentialStanding = 'good' | 'replaced' | 'revoked';

/** A bearer token: its secret, whom it stands for, and how far that is trusted. */
export type BearerToken = readonly [secret: string, principal: string, trust?: TrustLevel | undefined];

/** Bearer tokens that can be set anew. Then call the runtime's `recheck()`. */
export interface BearerTokens extends Authenticator {
  readonly scheme: 'bearer';
  set(tokens: Iterable<BearerToken>): void;
}

/**
 * Bearer tokens, each standing for a principal. A token that is no longer among them was replaced where its principal has
 * another, and else it was revoked.
 *
 * @param tokens pairs of secret and principal, and how far that is trusted; an empty secret is refused with INVALID_ARGUMENT
 */
export function bearerTokens(tokens: Iterable<BearerToken>): BearerTokens {
  let known = knownTokens(tokens);
  const find = (digest: Uint8Array): KnownToken | undefined => {
    let found: KnownToken | undefined;
    for (const candidate of known) if (timingSafeEqual(candidate.digest, digest)) found = candidate;
    return found;
  };
  return {
    scheme: 'bearer',
    set(more) {
      known = knownTokens(more);
    },
    standing(digest, principal) {
      if (find(digest)?.principal === principal) return 'good';
      return known.some((token) => token.principal === principal) ? 'replaced' : 'revoked';
    },
    authenticate({ token }) {
      if (token === undefined) return { kind: 'rejected', message: 'a bearer token is required' };
      const found = find(digestOf(token));
      if (found === undefined) return { kind: 'rejected', message: 'the bearer token is not known here' };
      const { principal, trust } = found;
      return { kind: 'accepted', principal, ...(trust === undefined ? {} : { trust }) };
    },
  };
}

interface KnownToken {
  readonly digest: Buffer;
  readonly principal: string;
  readonly trust: TrustLevel | undefined;
}

function knownTokens(tokens: Iterable<BearerToken>): readonly KnownToken[] {
  return Array.from(tokens, ([secret, principal, trust]) => {
    if (secret === '') throw new ArcpError('INVALID_ARGUMENT', `the bearer token of ${principal} is empty`);
    return { digest: digestOf(secret), principal, trust };
  });
}

/** Lets anybody in. Each session is a principal of its own: anonymous sessions are strangers (decision 10). */
export function anonymous({ trust }: { readonly trust?: TrustLevel } = {}): Authenticator {
  return {
    scheme: 'none',
    authenticate: ({ sessionId }) => ({
      kind: 'accepted',
      principal: anonymousPrincipal(sessionId),
      quota: 'anonymous',
      ...(trust === undefined ? {} : { trust }),
    }),
  };
}

/** Whether the session's principal ends with it. */
export function isAnonymous({ id, principal }: { readonly id: string; readonly principal: string }): boolean {
  return principal === anonymousPrincipal(id);
}

/** The principal of an anonymous session. Nobody else can ever be it. */
export function anonymousPrincipal(sessionId: string): string {
  return `anonymous:${sessionId}`;
}

export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
