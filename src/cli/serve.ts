/** `arcp serve`: hosts agents until it is told to stop. */
import { dirname, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Fleet } from '../host-fleet.js';
import { createRuntime, type Runtime, type Store } from '../index.js';
import { TRUST_LEVELS } from '../protocol/index.js';
import type { McpCommand } from '../mcp/connection.js';
import { mistaken } from './config.js';
import { findConfig, loadConfig } from './config/load.js';
import { mergeSettings, settingsOf } from './config/settings.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { fleetFolder, keepEndpoint } from './fleet/endpoint.js';
import { createLogger, LOG_LEVELS, type LogLevelName } from './logging.js';
import {
  asIs,
  collect,
  parseDuration,
  parseHandoffTarget,
  parseHttpUrl,
  parseMcp,
  parseOrigin,
  parsePort,
  parseCount,
  parseProcess,
  parseTrust,
} from './options.js';
import { problemLine } from './problem-lines.js';
import { accessOf } from './serving/access.js';
import { announce, tell, warn } from './serving/announce.js';
import {
  bind,
  handoffTargets,
  hostedAgents,
  keepToken,
  mcpServers,
  openStore,
  provisioner,
} from './serving/host.js';
import { keepSchedules } from './serving/schedules.js';
import {
  DEFAULT_SETTINGS,
  type HandoffTarget,
  GATEWAY_KEY,
  type PrincipalTrust,
  type ProcessSetting,
  type ServeSettings,
} from './serving/settings.js';
import { StopSignals } from './serving/stop-signals.js';
import { printable } from './text.js';
import { TokenFiles } from './token-files.js';
import { parseToken, statePath, type Token } from './tokens.js';

interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly agents?: readonly string[];
  readonly agent?: readonly ProcessSetting[];
  readonly pool: number;
  readonly agentRead?: readonly string[];
  readonly agentEnv?: readonly string[];
  readonly trustAgent?: readonly string[];
  readonly mcp?: readonly McpCommand[];
  readonly conformance?: true;
  readonly fleet?: true;
  readonly store: 'memory' | 'sqlite';
  readonly data: string;
  readonly durability: 'full' | 'normal';
  readonly token?: readonly Token[];
  readonly tokenFile?: readonly string[];
  readonly anonymous?: true;
  readonly credentialGateway?: string;
  readonly trust?: readonly PrincipalTrust[];
  readonly handoffTarget?: readonly HandoffTarget[];
  readonly hostPrincipal?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly drain: number;
  readonly logLevel: LogLevelName;
  readonly json?: true;
  /** `false` by `--no-config`. */
  readonly config?: string | boolean;
}

export function addServe(program: Command, exit: (code: ExitCode) => void): void {
  program
    .command('serve')
    .description('host agents')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 picks a free one', parsePort, 7777)
    .option('--agents <module>', 'a .js or .mjs module that exports agents; may be repeated', collect(asIs))
    .option(
      '--agent <name@version=command>',
      'an agent that is a process, in any language; may be repeated. No shell reads the command',
      collect(parseProcess),
    )
    .option('--pool <count>', 'how many processes of each may wait for another job', parseCount, 0)
    .option('--agent-read <path>', 'what those processes may read beside; may be repeated', collect(asIs))
    .option(
      '--agent-env <name>',
      'an environment variable that they are given; may be repeated',
      collect(asIs),
    )
    .option(
      '--trust-agent <name@version>',
      'let jobs of this one do everything where they have no lease; may be repeated',
      collect(asIs),
    )
    .option(
      '--mcp <name=command>',
      'an MCP server (stdio) whose tools are hosted as agents name.tool; may be repeated',
      collect(parseMcp),
    )
    .option('--conformance', 'host the conformance agents too')
    .option('--fleet', 'run fleets (arcp fleet run --url): whoever may start jobs may run commands here then')
    .addOption(
      new Option('--store <store>', 'where sessions and jobs are kept: memory forgets them at exit')
        .choices(['sqlite', 'memory'])
        .default('sqlite'),
    )
    .option('--data <folder>', 'the data folder of --store sqlite', '.arcp')
    .addOption(
      new Option(
        '--durability <level>',
        'of --store sqlite: normal may lose the last moments when the power fails',
      )
        .choices(['full', 'normal'])
        .default('full'),
    )
    .option(
      '--token-file <file>',
      'a private file of tokens, SECRET=PRINCIPAL a line; may be repeated',
      collect(asIs),
    )
    .option(
      '--token <secret=principal>',
      'a token, in sight of every user of this machine: for tests',
      collect(parseToken),
    )
    .option('--anonymous', 'let anybody in who can reach the port')
    .option(
      '--credential-gateway <url>',
      'give each job with a lease a key of this LiteLLM gateway; its master key is taken from ARCP_GATEWAY_KEY',
      parseHttpUrl,
    )
    .option(
      '--trust <principal=level>',
      `how far a principal (anonymous, for those) is trusted: ${TRUST_LEVELS.join(', ')}; may be repeated`,
      collect(parseTrust),
    )
    .option(
      '--handoff-target <name=url,fingerprint>',
      'a runtime that jobs may be handed over to; its token is taken from ARCP_HANDOFF_TOKEN_NAME; may be repeated',
      collect(parseHandoffTarget),
    )
    .option(
      '--host-principal <principal>',
      'let sessions of this principal host agents (arcp worker); may be repeated',
      collect(asIs),
    )
    .option(
      '--allow-origin <origin>',
      'let web pages of this origin in; may be repeated',
      collect(parseOrigin),
    )
    .addOption(
      new Option('--drain <duration>', 'time that running jobs get when it is told to stop')
        .argParser(parseDuration)
        .default(30_000, '30s'),
    )
    .addOption(
      new Option('--log-level <level>', 'how much goes to stderr').choices(LOG_LEVELS).default('info'),
    )
    .option('--json', 'tell what happens to the listener as JSON lines on stdout')
    .option('--config <file>', 'what else to do; default: the arcp.config.json, .js or .mjs of this folder')
    .option('--no-config', 'look for no config file')
    .action(async (options: ServeOptions, command: Command) => {
      exit(await serve(await settingsFrom(options, command)));
    });
}

