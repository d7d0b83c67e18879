/** `arcp serve`: hosts agents until it is told to stop. */
import { Option, type Command } from 'commander';
import { resolve } from 'node:path';
import {
  anonymous,
  bearerTokens,
  createRuntime,
  liteLlm,
  listen,
  memoryStore,
  sqliteStore,
  type Agent,
  type Authenticator,
  type BearerToken,
  type CredentialProvisioner,
  type Runtime,
  type Server,
  type Store,
} from '../index.js';
import { TRUST_LEVELS } from '../protocol/index.js';
import { conformanceAgents } from '../conformance/agents/index.js';
import { loadAgents } from './agent-modules.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { Failure } from './failure.js';
import { createLogger, LOG_LEVELS, type LogLevelName } from './logging.js';
import {
  asIs,
  collect,
  parseDuration,
  parseHttpUrl,
  parseOrigin,
  parsePort,
  parseTrust,
  type PrincipalTrust,
} from './options.js';
import { TokenFiles } from './token-files.js';
import {
  DEFAULT_PRINCIPAL,
  newSecret,
  parseToken,
  readTokenFile,
  readTokens,
  removeTokenFile,
  statePath,
  writeTokenFile,
  type Token,
} from './tokens.js';

interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly agents?: readonly string[];
  readonly conformance?: true;
  readonly store: 'memory' | 'sqlite';
  readonly data: string;
  readonly durability: 'full' | 'normal';
  readonly token?: readonly Token[];
  readonly tokenFile?: readonly string[];
  readonly anonymous?: true;
  readonly credentialGateway?: string;
  readonly trust?: readonly PrincipalTrust[];
  readonly allowOrigin?: readonly string[];
  readonly drain: number;
  readonly logLevel: LogLevelName;
  readonly json?: true;
}

export function addServe(program: Command, exit: (code: ExitCode) => void): void {
  program
    .command('serve')
    .description('host agents')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 picks a free one', parsePort, 7777)
    .option('--agents <module>', 'a .js or .mjs module that exports agents; may be repeated', collect(asIs))
    .option('--conformance', 'host the conformance agents too')
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
    .action(async (options: ServeOptions) => {
      exit(await serve(options));
    });
}

async function serve(options: ServeOptions): Promise<ExitCode> {
  const color = (process.env['NO_COLOR'] ?? '') === '';
  const logger = createLogger(options.logLevel, process.stderr.isTTY, color);
  const agents = await hostedAgents(options);
  const files = new TokenFiles(options.tokenFile ?? []);
  const given = givenTokens(options, readTokenFile);
  const made = given.length === 0 && options.anonymous !== true ? newSecret() : undefined;
  const tokens = made === undefined ? given : [{ secret: made, principal: DEFAULT_PRINCIPAL }];

  const stop = new StopSignals();
  const trust = trustOf(tokens, options);
  const bearer = bearerTokens(withTrust(tokens, trust));
  const runtime = createRuntime({
    agents,
    store: openStore(options),
    authenticators: authenticators(tokens.length === 0 ? [] : [bearer], trust, options),
    ...(options.credentialGateway === undefined ? {} : { credentials: gateway(options.credentialGateway) }),
    logger,
  });
  const server = await bind(runtime, options);
  const tokenFile = made === undefined ? undefined : keepToken(statePath(server.port, process.env), made);
  announce(server, tokenFile, options);
  warn(options, agents.length);
  files.follow(() => {
    try {
      const read = givenTokens(options, readTokens);
      bearer.set(withTrust(read, trust));
      logger.info({ tokens: read.length }, 'the token files were read again');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.error({ reason }, 'the token files cannot be read: the tokens from before count');
    }
    runtime.recheck();
  });
  await stop.first;
  files.stop();
  tell(
    options,
    { event: 'draining', deadline_ms: options.drain },
    'draining: running jobs may end; Ctrl-C stops at once',
  );
  await server.drain(options.drain);
  tell(options, { event: 'stopped' }, 'stopped');
  return EXIT.completed;
}

/** The master key is never an argument: those are in sight of every user of this machine. */
function gateway(url: string): CredentialProvisioner {
  const masterKey = process.env['ARCP_GATEWAY_KEY'] ?? '';
  if (masterKey !== '') return liteLlm({ url, masterKey });
  throw new Failure(EXIT.usage, 'the gateway has no master key', 'put it into ARCP_GATEWAY_KEY');
}

