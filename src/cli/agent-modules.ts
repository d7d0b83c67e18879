/** Loads the agents that a module exports: its default export, an agent or a list of them, and its named ones. */
import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Agent } from '../agents/agent.js';
import { agentsOf, isAgent, type ModuleExports } from '../agents/find-agents.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';

const EXAMPLE = "export default [defineAgent({ name: 'greeter', version: '1.0.0', run: () => 'hello' })]";

/** @throws Failure (usage) when there is no such module, it does not load, or it has no agents. */
export async function loadAgents(path: string): Promise<Agent[]> {
  const file = resolve(path);
  if (!['.js', '.mjs'].includes(extname(file))) {
    throw new Failure(EXIT.usage, `${path} is not a .js or .mjs module`, 'compile TypeScript first');
  }
  const isFile = await stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) throw new Failure(EXIT.usage, `there is no module ${file}`, 'check the path after --agents');

  const exported = await importFile(path);
  const { default: list } = exported;
  if (Array.isArray(list) && !list.every(isAgent)) {
    const at = list.findIndex((item) => !isAgent(item));
    throw new Failure(
      EXIT.usage,
      `${path}: item ${at} of its default export is not an agent`,
      `as in ${EXAMPLE}`,
    );
  }
  const agents = agentsOf(exported);
  if (agents.length === 0) {
    throw new Failure(EXIT.usage, `${path} exports no agents`, `export some, e.g. ${EXAMPLE}`);
  }
  return agents;
}

/** @throws Failure (usage) when the module does not load. One that ends the process, or waits for ever, is said to. */
export async function importFile(path: string): Promise<ModuleExports> {
  const endedEarly = (): void => {
    process.stderr.write(
      `arcp: ${path} ended the process, or waits for ever, while it was loaded\n  next: try it alone: node ${path}\n`,
    );
    process.exitCode = EXIT.usage;
  };
  process.once('exit', endedEarly);
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as ModuleExports;
  } catch (error) {
    throw new Failure(
      EXIT.usage,
      `${path} does not load: ${error instanceof Error ? error.message : String(error)}`,
      `try it alone: node ${path}`,
      error,
    );
  } finally {
    process.removeListener('exit', endedEarly);
  }
}
