/** From what a config file says to what `arcp serve` does. */
import { resolve } from 'node:path';
import { parseAgentRef } from '../../protocol/index.js';
import { GATEWAY_KEY, type ServeSettings } from '../serving/settings.js';
import type { Config } from './schema.js';

/** The settings that the file says something about. */
export function settingsOf(config: Config, folder: string): Partial<ServeSettings> {
  const { host, port, conformance, fleet, store, durability, anonymous, drain, limits } = config;
  const tokens = config.tokens ?? [];
  const given = {
    ...{ host, port, conformance, fleet, store, durability, anonymous, drain, limits },
    agents: config.agents?.flatMap(({ module }) => (module === undefined ? [] : [resolve(folder, module)])),
    mcp: config.agents?.flatMap(({ mcp, command: [command, ...args] = [], env }) =>
      mcp === undefined || command === undefined ? [] : [{ name: mcp, command, args, env, cwd: folder }],
    ),
    processes: config.agents?.flatMap(({ process, command = [] }) =>
      process === undefined ? [] : [{ ...pinned(process), command }],
    ),
    trustedProcesses: config.agents?.flatMap(({ process, trusted }) =>
      process !== undefined && trusted === true ? [process] : [],
    ),
    pool: config.process?.pool,
    processReads: config.process?.reads?.map((path) => resolve(folder, path)),
    processEnv: config.process?.env,
    data: config.data === undefined ? undefined : resolve(folder, config.data),
    envTokens: tokens.flatMap(({ env, principal }) =>
      env === undefined || principal === undefined ? [] : [{ env, principal }],
    ),
    tokenFiles: tokens.flatMap(({ file }) => (file === undefined ? [] : [resolve(folder, file)])),
    gateway:
      config.credentials === undefined
        ? undefined
        : { url: config.credentials.gateway, keyEnv: config.credentials.env ?? GATEWAY_KEY },
    trust: config.trust === undefined ? undefined : Object.entries(config.trust),
    hosts: config.hosts,
    handoffs: config.handoffs,
    origins: config.origins,
    schedules: config.schedules,
    logLevel: config.log,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function pinned(ref: string): { name: string; version: string } {
  const { name, version = '' } = parseAgentRef(ref);
  return { name, version };
}

/** The command line wins over the file, and the file over the defaults; what both list is taken together. */
export function mergeSettings(
  defaults: ServeSettings,
  file: Partial<ServeSettings>,
  given: Partial<ServeSettings>,
): ServeSettings {
  const both = <Item>(list: (settings: Partial<ServeSettings>) => readonly Item[] | undefined): Item[] => [
    ...(list(file) ?? []),
    ...(list(given) ?? []),
  ];
  return {
    ...defaults,
    ...file,
    ...given,
    agents: both(({ agents }) => agents),
    mcp: both(({ mcp }) => mcp),
    processes: both(({ processes }) => processes),
    processReads: both(({ processReads }) => processReads),
    processEnv: both(({ processEnv }) => processEnv),
    trustedProcesses: both(({ trustedProcesses }) => trustedProcesses),
    tokenFiles: both(({ tokenFiles }) => tokenFiles),
    // Of two levels for one principal the later one counts.
    trust: both(({ trust }) => trust),
    hosts: both(({ hosts }) => hosts),
    handoffs: both(({ handoffs }) => handoffs),
    origins: both(({ origins }) => origins),
  };
}