function openStore({ store, data, durability }: ServeOptions): Store {
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

/** Writes the token that was made; however this process ends, a second Ctrl-C included, its file goes with it. */
function keepToken(path: string, secret: string): string {
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

async function hostedAgents(options: ServeOptions): Promise<Agent[]> {
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
  for (const path of options.agents ?? []) host(path, await loadAgents(path));
  if (options.conformance === true) host('--conformance', conformanceAgents());
  return agents;
}

function givenTokens(options: ServeOptions, read: (path: string) => Token[]): Token[] {
  const fromEnv = process.env['ARCP_TOKEN'] ?? '';
  const tokens = [
    ...(options.token ?? []),
    ...(options.tokenFile ?? []).flatMap((path) => read(path)),
    ...(fromEnv === '' ? [] : [{ secret: fromEnv, principal: DEFAULT_PRINCIPAL }]),
  ];
  const principals = new Map<string, string>();
  for (const { secret, principal } of tokens) {
    const other = principals.get(secret);
    if (other !== undefined && other !== principal) {
      throw new Failure(
        EXIT.usage,
        `one token stands for both ${other} and ${principal}`,
        'give each its own',
      );
    }
    principals.set(secret, principal);
  }
  return tokens;
}

type Trust = ReadonlyMap<string, PrincipalTrust[1]>;

function withTrust(tokens: readonly Token[], trust: Trust): BearerToken[] {
  return tokens.map(({ secret, principal }) => [secret, principal, trust.get(principal)]);
}

function trustOf(tokens: readonly Token[], options: ServeOptions): Trust {
  const trust = new Map(options.trust);
  const known = new Set(['anonymous', ...tokens.map(({ principal }) => principal)]);
  for (const principal of trust.keys()) {
    if (!known.has(principal)) {
      throw new Failure(
        EXIT.usage,
        `no token stands for ${principal}`,
        'name a principal of a token, or anonymous',
      );
    }
  }
  return trust;
}

function authenticators(
  bearer: readonly Authenticator[],
  trust: Trust,
  options: ServeOptions,
): Authenticator[] {
  const ofAnonymous = trust.get('anonymous');
  return [
    ...bearer,
    ...(options.anonymous === true
      ? [anonymous(ofAnonymous === undefined ? {} : { trust: ofAnonymous })]
      : []),
  ];
}

async function bind(runtime: Runtime, { host, port, allowOrigin }: ServeOptions): Promise<Server> {
  try {
    return await listen(runtime, { host, port, allowedOrigins: allowOrigin ?? [] });
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

function announce(server: Server, tokenFile: string | undefined, options: ServeOptions): void {
  const file = tokenFile === undefined ? '' : ` --token-file ${quoted(tokenFile)}`;
  tell(
    options,
    { event: 'listening', url: server.url },
    `listening on ${server.url}\n  arcp agents --url ${server.url}${file}${keptIn(options)}`,
  );
  if (tokenFile !== undefined && options.json === true) {
    process.stdout.write(`${JSON.stringify({ event: 'token', file: tokenFile })}\n`);
  }
}

/** Where to look for what survives, for people. */
function keptIn({ store, data }: ServeOptions): string {
  return store === 'sqlite' ? `\n  sessions and jobs are kept in ${data}` : '';
}

function warn(options: ServeOptions, agents: number): void {
  const warnings = [
    ...(options.token === undefined
      ? []
      : ['a token on the command line can be seen by others; use --token-file or ARCP_TOKEN']),
    ...(agents === 0 ? ['no agents are hosted; name some with --agents MODULE or --conformance'] : []),
    ...(isLoopback(options.host)
      ? []
      : [
          options.anonymous === true
            ? `anybody who can reach ${options.host} may run the agents hosted here`
            : `${options.host} is not a loopback address: tokens travel in the clear unless TLS is put in front`,
        ]),
  ];
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}

function tell(options: ServeOptions, event: Readonly<Record<string, unknown>>, text: string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(event)}\n` : `${text}\n`);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** The first signal asks for an orderly stop; any further one ends the process at once. */
class StopSignals {
  readonly first: Promise<void>;

  constructor() {
    this.first = new Promise((resolve) => {
      let asked = false;
      const ask = (): void => {
        if (asked) process.exit(EXIT.interrupted);
        asked = true;
        resolve();
      };
      process.on('SIGINT', ask);
      process.on('SIGTERM', ask);
      process.on('SIGHUP', ask);
      // Started by another program with a channel to it: when that program is gone, nobody is left to stop this one.
      if (process.channel !== undefined) process.once('disconnect', ask);
    });
  }
}
