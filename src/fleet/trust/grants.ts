/**
 * What a capability grant can give beyond a trust level (fleet.rs `FleetCapabilityGrant`), and what its scope then means.
 * An unknown capability grants nothing, so the check refuses it.
 */

interface GrantRule {
  /** What `scope` bounds; `undefined` where the capability knows no scope. */
  readonly scope: 'host' | 'path' | 'secret' | 'target' | undefined;
  readonly meaning: string;
}

export const FLEET_GRANTS = {
  network: { scope: 'host', meaning: 'Network access; with a scope, to that host only.' },
  write: { scope: 'path', meaning: 'Writes in the workspace; with a scope, to matching paths only.' },
  'provider-secrets': { scope: 'secret', meaning: 'Secrets the policy allows; with a scope, that one only.' },
  'git-push': { scope: 'target', meaning: 'Pushing; with a scope, to that remote or branch only.' },
  release: { scope: 'target', meaning: 'Publishing; with a scope, that package only.' },
} as const satisfies Record<string, GrantRule>;

export type FleetGrant = keyof typeof FLEET_GRANTS;

export const FLEET_GRANT_NAMES = Object.keys(FLEET_GRANTS) as [FleetGrant, ...FleetGrant[]];

export function isGrant(name: string): name is FleetGrant {
  return Object.hasOwn(FLEET_GRANTS, name);
}
