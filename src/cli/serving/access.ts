/** Who may open a session at `arcp serve`: tokens and where they come from, and how far their principals are trusted. */
import {
  anonymous,
  bearerTokens,
  type Authenticator,
  type BearerToken,
  type BearerTokens,
} from '../../index.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { DEFAULT_PRINCIPAL, newSecret, readTokenFile, readTokens, type Token } from '../tokens.js';
import type { PrincipalTrust, ServeSettings } from './settings.js';

type Trust = ReadonlyMap<string, PrincipalTrust[1]>;

export interface Access {
  readonly authenticators: readonly Authenticator[];
  /** The secret that was made because none was given, and anonymous sessions are not let in. */
  readonly made: string | undefined;
  /** Reads the token files again; how many tokens there are now. What it throws leaves those from before. */
  refresh(): number;
  /** A secret of this process alone, with which it acts in the name of a principal, until `retire`. */
  actAs(principal: string): string;
  retire(): void;
}

/** @throws Failure (usage) for tokens and levels of trust that make no sense. */
export function accessOf(settings: ServeSettings, env: NodeJS.ProcessEnv): Access {
  const given = givenTokens(settings, env, readTokenFile);
  const made = given.length === 0 && !settings.anonymous ? newSecret() : undefined;
  const tokens = made === undefined ? given : [{ secret: made, principal: DEFAULT_PRINCIPAL }];
  const trust = trustOf(tokens, settings);
  let current: readonly Token[] = tokens;
  let own: readonly Token[] = [];
  const bearer = bearerTokens(withTrust(tokens, trust));
  const set = (): void => {
    bearer.set(withTrust([...current, ...own], trust));
  };
  return {
    authenticators: authenticators(tokens.length === 0 ? undefined : bearer, trust, settings),
    made,
    refresh: () => {
      current = givenTokens(settings, env, readTokens);
      set();
      return current.length;
    },
    actAs: (principal) => {
      const secret = newSecret();
      own = [...own, { secret, principal }];
      set();
      return secret;
    },
    retire: () => {
      own = [];
      set();
    },
  };
}

function givenTokens(
  settings: ServeSettings,
  env: NodeJS.ProcessEnv,
  read: (path: string) => Token[],
): Token[] {
  const fromEnv = env['ARCP_TOKEN'] ?? '';
  const tokens = [
    ...settings.tokens,
    ...settings.envTokens.map(({ env: name, principal }) => tokenIn(name, principal, env)),
    ...settings.tokenFiles.flatMap((path) => read(path)),
    ...(fromEnv === '' ? [] : [{ secret: fromEnv, principal: DEFAULT_PRINCIPAL }]),
  ];
  const principals = new Map<string, string>();
  for (const { secret, principal } of tokens) {
    const other = principals.get(secret);
    if (other !== undefined && other !== principal) {
      throw new Failure(
        EXIT.usage,
        `one token stands for both ${other} and ${principal}`,
        'give each its own',
      );
    }
    principals.set(secret, principal);
  }
  return tokens;
}

function tokenIn(name: string, principal: string, env: NodeJS.ProcessEnv): Token {
  const secret = env[name] ?? '';
  if (secret !== '') return { secret, principal };
  throw new Failure(
    EXIT.usage,
    `the token of ${principal} is not in ${name}`,
    `set ${name}, or take it out of the config file`,
  );
}

function withTrust(tokens: readonly Token[], trust: Trust): BearerToken[] {
  return tokens.map(({ secret, principal }) => [secret, principal, trust.get(principal)]);
}

function trustOf(tokens: readonly Token[], { trust, schedules }: ServeSettings): Trust {
  const known = new Set(tokens.map(({ principal }) => principal));
  const refuse = (principal: string, next: string): never => {
    throw new Failure(EXIT.usage, `no token stands for ${principal}`, next);
  };
  for (const [principal] of trust) {
    if (principal !== 'anonymous' && !known.has(principal))
      refuse(principal, 'name a principal of a token, or anonymous');
  }
  for (const { principal, name } of schedules) {
    if (!known.has(principal)) refuse(principal, `give schedule ${name} to a principal of a token`);
  }
  return new Map(trust);
}

function authenticators(
  bearer: BearerTokens | undefined,
  trust: Trust,
  settings: ServeSettings,
): Authenticator[] {
  const ofAnonymous = trust.get('anonymous');
  return [
    ...(bearer === undefined ? [] : [bearer]),
    ...(settings.anonymous ? [anonymous(ofAnonymous === undefined ? {} : { trust: ofAnonymous })] : []),
  ];
}
