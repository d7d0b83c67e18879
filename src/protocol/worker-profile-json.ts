/**
 * Worker profiles as JSON, as serde reads and writes the types of worker_profile.rs.
 *
 * (J1) Written: every field, in this order, `provider` as `null` where there is none.
 * (J2) Read: every field but `provider` has to be there; fields that are not known are dropped; a struct may also come
 *      as the list of its fields, and a variant without a value as `{"inherit": null}`.
 * (J3) On the wire a request may say less: a role alone, or some fields, the rest being its role's.
 */
import { ArcpError } from './errors.js';
import { isJsonObject, type JsonObject } from './scalars.js';
import {
  profileForRole,
  SHELL_POLICIES,
  WORKER_ROLES,
  type ModelRoute,
  type PermissionSet,
  type ToolScope,
  type WorkerProfile,
  type WorkerRole,
} from './worker-profile.js';

/** Limits on a profile that is read (L7). */
export const MAX_SCOPED_TOOLS = 1_024;
export const MAX_PROFILE_TEXT = 256;

function refuse(path: string, expected: string): never {
  throw new ArcpError('INVALID_ARGUMENT', `${path}: expected ${expected}`);
}

function readBool(value: unknown, path: string): boolean {
  return typeof value === 'boolean' ? value : refuse(path, 'true or false');
}

function readText(value: unknown, path: string): string {
  if (typeof value === 'string' && value.isWellFormed() && value.length <= MAX_PROFILE_TEXT) return value;
  return refuse(path, `a text of at most ${MAX_PROFILE_TEXT} characters`);
}

function readDepth(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff)
    return value;
  return refuse(path, 'an integer from 0 to 4294967295');
}

/** A variant without a value: its name, or an object of its name and null. */
function readWord<const Words extends readonly string[]>(
  value: unknown,
  words: Words,
  path: string,
): Words[number] {
  const name = isJsonObject(value) ? soleEntry(value, null) : value;
  const word = words.find((one) => one === name);
  return word ?? refuse(path, `one of ${words.join(', ')}`);
}

/** The name of the only member, where that has this value. */
function soleEntry(object: JsonObject, expected: unknown): string | undefined {
  const [entry, ...others] = Object.entries(object);
  return entry !== undefined && entry[1] === expected && others.length === 0 ? entry[0] : undefined;
}

/** The value of a variant that has one: `{"fixed": value}`. */
function variantValue(value: unknown, name: string): { readonly value: unknown } | undefined {
  if (!isJsonObject(value)) return undefined;
  const [entry, ...others] = Object.entries(value);
  return entry?.[0] === name && others.length === 0 ? { value: entry[1] } : undefined;
}

function readTools(value: unknown, path: string): ToolScope {
  const explicit = variantValue(value, 'explicit')?.value;
  if (explicit === undefined) return readWord(value, ['inherit'], path);
  if (!Array.isArray(explicit) || explicit.length > MAX_SCOPED_TOOLS)
    refuse(`${path}.explicit`, `a list of at most ${MAX_SCOPED_TOOLS} names`);
  return { explicit: explicit.map((name, index) => readText(name, `${path}.explicit.${index}`)) };
}

function readModel(value: unknown, path: string): ModelRoute {
  const fixed = variantValue(value, 'fixed');
  if (fixed === undefined) return readWord(value, ['inherit', 'faster', 'auto'], path);
  const route: Exclude<ModelRoute, string> = { fixed: readText(fixed.value, `${path}.fixed`) };
  return route;
}

function readProvider(value: unknown, path: string): string | null {
  return value === undefined || value === null ? null : readText(value, path);
}

/** The fields of a struct, which may come as a list of their values. */
function fieldsOf(value: unknown, names: readonly string[], path: string): JsonObject {
  if (isJsonObject(value)) return value;
  if (!Array.isArray(value) || value.length !== names.length) refuse(path, 'an object');
  return Object.fromEntries(names.map((name, index) => [name, value[index] as unknown]));
}

function readPermissions(value: unknown, path: string): PermissionSet {
  const fields = fieldsOf(value, ['write', 'network'], path);
  return {
    write: readBool(fields['write'], `${path}.write`),
    network: readBool(fields['network'], `${path}.network`),
  };
}

function readRole(value: unknown, path: string): WorkerRole {
  return readWord(value, WORKER_ROLES, path);
}

const FIELDS: {
  readonly [Field in keyof WorkerProfile]: (value: unknown, path: string) => WorkerProfile[Field];
} = {
  role: readRole,
  permissions: readPermissions,
  shell: (value, path) => readWord(value, SHELL_POLICIES, path),
  tools: readTools,
  model: readModel,
  provider: readProvider,
  max_spawn_depth: readDepth,
  background: readBool,
};

function readProfile(fields: JsonObject, path: string): WorkerProfile {
  const read = <Field extends keyof WorkerProfile>(field: Field): WorkerProfile[Field] =>
    FIELDS[field](fields[field], `${path}.${field}`);
  return {
    role: read('role'),
    permissions: read('permissions'),
    shell: read('shell'),
    tools: read('tools'),
    model: read('model'),
    provider: read('provider'),
    max_spawn_depth: read('max_spawn_depth'),
    background: read('background'),
  };
}

/**
 * Reads a whole profile (J2). Its JSON is the profile itself (J1).
 * @throws ArcpError INVALID_ARGUMENT, with the field that is wrong.
 */
export function parseWorkerProfile(value: unknown, path = 'profile'): WorkerProfile {
  return readProfile(fieldsOf(value, Object.keys(FIELDS), path), path);
}

/**
 * Reads what a request asks for (J3).
 * @throws ArcpError INVALID_ARGUMENT, with the field that is wrong.
 */
export function requestedProfile(value: unknown, path = 'profile'): WorkerProfile {
  if (typeof value === 'string') return profileForRole(readRole(value, path));
  if (!isJsonObject(value)) return parseWorkerProfile(value, path);
  const { role = 'general', ...rest } = value;
  return readProfile({ ...profileForRole(readRole(role, `${path}.role`)), ...rest }, path);
}
