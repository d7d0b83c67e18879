/** Where secrets come from, in the order in which they are looked for. */
import type { FleetSecretRef } from '../../protocol/fleet/index.js';
import { isVariableName } from '../workspace/environment.js';

export const SECRET_SOURCES = ['env', 'keyring', 'file'] as const;

export type SecretSource = (typeof SECRET_SOURCES)[number];

/** Names that are safe as the name of a file. */
const KEY = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** The sources that a reference may be resolved from; none where its source is unknown. */
export function sourcesOf({ source }: FleetSecretRef): readonly SecretSource[] {
  return source === undefined ? SECRET_SOURCES : SECRET_SOURCES.filter((known) => known === source);
}

/** What is wrong with the name of a secret, or `undefined`. */
export function secretKeyFault(ref: FleetSecretRef): string | undefined {
  if (!KEY.test(ref.key)) return 'expected the name of a secret: 1 to 128 of A-Z a-z 0-9 . _ -';
  if (ref.source === 'env' && !isVariableName(ref.key)) return 'expected the name of an environment variable';
  return undefined;
}
