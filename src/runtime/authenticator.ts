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
}

/**
 * Bearer tokens, each standing for a principal.
 *
 * @param tokens pairs of secret and principal, and how far that is trusted; an empty secret is refused with INVALID_ARGUMENT
 */
export function bearerTokens(
  tokens: Iterable<readonly [secret: string, principal: string, trust?: TrustLevel | undefined]>,
): Authenticator {
  const known = [...tokens].map(([secret, principal, trust]) => {
    if (secret === '') throw new ArcpError('INVALID_ARGUMENT', `the bearer token of ${principal} is empty`);
    return { digest: digestOf(secret), principal, trust };
  });
  return {
    scheme: 'bearer',
    authenticate({ token }) {
      if (token === undefined) return { kind: 'rejected', message: 'a bearer token is required' };
      const digest = digestOf(token);
      let found: (typeof known)[number] | undefined;
      for (const candidate of known) if (timingSafeEqual(candidate.digest, digest)) found = candidate;
      if (found === undefined) return { kind: 'rejected', message: 'the bearer token is not known here' };
      const { principal, trust } = found;
      return { kind: 'accepted', principal, ...(trust === undefined ? {} : { trust }) };
    },
  };
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
