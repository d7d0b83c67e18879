/**
 * A config file is read by many and kept in repositories, so it holds no secret: only the name of the environment
 * variable that does. What looks like a secret is refused, and never repeated.
 */
import * as z from 'zod';

/** Upper case, as such variables are named: tokens are of mixed case, or have other characters. */
const NAME = /^[A-Z_][A-Z0-9_]{0,127}$/;

/** A run that no name of a variable has: letters and digits in turn, without a word. */
const RANDOM = /^(?=(?:[A-Z]*[0-9]){6})[A-Z0-9]{20,}$/;

/** How the tokens of well-known services begin. */
const KNOWN_TOKENS =
  /^(?:(?:sk|pk|rk)[-_][\w-]{16}|gh[pousr]_\w{16}|github_pat_\w{16}|glpat-[\w-]{16}|xox[abeprs]-[\w-]{10}|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,500}\.[\w-]{8}|Bearer \S{8})/;

export function looksLikeToken(text: string): boolean {
  return KNOWN_TOKENS.test(text) || RANDOM.test(text);
}

export const SECRET_ADVICE =
  'a secret does not belong in this file: name the environment variable that holds it';

/** Keys under which people put secrets. */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'apikey',
  'bearer',
  'key',
  'masterkey',
  'password',
  'secret',
  'token',
  'value',
]);

export function isSecretKey(key: string): boolean {
  return SECRET_KEYS.has(key.toLowerCase().replaceAll(/[_-]/g, ''));
}

/** The name of an environment variable. */
export const variable = z.custom<string>(
  (value) => typeof value === 'string' && NAME.test(value) && !looksLikeToken(value),
  'expected the name of an environment variable in capitals, such as ARCP_TOKEN_ADA, and not a secret itself',
);

/** The paths of all texts in a value that look like secrets. */
export function tokensIn(value: unknown, path: readonly PropertyKey[] = []): (readonly PropertyKey[])[] {
  if (typeof value === 'string') return looksLikeToken(value) ? [path] : [];
  if (typeof value !== 'object' || value === null) return [];
  const members: Iterable<readonly [PropertyKey, unknown]> = Array.isArray(value)
    ? value.entries()
    : Object.entries(value);
  return [...members].flatMap(([key, member]) => tokensIn(member, [...path, key]));
}
