/**
 * What a process that works for a job has to be kept from: a pure function of the job's lease and its worker profile.
 *
 * A process is arbitrary code. It cannot be asked before each of its acts, as `ctx.authorize` is; it can only be given
 * walls, and what walls cannot express it does not get (L4): they are never wider than the lease and the profile.
 *
 * (B1) Files: a folder is in sight where a pattern of `fs.read` covers it and all that is below (`/data/**`), a file where
 *      one names it. Either can be written where the same pattern's targets are covered by `fs.write` too and the profile
 *      writes. A finer pattern (`/data/*.csv`) opens nothing: the agent asks the runtime, or has what it needs delegated.
 * (B2) Network: all of it, where `net.fetch` covers every address and the profile has the network; else none. A single
 *      host cannot be let through by a wall that knows no names.
 * (B3) Programs: what a process starts stands behind the same walls, so that it can do no more than the process itself.
 *      A profile whose shell is not `full` hides the system's programs beside: all of them (`none`), or all but those of
 *      the read-only commands (`read_only`). The agent's own program and what the lease lets it read stay as they are.
 * (B4) Walls are built once, when the process starts. Leases that are granted to the job later do not open them; when the
 *      job's lease ends, the process does. A budget that is used up refuses what is asked of the runtime, not what a
 *      process does within its walls.
 * (B5) Where lease and profile keep nothing back there is nothing to enforce: no walls.
 */
import { targetKind, type CoreCapability } from '../../protocol/lease-capability.js';
import { DEEP } from '../../protocol/targets/segments.js';
import type { Steps } from '../../protocol/pattern-program.js';
import { TargetPatterns } from '../../protocol/target-patterns.js';
import type { ShellPolicy, WorkerProfile } from '../../protocol/worker-profile.js';
import { READ_ONLY_COMMANDS } from '../guarded/shell-forms.js';

/** What a lease bounds, see `LeaseBounds`. */
export interface LeasedActs {
  /** Patterns by capability, in its dotted spelling. */
  readonly capabilities: Readonly<Record<string, readonly string[]>>;
  /** Whether what is not named may not be done; else everything of it may. */
  readonly closed: boolean;
}

/** A place in the file system that walls leave open. */
export interface OpenPlace {
  /** Absolute. */
  readonly path: string;
  /** A folder with all that is below it; else one file. */
  readonly deep: boolean;
  readonly writable: boolean;
}

/** The system's programs that can be run. */
export type OpenPrograms = 'all' | readonly string[];

export type Confinement =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'walls';
      readonly network: boolean;
      readonly programs: OpenPrograms;
      /** Folders before what is in them. */
      readonly places: readonly OpenPlace[];
    };

const PROGRAMS: Readonly<Record<ShellPolicy, OpenPrograms>> = {
  none: [],
  read_only: READ_ONLY_COMMANDS,
  full: 'all',
};

/** What a process that works under this lease and this profile has to be kept from. */
export function confinementOf(lease: LeasedActs, profile: WorkerProfile): Confinement {
  const { permissions } = profile;
  // One for all questions about a lease, which may ask many (L7).
  const steps: Steps = { count: 0 };
  const reads = new Reach(lease, 'fs.read', steps);
  const writes = permissions.write ? new Reach(lease, 'fs.write', steps) : undefined;
  const network = permissions.network && new Reach(lease, 'net.fetch', steps).coversAll(DEEP);
  const programs = PROGRAMS[profile.shell];
  const places = openPlaces(reads, writes);
  const isOpen = places.some(({ path, writable }) => path === '/' && writable);
  if (network && programs === 'all' && isOpen) return { kind: 'none' };
  return { kind: 'walls', network, programs, places };
}

/** How far a lease goes in one capability. */
export class Reach {
  /** None where the lease does not say. */
  readonly patterns: TargetPatterns | undefined;
  readonly #closed: boolean;
  readonly #steps: Steps;

  constructor({ capabilities, closed }: LeasedActs, capability: CoreCapability, steps: Steps = { count: 0 }) {
    const sources = Object.hasOwn(capabilities, capability) ? capabilities[capability] : undefined;
    this.patterns = sources && new TargetPatterns(targetKind(capability), sources);
    this.#closed = closed;
    this.#steps = steps;
  }

  /** Whether everything that a pattern matches may be done; sound, see `isContained`. */
  coversAll(pattern: string): boolean {
    const { patterns } = this;
    if (patterns === undefined) return !this.#closed;
    return patterns.exceededBy(new TargetPatterns(patterns.kind, [pattern]), this.#steps).length === 0;
  }

  /** The patterns, or that of everything, or none. */
  get sources(): readonly string[] {
    return this.patterns?.sources ?? (this.#closed ? [] : [DEEP]);
  }
}

function openPlaces(reads: Reach, writes: Reach | undefined): OpenPlace[] {
  const places = new Map<string, OpenPlace>();
  // What may be written is often within what may be read.
  for (const pattern of new Set([...reads.sources, ...(writes?.sources ?? [])])) {
    const place = placeOf(pattern);
    if (place === undefined || !reads.coversAll(pattern)) continue;
    const writable = writes?.coversAll(pattern) === true;
    // Of a folder, and of the folder with all that is in it, the latter is more.
    if (places.get(place.path)?.deep === true && !place.deep) continue;
    places.set(place.path, { ...place, writable });
  }
  const sorted = [...places.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
  return sorted.filter(
    (place) =>
      !sorted.some((outer) => outer !== place && contains(outer, place) && opensAsMuch(outer, place)),
  );
}

function opensAsMuch(outer: OpenPlace, inner: OpenPlace): boolean {
  return outer.writable || !inner.writable;
}

function contains({ path, deep }: OpenPlace, inner: OpenPlace): boolean {
  return deep && (path === '/' || inner.path.startsWith(`${path}/`));
}

/** The one place that a pattern is about, if it is about one. */
function placeOf(pattern: string): OpenPlace | undefined {
  if (pattern === DEEP) return { path: '/', deep: true, writable: false };
  const segments = pattern.split('/').filter((segment) => segment !== '' && segment !== '.');
  const deep = segments.at(-1) === DEEP;
  const plain = deep ? segments.slice(0, -1) : segments;
  if (segments.length === 0 || plain.some((segment) => segment.includes('*'))) return undefined;
  return { path: `/${plain.join('/')}`, deep, writable: false };
}
