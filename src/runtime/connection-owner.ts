/**
 * Whose a connection is, where whoever hands it over knows: that to a process which it started, for one.
 *
 * (W1) Nobody else can be on it, so that its session is asked for a token only where the owner says so, whatever the
 *      runtime asks of others.
 * (W2) Its session begins and ends with it: what is at the other end has ended with its pipe, and nothing is waited for.
 * (W3) What it hosts is hosted in its scope only: no process takes the place of an agent that others mean.
 */
import type { TrustLevel } from '../protocol/trust-level.js';
import type { TransportEnd } from '../transport/transport.js';
import { bearerTokens, type Authenticator } from './authenticator.js';
import type { Hosting } from './providers/provider-table.js';

export interface ConnectionOwner {
  /** Of the session. */
  readonly principal: string;
  /** Default: what the runtime says of everybody. */
  readonly trust?: TrustLevel;
  /** The bearer token to be shown. Default: none is asked for, and any is taken. */
  readonly token?: string;
  /**
   * What the names of the agents that it hosts begin with (W3). Without one it hosts what it likes, as a principal in
   * `RuntimeOptions.hosts` does.
   */
  readonly scope?: string;
  /** How long its session may take to open, in milliseconds: a process has to start first. Default `helloTimeoutMs`. */
  readonly helloTimeoutMs?: number;
  /** The session is open; `hosting` is what came of the agents that it offered. */
  readonly opened?: (hosting: Hosting) => void;
  /** The connection has ended, and its session with it. */
  readonly closed?: (end: TransportEnd) => void;
}

/** How its session is let in (W1). */
export function ownersAuthenticators(owner: ConnectionOwner): ReadonlyMap<string, Authenticator> {
  const { principal, token, trust } = owner;
  if (token !== undefined) return new Map([['bearer', bearerTokens([[token, principal, trust]])]]);
  const authenticate: Authenticator['authenticate'] = () => ({
    kind: 'accepted',
    principal,
    ...(trust === undefined ? {} : { trust }),
  });
  return new Map(['none', 'bearer'].map((scheme) => [scheme, { scheme, authenticate }]));
}
