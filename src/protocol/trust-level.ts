/** How far a principal is trusted (RFC 0001 §15.6), from the least to the most. */
export const TRUST_LEVELS = ['untrusted', 'constrained', 'trusted', 'privileged'] as const;

export type TrustLevel = (typeof TRUST_LEVELS)[number];

export function isTrustLevel(text: string): text is TrustLevel {
  return (TRUST_LEVELS as readonly string[]).includes(text);
}

/** Whether `level` is more than `other`. */
export function exceedsTrust(level: TrustLevel, other: TrustLevel): boolean {
  return TRUST_LEVELS.indexOf(level) > TRUST_LEVELS.indexOf(other);
}

/** The lower of two; the first where there is no second. */
export function lowerTrust(one: TrustLevel, other: TrustLevel = one): TrustLevel {
  return exceedsTrust(one, other) ? other : one;
}

/** The permission that lifts a job to a level begins with this; the level follows. */
export const ELEVATION = 'trust.elevate.';

/** The level that a permission lifts a job to; nothing for other permissions. */
export function elevationTo(permission: string): TrustLevel | undefined {
  const level = permission.slice(ELEVATION.length);
  return permission.startsWith(ELEVATION) && isTrustLevel(level) ? level : undefined;
}
