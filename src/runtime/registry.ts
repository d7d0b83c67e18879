/** The agents that this runtime hosts: what it advertises, and what a reference means (decision 3). */
import type { Agent } from '../agents/agent.js';
import type { AgentRef } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import { resolveVersion, type Inventory, type InventoryEntry } from '../protocol/inventory.js';

interface Hosted {
  readonly versions: ReadonlyMap<string, Agent>;
  readonly entry: InventoryEntry;
  /** What its name alone means. */
  readonly preferred: Agent | undefined;
}

export class AgentRegistry {
  readonly #agents = new Map<string, Hosted>();
  readonly #onChange: () => void;
  #inventory: Inventory | undefined = [];

  /** @param onChange told of each change of the inventory */
  constructor(onChange: () => void = () => undefined) {
    this.#onChange = onChange;
  }

  /** Throws ALREADY_EXISTS when that version is hosted already, or another version is the default too. */
  register(agent: Agent): void {
    const hosted = this.#agents.get(agent.name);
    if (hosted?.versions.has(agent.version) === true) {
      throw new ArcpError('ALREADY_EXISTS', `agent ${agent.name}@${agent.version} is registered twice`);
    }
    if (agent.default && hosted?.entry.default !== undefined) {
      throw new ArcpError(
        'ALREADY_EXISTS',
        `agent ${agent.name} has two default versions: ${hosted.entry.default} and ${agent.version}`,
      );
    }
    this.list(agent, true);
  }

  has(name: string, version: string): boolean {
    return this.#agents.get(name)?.versions.has(version) === true;
  }

  /** An agent that comes and goes is there, or no longer. Of several defaults the first counts. */
  list(agent: Agent, isThere: boolean): void {
    if (this.has(agent.name, agent.version) === isThere) return;
    const versions = new Map(this.#agents.get(agent.name)?.versions);
    if (isThere) versions.set(agent.version, agent);
    else versions.delete(agent.version);
    if (versions.size === 0) this.#agents.delete(agent.name);
    else this.#agents.set(agent.name, hosted(agent.name, versions));
    this.#inventory = undefined;
    this.#onChange();
  }

  /** Hosts it no more; its jobs go on. Does nothing where another agent has taken its place. */
  unregister(agent: Agent): void {
    if (this.#agents.get(agent.name)?.versions.get(agent.version) === agent) this.list(agent, false);
  }

  /** The rich inventory, in the order of registration. */
  inventory(): Inventory {
    this.#inventory ??= [...this.#agents.values()].map(({ entry }) => entry);
    return this.#inventory;
  }

  /** Throws AGENT_NOT_AVAILABLE or AGENT_VERSION_NOT_AVAILABLE. */
  resolve(ref: AgentRef): Agent {
    const hosted = this.#agents.get(ref.name);
    if (hosted === undefined) {
      throw new ArcpError('AGENT_NOT_AVAILABLE', `no agent named ${ref.name} is hosted here`);
    }
    if (ref.version === undefined && hosted.preferred !== undefined) return hosted.preferred;
    const resolution = resolveVersion(hosted.entry, ref.version);
    if (!resolution.ok) throw new ArcpError(resolution.code, resolution.message);
    const agent = resolution.version === undefined ? undefined : hosted.versions.get(resolution.version);
    if (agent === undefined) {
      throw new ArcpError('AGENT_VERSION_NOT_AVAILABLE', `no version of agent ${ref.name} is hosted here`);
    }
    return agent;
  }
}

function hosted(name: string, versions: ReadonlyMap<string, Agent>): Hosted {
  const entry = entryOf(name, versions);
  const resolution = resolveVersion(entry, undefined);
  const preferred = resolution.ok ? versions.get(resolution.version ?? '') : undefined;
  return { versions, entry, preferred };
}

function entryOf(name: string, versions: ReadonlyMap<string, Agent>): InventoryEntry {
  const agents = [...versions.values()];
  const standard = agents.find((agent) => agent.default)?.version;
  return {
    name,
    versions: [...versions.keys()],
    ...(standard === undefined ? {} : { default: standard }),
  };
}
