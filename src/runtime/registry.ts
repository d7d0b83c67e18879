/** The agents that this runtime hosts: what it advertises, and what a reference means (decision 3). */
import type { Agent } from '../agents/agent.js';
import type { AgentRef } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import { resolveVersion, type Inventory, type InventoryEntry } from '../protocol/inventory.js';

interface Hosted {
  readonly versions: Map<string, Agent>;
  entry: InventoryEntry;
}

export class AgentRegistry {
  readonly #agents = new Map<string, Hosted>();
  #inventory: Inventory | undefined = [];

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
    const versions = hosted?.versions ?? new Map<string, Agent>();
    versions.set(agent.version, agent);
    const defaultVersion = agent.default ? agent.version : hosted?.entry.default;
    const entry = {
      name: agent.name,
      versions: [...versions.keys()],
      ...(defaultVersion === undefined ? {} : { default: defaultVersion }),
    };
    this.#agents.set(agent.name, { versions, entry });
    this.#inventory = undefined;
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
    const resolution = resolveVersion(hosted.entry, ref.version);
    if (!resolution.ok) throw new ArcpError(resolution.code, resolution.message);
    const agent = resolution.version === undefined ? undefined : hosted.versions.get(resolution.version);
    if (agent === undefined) {
      throw new ArcpError('AGENT_VERSION_NOT_AVAILABLE', `no version of agent ${ref.name} is hosted here`);
    }
    return agent;
  }
}