/** What the command line says wins over the config file, and that over the defaults. */
async function settingsFrom(options: ServeOptions, command: Command): Promise<ServeSettings> {
  const { config } = options;
  const file = config === false ? undefined : typeof config === 'string' ? config : findConfig('.');
  const given = givenSettings(options, (name) => command.getOptionValueSource(name) !== 'default');
  return mergeSettings(DEFAULT_SETTINGS, file === undefined ? {} : await fileSettings(file), given);
}

async function fileSettings(file: string): Promise<Partial<ServeSettings>> {
  const { config, problems } = await loadConfig(file, process.env);
  for (const problem of problems) process.stderr.write(`${printable(problemLine(file, problem))}\n`);
  if (config === undefined) throw mistaken(file);
  return settingsOf(config, dirname(resolve(file)));
}

function givenSettings(
  options: ServeOptions,
  isGiven: (name: keyof ServeOptions) => boolean,
): Partial<ServeSettings> {
  const { credentialGateway: url } = options;
  const plain = (
    ['host', 'port', 'pool', 'store', 'data', 'durability', 'drain', 'logLevel'] as const
  ).filter(isGiven);
  return {
    ...Object.fromEntries(plain.map((name) => [name, options[name]])),
    ...(options.conformance === true ? { conformance: true } : {}),
    ...(options.fleet === true ? { fleet: true } : {}),
    ...(options.anonymous === true ? { anonymous: true } : {}),
    ...(url === undefined ? {} : { gateway: { url, keyEnv: GATEWAY_KEY } }),
    agents: options.agents ?? [],
    processes: options.agent ?? [],
    processReads: options.agentRead ?? [],
    processEnv: options.agentEnv ?? [],
    trustedProcesses: options.trustAgent ?? [],
    mcp: options.mcp ?? [],
    tokens: options.token ?? [],
    tokenFiles: options.tokenFile ?? [],
    trust: options.trust ?? [],
    handoffs: options.handoffTarget ?? [],
    hosts: options.hostPrincipal ?? [],
    origins: options.allowOrigin ?? [],
    json: options.json === true,
  };
}

async function serve(settings: ServeSettings): Promise<ExitCode> {
  const { env } = process;
  const logger = createLogger(settings.logLevel, process.stderr.isTTY, (env['NO_COLOR'] ?? '') === '');
  const agents = await hostedAgents(settings);
  const files = new TokenFiles(settings.tokenFiles);
  const access = accessOf(settings, env);
  const stop = new StopSignals();
  const credentials = provisioner(settings, env);
  const store = openStore(settings);
  const runtime = createRuntime({
    agents,
    store,
    authenticators: access.authenticators,
    ...(credentials === undefined ? {} : { credentials }),
    handoff: handoffTargets(settings, env),
    limits: settings.limits,
    hosts: settings.hosts,
    logger,
  });
  const servers = await closedOnFailure(runtime, () => mcpServers(settings, runtime, logger));
  await closedOnFailure(runtime, () => keepSchedules(runtime, settings, access));
  const fleet = settings.fleet
    ? await closedOnFailure(runtime, () => fleetOf(runtime, store, settings))
    : undefined;
  const server = await bind(runtime, settings);
  const { made } = access;
  const tokenFile = made === undefined ? undefined : keepToken(statePath(server.port, env), made);
  if (fleet !== undefined) keepEndpoint(settings.data, endpointOf(server.url, tokenFile));
  announce(server, runtime.fingerprint, tokenFile, settings);
  warn(settings, runtime.inventory().length);
  files.follow(() => {
    try {
      logger.info({ tokens: access.refresh() }, 'the token files were read again');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.error({ reason }, 'the token files cannot be read: the tokens from before count');
    }
    runtime.recheck();
  });
  await stop.first;
  files.stop();
  tell(
    settings,
    { event: 'draining', deadline_ms: settings.drain },
    'draining: running jobs may end; Ctrl-C stops at once',
  );
  await server.drain(settings.drain);
  await fleet?.close();
  await Promise.all(servers.map((one) => one.close()));
  tell(settings, { event: 'stopped' }, 'stopped');
  return EXIT.completed;
}

/** Its folder is there also where the store is in memory: tasks have folders of their own. */
async function fleetOf(runtime: Runtime, store: Store, { data }: ServeSettings): Promise<Fleet> {
  const { hostFleet } = await import('../host-fleet.js');
  return await hostFleet(runtime, { store, folder: fleetFolder(data) });
}

function endpointOf(url: string, tokenFile: string | undefined) {
  return { url, ...(tokenFile === undefined ? {} : { token_file: tokenFile }) };
}

async function closedOnFailure<T>(runtime: Runtime, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    await runtime.close();
    throw error;
  }
}
