/** The agents that a module exports: by its default export (one, or a list), and by its named ones. */
import { ArcpError } from '../protocol/errors.js';
import type { Agent } from './agent.js';

export type ModuleExports = Readonly<Record<string, unknown>>;

/** Each agent once, in the order of the exports. */
export function agentsOf(exports: ModuleExports): Agent[] {
  const exported = Object.values(exports).flatMap((value): unknown[] =>
    Array.isArray(value) ? value : [value],
  );
  return [...new Set(exported)].filter(isAgent);
}

/** Throws NOT_FOUND when the module does not export that agent. */
export function findAgent(exports: ModuleExports, name: string, version: string): Agent {
  const found = agentsOf(exports).find((agent) => agent.name === name && agent.version === version);
  if (found === undefined)
    throw new ArcpError('NOT_FOUND', `the module does not export agent ${name}@${version}`);
  return found;
}

/** By its shape: a module may have been written against another copy of this package. */
export function isAgent(value: unknown): value is Agent {
  if (typeof value !== 'object' || value === null) return false;
  const { name, version, heartbeat, run } = value as Partial<Record<keyof Agent, unknown>>;
  return (
    typeof name === 'string' &&
    typeof version === 'string' &&
    typeof run === 'function' &&
    (heartbeat === 'auto' || heartbeat === 'manual')
  );
}
