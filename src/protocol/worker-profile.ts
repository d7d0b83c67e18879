/**
 * The profile of a worker: which capabilities it has by its role, beside what a lease says of targets.
 *
 * (W1) A child's profile is its parent's and the requested one intersected: permissions both have, the stricter shell
 *      policy, tools within the parent's, and one level of delegation less (L4).
 * (W2) Role, model route and background are the child's own; they grant nothing. Its provider falls back to the parent's.
 * (W3) Profiles are values; every function makes a new one.
 * How they are written and read as JSON is in `worker-profile-json.ts`. Source: worker_profile.rs.
 */

export const WORKER_ROLES = [
  'general',
  'explore',
  'plan',
  'review',
  'implementer',
  'verifier',
  'custom',
] as const;

export type WorkerRole = (typeof WORKER_ROLES)[number];

/** What a worker may do beside reading. */
export interface PermissionSet {
  /** May change files. */
  readonly write: boolean;
  /** May use the network. */
  readonly network: boolean;
}

export const FULL_PERMISSIONS: PermissionSet = { write: true, network: true };
export const READ_ONLY_PERMISSIONS: PermissionSet = { write: false, network: false };

/** What both sets grant. */
export function intersectPermissions(one: PermissionSet, other: PermissionSet): PermissionSet {
  return { write: one.write && other.write, network: one.network && other.network };
}

/** From the strictest to the widest. */
export const SHELL_POLICIES = ['none', 'read_only', 'full'] as const;

export type ShellPolicy = (typeof SHELL_POLICIES)[number];

/** The policy that the older boolean stands for. */
export function shellPolicyFromLegacy(allowShell: boolean): ShellPolicy {
  return allowShell ? 'full' : 'none';
}

export function allowsShell(policy: ShellPolicy): boolean {
  return policy !== 'none';
}

/** The stricter of two. */
export function minShellPolicy(one: ShellPolicy, other: ShellPolicy): ShellPolicy {
  return SHELL_POLICIES.indexOf(one) <= SHELL_POLICIES.indexOf(other) ? one : other;
}

/** All tools of the parent, or these only. */
export type ToolScope = 'inherit' | { readonly explicit: readonly string[] };

/**
 * The parent's model, a smaller sibling of it, or a certain one. `auto` is what older writers say for `faster`.
 */
export type ModelRoute = 'inherit' | 'faster' | 'auto' | { readonly fixed: string };

export interface WorkerProfile {
  readonly role: WorkerRole;
  readonly permissions: PermissionSet;
  readonly shell: ShellPolicy;
  readonly tools: ToolScope;
  readonly model: ModelRoute;
  /** `null`: the parent's. */
  readonly provider: string | null;
  /** Levels of delegation that are left below it. */
  readonly max_spawn_depth: number;
  /** Whether a delegation to it returns at once; else it waits for the end. */
  readonly background: boolean;
}

export const DEFAULT_SPAWN_DEPTH = 3;
export const MAX_SPAWN_DEPTH_CEILING = 8;

type Posture = Pick<WorkerProfile, 'permissions' | 'shell'>;

const POSTURES: Readonly<Record<WorkerRole, Posture>> = {
  explore: { permissions: READ_ONLY_PERMISSIONS, shell: 'read_only' },
  review: { permissions: READ_ONLY_PERMISSIONS, shell: 'read_only' },
  plan: { permissions: READ_ONLY_PERMISSIONS, shell: 'none' },
  // It changes nothing itself, and runs the tests.
  verifier: { permissions: READ_ONLY_PERMISSIONS, shell: 'full' },
  implementer: { permissions: FULL_PERMISSIONS, shell: 'full' },
  general: { permissions: FULL_PERMISSIONS, shell: 'full' },
  // Locked, until whoever asks for it opens what it needs.
  custom: { permissions: READ_ONLY_PERMISSIONS, shell: 'none' },
};

/** The profile of a role. */
export function profileForRole(role: WorkerRole): WorkerProfile {
  return {
    role,
    ...POSTURES[role],
    tools: 'inherit',
    model: 'inherit',
    provider: null,
    max_spawn_depth: DEFAULT_SPAWN_DEPTH,
    background: true,
  };
}

/** What a worker has that says nothing else. */
export const DEFAULT_PROFILE: WorkerProfile = profileForRole('general');

function childTools(parent: ToolScope, requested: ToolScope): ToolScope {
  if (parent === 'inherit') return requested;
  if (requested === 'inherit') return parent;
  const allowed = new Set(parent.explicit);
  return { explicit: requested.explicit.filter((name) => allowed.has(name)) };
}

/** The profile of a child that asks for `requested` (W1, W2). */
export function deriveChild(parent: WorkerProfile, requested: WorkerProfile): WorkerProfile {
  return {
    role: requested.role,
    permissions: intersectPermissions(parent.permissions, requested.permissions),
    shell: minShellPolicy(parent.shell, requested.shell),
    tools: childTools(parent.tools, requested.tools),
    model: requested.model,
    provider: requested.provider ?? parent.provider,
    max_spawn_depth: Math.min(
      requested.max_spawn_depth,
      Math.max(0, parent.max_spawn_depth - 1),
      MAX_SPAWN_DEPTH_CEILING,
    ),
    background: requested.background,
  };
}

/** What both profiles grant, one generation: a root that asks for less than its agent declares (W1 without the level). */
export function narrowProfile(declared: WorkerProfile, requested: WorkerProfile): WorkerProfile {
  const child = deriveChild(declared, requested);
  const depth = Math.min(declared.max_spawn_depth, requested.max_spawn_depth, MAX_SPAWN_DEPTH_CEILING);
  return { ...child, max_spawn_depth: depth };
}

/** Whether it may delegate. */
export function canSpawnChild(profile: WorkerProfile): boolean {
  return profile.max_spawn_depth > 0;
}

/** Whether a tool is in its scope. */
export function allowsTool({ tools }: WorkerProfile, name: string): boolean {
  return tools === 'inherit' || tools.explicit.includes(name);
}
