/**
 * From a task's authority to what the runtime enforces: the worker profile and the lease of the task's job.
 *
 * (J1) The lease names every capability, so that it is closed: what the authority does not give is not there.
 * (J2) `writable_paths` narrow what may be written, and widen nothing: of paths and granted scopes, those are kept that
 *      lie within one of the other.
 * (J3) Token and tool-call budgets are budgets of the lease, in currencies of their own: what crosses them is refused
 *      like money that has run out.
 */
import { leaseSubset } from '../../protocol/lease-subset.js';
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';
import {
  profileForRole,
  WORKER_ROLES,
  type WorkerProfile,
  type WorkerRole,
} from '../../protocol/worker-profile.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Reach, RolePosture, TaskAuthority } from './authority.js';

/** Currencies of the budgets that a task's spec has beside time. */
export const TOKENS = 'tokens';
export const TOOL_CALLS = 'tool_calls';

/** Names under which pushing and releasing are guarded. */
export const PUSH = 'x-vendor.arcp.git-push';
export const RELEASE = 'x-vendor.arcp.release';
/** The secrets that a task is given, by the names of their references. */
export const SECRET = 'x-vendor.arcp.secret';

/** The role of a task; `general` where it names none. An unknown role is locked like `custom`. */
export function roleOf({ worker }: FleetTaskSpec): WorkerRole {
  const named = worker?.role ?? 'general';
  return WORKER_ROLES.find((role) => role === named) ?? 'custom';
}

/** What the task's role allows, for `taskAuthority`. */
export function postureOf(task: FleetTaskSpec): RolePosture {
  const { permissions, shell } = profileForRole(roleOf(task));
  return { ...permissions, shell };
}

/** The profile under which the task's job runs. Its own folder counts as a place to write. */
export function taskProfile(task: FleetTaskSpec, authority: TaskAuthority): WorkerProfile {
  return {
    ...profileForRole(roleOf(task)),
    permissions: { write: authority.ownFolder, network: authority.network.length > 0 },
    shell: authority.shell,
    tools: authority.tools === undefined ? 'inherit' : { explicit: authority.tools },
  };
}

/** Absolute folders, with `/` between their segments. */
export interface TaskPlaces {
  readonly workspace: string;
  /** The task's own. */
  readonly own: string;
}

/**
 * The `lease_request` of the task's job (J1).
 * @param expiresAt RFC 3339: when its time is up
 * @throws ArcpError INVALID_ARGUMENT for a folder whose name would be a pattern.
 */
export function taskLease(
  task: FleetTaskSpec,
  authority: TaskAuthority,
  places: TaskPlaces,
  expiresAt?: string,
): Readonly<Record<string, unknown>> {
  const workspace = below(places.workspace, '**');
  const own = below(places.own, '**');
  const { max_tokens: tokens, max_tool_calls: calls } = task.budget ?? {};
  const budget = [
    ...(tokens === undefined ? [] : [`${TOKENS}:${tokens}`]),
    ...(calls === undefined ? [] : [`${TOOL_CALLS}:${calls}`]),
  ];
  return {
    'fs.read': [workspace, own],
    'fs.write': [...(authority.ownFolder ? [own] : []), ...writes(task, authority.write, places.workspace)],
    'net.fetch': hosts(authority.network),
    'tool.call': authority.tools ?? ['**'],
    'agent.delegate': ['**'],
    'model.use': ['*'],
    [PUSH]: names(authority.push),
    [RELEASE]: names(authority.release),
    [SECRET]: names(authority.secrets),
    ...(budget.length === 0 ? {} : { 'cost.budget': budget }),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
}

/** (J2) */
function writes({ workspace }: FleetTaskSpec, reach: Reach, root: string): readonly string[] {
  const paths = workspace?.writable_paths?.map((path) => below(root, path));
  const trees = paths?.flatMap((path) => (path.endsWith('/**') ? [path] : [path, `${path}/**`]));
  if (reach === 'all') return trees ?? [below(root, '**')];
  const granted = reach.map((scope) => below(root, scope));
  if (trees === undefined) return granted;
  const kept = [
    ...trees.filter((tree) => granted.some((scope) => lies(tree, scope))),
    ...granted.filter((scope) => trees.some((tree) => lies(scope, tree))),
  ];
  return [...new Set(kept)];
}

function lies(inner: string, outer: string): boolean {
  const bounds = (pattern: string) => ({ capabilities: new Map([['fs.write', [pattern]]]), closed: true });
  return leaseSubset(bounds(inner), bounds(outer)) === undefined;
}

function below(folder: string, path: string): string {
  if (/[*?[\]{}\\]/.test(folder) || !folder.startsWith('/')) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      `the folder ${JSON.stringify(folder)} cannot be part of a pattern`,
    );
  }
  return `${folder.replace(/\/+$/, '')}/${path.replace(/^(\.\/+)+/, '')}`.replace(/\/+$/, '');
}

/** A host is that host over https; a scope with a scheme is taken as it is. */
function hosts(reach: Reach): readonly string[] {
  return reach === 'all' ? ['**'] : reach.map((host) => (host.includes('://') ? host : `https://${host}/**`));
}

function names(reach: Reach): readonly string[] {
  return reach === 'all' ? ['**'] : reach;
}
