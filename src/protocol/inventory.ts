/**
 * The agents a runtime advertises (`capabilities.agents`), and which of them a reference means.
 * Two wire forms are in use, a list of names and a list of `{name, versions[], default?}`; both become one.
 * Sources: decision 3; arcp-core `Capabilities::agents`; execution.rs `AgentRef` for pinned versions.
 *
 * Names and versions are taken as any text, not only as what the reference grammar can express: an agent that
 * nobody can refer to harms nobody, and refusing a whole inventory for it would close the door to its runtime.
 */
import type { AgentRef } from './agent-ref.js';
import { ArcpError } from './errors.js';
import { compareSemver, parseSemver, type Semver } from './semver.js';

export interface InventoryEntry {
  readonly name: string;
  /** In the order in which they were registered. */
  readonly versions: readonly string[];
  /** What a bare name resolves to; one of `versions`. */
  readonly default?: string;
  /** The agent was listed by name alone, so that any version of it may be there. */
  readonly anyVersion?: true;
}

export type Inventory = readonly InventoryEntry[];

/** The name of the `event.emit` that tells which agents there are, when they come and go (`arcpx.arcp.agents.v1`). */
export const AGENTS_CHANGED = 'agents.changed';

/** Limits on an inventory taken from the wire (L7). */
export const MAX_INVENTORY_AGENTS = 10_000;
export const MAX_AGENT_VERSIONS = 1_000;
const MAX_NAME_LENGTH = 256;

function refuse(where: string, what: string): never {
  throw new ArcpError('INVALID_ARGUMENT', `agents${where}: ${what}`);
}

function parseText(value: unknown, where: string): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_NAME_LENGTH || !value.isWellFormed()) {
    refuse(where, `expected 1 to ${MAX_NAME_LENGTH} characters of text`);
  }
  return value;
}

function parseEntry(value: unknown, where: string): InventoryEntry {
  if (typeof value === 'string') {
    return { name: parseText(value, where), versions: [], anyVersion: true };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse(where, 'expected a name or {name, versions, default?}');
  }
  const fields: { name?: unknown; versions?: unknown; default?: unknown } = value;
  const name = parseText(fields.name, `${where}.name`);
  if (!Array.isArray(fields.versions) || fields.versions.length > MAX_AGENT_VERSIONS) {
    refuse(`${where}.versions`, `expected a list of at most ${MAX_AGENT_VERSIONS} versions`);
  }
  const versions = fields.versions.map((version: unknown, i) =>
    parseText(version, `${where}.versions[${i}]`),
  );
  if (new Set(versions).size !== versions.length) refuse(`${where}.versions`, 'a version is listed twice');
  if (fields.default === undefined || fields.default === null) return { name, versions };
  const chosen = parseText(fields.default, `${where}.default`);
  if (!versions.includes(chosen)) refuse(`${where}.default`, 'is not one of the versions');
  return { name, versions, default: chosen };
}

/**
 * Reads `capabilities.agents` in either of its forms. Unknown fields are ignored.
 * @throws ArcpError INVALID_ARGUMENT, with the place of what is wrong.
 */
export function parseInventory(value: unknown): Inventory {
  if (!Array.isArray(value) || value.length > MAX_INVENTORY_AGENTS) {
    refuse('', `expected a list of at most ${MAX_INVENTORY_AGENTS} agents`);
  }
  const entries = value.map((entry: unknown, i) => parseEntry(entry, `[${i}]`));
  const names = new Set<string>();
  for (const [i, { name }] of entries.entries()) {
    if (names.has(name)) refuse(`[${i}]`, 'the name is listed twice');
    names.add(name);
  }
  return entries;
}

/** The highest semantic version of the list, prereleases ranked as semver.org ranks them; else the first. */
export function highestVersion(versions: readonly string[]): string | undefined {
  let highest: { readonly text: string; readonly semver: Semver } | undefined;
  for (const text of versions) {
    const semver = parseSemver(text);
    if (semver === undefined) continue;
    if (highest === undefined || compareSemver(semver, highest.semver) > 0) highest = { text, semver };
  }
  return highest?.text ?? versions[0];
}

export type Resolution =
  | {
      readonly ok: true;
      readonly name: string;
      /** Absent where the inventory knows no version of the agent and none was pinned. */
      readonly version?: string;
    }
  | {
      readonly ok: false;
      readonly code: 'AGENT_NOT_AVAILABLE' | 'AGENT_VERSION_NOT_AVAILABLE';
      readonly message: string;
    };

/** Which version of `entry` is meant: the pinned one, or what a bare name resolves to. */
export function resolveVersion(entry: InventoryEntry, pinned: string | undefined): Resolution {
  const { name } = entry;
  if (pinned === undefined) {
    const version = entry.default ?? highestVersion(entry.versions);
    return version === undefined ? { ok: true, name } : { ok: true, name, version };
  }
  if (entry.anyVersion === true || entry.versions.includes(pinned))
    return { ok: true, name, version: pinned };
  return {
    ok: false,
    code: 'AGENT_VERSION_NOT_AVAILABLE',
    message: `agent ${name} is not available in version ${pinned}`,
  };
}

/** Which agent of the inventory a reference means (decision 3). */
export function resolveAgent(inventory: Inventory, ref: AgentRef): Resolution {
  const entry = inventory.find(({ name }) => name === ref.name);
  if (entry !== undefined) return resolveVersion(entry, ref.version);
  return { ok: false, code: 'AGENT_NOT_AVAILABLE', message: `no agent named ${ref.name} is available` };
}
