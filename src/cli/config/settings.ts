/** From what a config file says to what `arcp serve` does. */
import { resolve } from 'node:path';
import { GATEWAY_KEY, type ServeSettings } from '../serving/settings.js';
import type { Config } from './schema.js';

/** The settings that the file says something about. */
export function settingsOf(config: Config, folder: string): Partial<ServeSettings> {
  const { host, port, conformance, store, durability, anonymous, drain, limits } = config;
  const tokens = config.tokens ?? [];
  const given = {
    ...{ host, port, conformance, store, durability, anonymous, drain, limits },
    agents: config.agents?.map(({ module }) => resolve(folder, module)),
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
    origins: config.origins,
    schedules: config.schedules,
    logLevel: config.log,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** The command line wins over the file, and the file over the defaults; what both list is taken together. */
export function mergeSettings(
  defaults: ServeSettings,
  file: Partial<ServeSettings>,
  given: Partial<ServeSettings>,
): ServeSettings {
  const { agents = [], tokenFiles = [], trust = [], hosts = [], origins = [] } = file;
  return {
    ...defaults,
    ...file,
    ...given,
    agents: [...agents, ...(given.agents ?? [])],
    tokenFiles: [...tokenFiles, ...(given.tokenFiles ?? [])],
    // Of two levels for one principal the later one counts.
    trust: [...trust, ...(given.trust ?? [])],
    hosts: [...hosts, ...(given.hosts ?? [])],
    origins: [...origins, ...(given.origins ?? [])],
  };
}
