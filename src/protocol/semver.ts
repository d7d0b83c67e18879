/**
 * Precedence of semantic versions (semver.org 2.0.0 §11), for choosing the highest of an agent's versions.
 * Numbers are compared as digit strings, so that no length of them overflows; build metadata does not count.
 */

export interface Semver {
  readonly core: readonly [string, string, string];
  /** The dot-separated identifiers after `-`; empty for a release. */
  readonly prerelease: readonly string[];
}

const SEMVER = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/;

function isNumeric(identifier: string): boolean {
  return /^\d+$/.test(identifier);
}

function isPrereleaseIdentifier(identifier: string): boolean {
  return identifier !== '' && !(identifier.length > 1 && identifier.startsWith('0') && isNumeric(identifier));
}

/** The version as its parts, or `undefined` where the text is not a semantic version (`v1`, `1.0`, `2024-05-01`). */
export function parseSemver(text: string): Semver | undefined {
  const match = SEMVER.exec(text);
  if (match === null) return undefined;
  const [, major = '', minor = '', patch = '', prerelease, build] = match;
  const identifiers = prerelease === undefined ? [] : prerelease.split('.');
  if (!identifiers.every(isPrereleaseIdentifier) || build?.split('.').includes('') === true) return undefined;
  return { core: [major, minor, patch], prerelease: identifiers };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Compares runs of digits without leading zeros by their value. */
function compareNumeric(a: string, b: string): number {
  return a.length - b.length || compareText(a, b);
}

function compareIdentifier(a: string, b: string): number {
  const aNumeric = isNumeric(a);
  if (aNumeric !== isNumeric(b)) return aNumeric ? -1 : 1;
  return aNumeric ? compareNumeric(a, b) : compareText(a, b);
}

function comparePrerelease(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (const [i, identifier] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    const order = compareIdentifier(identifier, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Negative, zero or positive as `a` precedes, equals or follows `b`. */
export function compareSemver(a: Semver, b: Semver): number {
  return (
    compareNumeric(a.core[0], b.core[0]) ||
    compareNumeric(a.core[1], b.core[1]) ||
    compareNumeric(a.core[2], b.core[2]) ||
    comparePrerelease(a.prerelease, b.prerelease)
  );
}
