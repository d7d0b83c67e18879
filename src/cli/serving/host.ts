/** The parts that `arcp serve` puts a runtime together from. What is wrong with one says what to do about it. */
import { resolve } from 'node:path';
import {
  liteLlm,
  listen,
  memoryStore,
  processAgent,
  sqliteStore,
  type Agent,
  type CredentialProvisioner,
  type HandoffRuntime,
  type Runtime,
  type Server,
  type Store,
} from '../../index.js';
import type { Logger } from '../../runtime/logger.js';
import type { McpServer } from '../../mcp/index.js';
import { conformanceAgents } from '../../conformance/agents/index.js';
import { loadAgents } from '../agent-modules.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { removeTokenFile, writeTokenFile } from '../tokens.js';
import type { ServeSettings } from './settings.js';

export async function hostedAgents(settings: ServeSettings): Promise<Agent[]> {
  const agents: Agent[] = [];
  const origins = new Map<string, string>();
  const host = (from: string, more: readonly Agent[]): void => {
    for (const agent of more) {
      const ref = `${agent.name}@${agent.version}`;
      const other = origins.get(ref);
      if (other !== undefined) {
        throw new Failure(
          EXIT.usage,
          `${ref} is defined twice: in ${other} and in ${from}`,
          'give one of them another version, or leave one module out',
        );
      }
      origins.set(ref, from);
      agents.push(agent);
    }
  };
  for (const path of settings.agents) host(path, await loadAgents(path));
  host('--agent', processAgents(settings, process.env));
  if (settings.conformance) host('--conformance', conformanceAgents());
  return agents;
}

function processAgents(settings: ServeSettings, env: NodeJS.ProcessEnv): Agent[] {
  const { processes, pool, processReads, processEnv, trustedProcesses } = settings;
  const trusted = new Set(trustedProcesses);
  const given = processEnv.map((name): [string, string] => {
    const value = env[name];
    if (value !== undefined) return [name, value];
    throw new Failure(
      EXIT.usage,
      `there is no environment variable ${name}`,
      'set it, or leave --agent-env out',
    );
  });
  const agents = processes.map(({ name, version, command }) =>
    processAgent({
      ...{ name, version, command, pool, reads: processReads, env: Object.fromEntries(given) },
      trusted: trusted.delete(`${name}@${version}`),
    }),
  );
  const [stranger] = trusted;
  if (stranger === undefined) return agents;
  throw new Failure(EXIT.usage, `${stranger} is not one of --agent`, 'name it as NAME@VERSION');
}

/** Starts MCP servers, all at once. @throws Failure for one that does not start; the others are ended then. */
export async function mcpServers(
  { mcp }: ServeSettings,
  host: Runtime,
  logger: Logger,
): Promise<readonly McpServer[]> {
  if (mcp.length === 0) return [];
  const { McpServer } = await import('../../mcp/index.js');
  const servers = mcp.map((command) => new McpServer({ ...command, host, logger }));
  const started = await Promise.allSettled(servers.map((server) => server.start()));
  const failed = started.findIndex(({ status }) => status === 'rejected');
  const outcome = started[failed];
  if (outcome?.status !== 'rejected') return servers;
  await Promise.all(servers.map((server) => server.close()));
  const reason: unknown = outcome.reason;
  throw new Failure(
    EXIT.failed,
    `MCP server ${mcp[failed]?.name ?? ''} does not start: ${reason instanceof Error ? reason.message : String(reason)}`,
    `try it alone: ${[mcp[failed]?.command, ...(mcp[failed]?.args ?? [])].join(' ')}`,
    reason,
  );
}

/** The master key is never an argument: those are in sight of every user of this machine. */
export function provisioner(
  { gateway }: ServeSettings,
  env: NodeJS.ProcessEnv,
): CredentialProvisioner | undefined {
  if (gateway === undefined) return undefined;
  const masterKey = env[gateway.keyEnv] ?? '';
  if (masterKey !== '') return liteLlm({ url: gateway.url, masterKey });
  throw new Failure(EXIT.usage, 'the gateway has no master key', `put it into ${gateway.keyEnv}`);
}

/** Their tokens are never arguments: those are in sight of every user of this machine. */
export function handoffTargets({ handoffs }: ServeSettings, env: NodeJS.ProcessEnv): HandoffRuntime[] {
  const names = new Set<string>();
  return handoffs.map((target) => {
    if (names.has(target.name)) {
      throw new Failure(
        EXIT.usage,
        `two handoff targets are called ${target.name}`,
        'call one of them otherwise',
      );
    }
    names.add(target.name);
    const token = env[`ARCP_HANDOFF_TOKEN_${target.name.toUpperCase().replaceAll('-', '_')}`] ?? '';
    return token === '' ? target : { ...target, token };
  });
}

export function openStore({ store, data, durability }: ServeSettings): Store {
  switch (store) {
    case 'memory':
      return memoryStore();
    case 'sqlite':
      try {
        return sqliteStore({ folder: resolve(data), durability });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Failure(
          EXIT.failed,
          reason,
          'name another folder with --data, stop the other process, or keep nothing with --store memory',
          error,
        );
      }
  }
}

export async function bind(runtime: Runtime, { host, port, origins }: ServeSettings): Promise<Server> {
  try {
    return await listen(runtime, { host, port, allowedOrigins: origins });
  } catch (error) {
    await runtime.close();
    const message = error instanceof Error ? error.message : String(error);
    throw new Failure(
      EXIT.failed,
      message,
      'take another port (--port 0 picks a free one) or another --host',
      error,
    );
  }
}

/** Writes the token that was made; however this process ends, a second Ctrl-C included, its file goes with it. */
export function keepToken(path: string, secret: string): string {
  try {
    writeTokenFile(path, secret);
  } catch (error) {
    throw new Failure(
      EXIT.failed,
      `the token cannot be kept: ${error instanceof Error ? error.message : String(error)}`,
      'give one instead (ARCP_TOKEN or --token-file), or name a folder of yours in XDG_STATE_HOME',
      error,
    );
  }
  process.once('exit', () => removeTokenFile(path, secret));
  return path;
}
