/** `arcp conformance`: plays the scenarios of `spec-fixtures/` at a runtime, or its cases at a client, and reports. */
import { readFileSync, writeFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  DIALECTS,
  formatted,
  FORMATS,
  loadClientSuite,
  loadSuite,
  NotReached,
  Progress,
  runSuite,
  selected,
  terminalReport,
  type DialectName,
  type Format,
  type Report,
  type Suite,
  type Target,
} from '../conformance/index.js';
import { chosenCases, playedClients } from './conformance-clients.js';
import { hostOurs } from './conformance-host.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { Failure, orUsage } from './failure.js';
import { asIs, collect, parseDuration, parsePort, parseUrl } from './options.js';
import { printable } from './text.js';
import { readTokenFile } from './tokens.js';

interface ConformanceOptions {
  readonly dialect: DialectName | 'both';
  readonly only?: readonly string[];
  readonly token?: readonly RoleToken[];
  readonly tokenFile?: string;
  readonly timeout: number;
  readonly concurrency: number;
  readonly strict?: true;
  readonly known?: string;
  readonly report?: Format;
  readonly out?: string;
  readonly list?: true;
  readonly client?: true;
  readonly run?: string;
  readonly port: number;
}

type Role = 'a' | 'b';
type RoleToken = readonly [Role, string];

const DEFAULT_CONCURRENCY = 8;
const MAX_CONCURRENCY = 256;

export function addConformance(program: Command, exit: (code: ExitCode) => void): void {
  program
    .command('conformance')
    .description(
      'play the conformance scenarios at a runtime that hosts the conformance agents, or, with --client, a runtime that misbehaves for clients',
    )
    .argument('[url]', 'the runtime, of any make; without, one of ours, started for the occasion', parseUrl)
    .addOption(new Option('--dialect <name>', 'what to speak').choices([...DIALECTS, 'both']).default('both'))
    .option('--only <glob>', 'scenarios, topics or requirements; may be repeated', collect(asIs))
    .option(
      '--token-file <file>',
      'a private file of tokens, SECRET=PRINCIPAL a line: the first two principals are a and b; without, ARCP_TOKEN_A and ARCP_TOKEN_B count',
    )
    .option(
      '--token <role=secret>',
      'the token of a or of b, in sight of every user of this machine: for tests',
      collect(parseRoleToken),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long one step may take')
        .argParser(parseDuration)
        .default(5_000, '5s'),
    )
    .option('--concurrency <n>', 'scenarios at once', parseConcurrency, DEFAULT_CONCURRENCY)
    .option('--strict', 'count what is only advised, or a choice of this project, too')
    .option('--known <file>', 'known failures: {"scenario": "reason", …}; one that passes is a failure')
    .addOption(new Option('--report <format>', 'for other programs').choices(FORMATS))
    .option('--out <file>', 'where the report goes; without, to stdout')
    .option('--list', 'only list the scenarios that would be played')
    .option('--client', 'test a client: it is told what to do in PROTOCOL.md, Testing a client')
    .option('--run <command>', 'with --client: started for each case, with its address for {url}')
    .option('--port <n>', 'with --client, without --run: where clients come to', parsePort, 0)
    .action(async (url: string | undefined, options: ConformanceOptions) => {
      exit(await conformance(url, options));
    });
}

async function conformance(url: string | undefined, options: ConformanceOptions): Promise<ExitCode> {
  if (options.client !== true && options.run !== undefined)
    throw new Failure(EXIT.usage, '--run is for clients', 'add --client');
  const report = options.client === true ? await ofClients(url, options) : await ofRuntime(url, options);
  if (report === undefined) return EXIT.completed;
  const text = options.report === undefined ? terminalReport(report) : formatted(report, options.report);
  // Text of what is tested stands in it, and no terminal is to obey that.
  const safe = options.report === 'json' ? text : text.split('\n').map(printable).join('\n');
  if (options.out === undefined) process.stdout.write(safe);
  else writeReport(options.out, safe);
  return report.passed ? EXIT.completed : EXIT.failed;
}

/** Nothing where there is only a list to print. */
async function ofClients(url: string | undefined, options: ConformanceOptions): Promise<Report | undefined> {
  if (url !== undefined)
    throw new Failure(EXIT.usage, '--client is the runtime itself: it takes no URL', 'leave it out');
  const suite = loadClientSuite();
  const { only = [], run, port, timeout: timeoutMs, concurrency } = options;
  const cases = chosenCases(suite, only);
  if (options.list === true) {
    list(cases);
    return undefined;
  }
  const progress = new Progress(process.stderr);
  try {
    return await playedClients({
      only,
      run,
      port,
      timeoutMs,
      concurrency,
      strict: options.strict === true,
      known: knownIn(options, suite.cases),
      onOutcome: (outcome, done, all) => {
        progress.tell(outcome, done, all);
      },
    });
  } finally {
    progress.end();
  }
}

/** Nothing where there is only a list to print. */
async function ofRuntime(url: string | undefined, options: ConformanceOptions): Promise<Report | undefined> {
  const suite = loadSuite();
  const dialects = options.dialect === 'both' ? DIALECTS : [options.dialect];
  const chosen = selected(suite.scenarios, options.only ?? []).filter((one) =>
    dialects.includes(one.dialect),
  );
  if (chosen.length === 0)
    throw new Failure(EXIT.usage, 'no scenario is of that name', 'list all of them with --list');
  if (options.list === true) {
    list(chosen);
    return undefined;
  }
  const known = knownIn(options, suite.scenarios);
  const host = url === undefined ? await hostOurs() : undefined;
  try {
    const target: Target = {
      url: host?.url ?? url ?? '',
      tokens: host?.tokens ?? tokensOf(options),
      timeoutMs: options.timeout,
    };
    return await played(target, dialects, suite, known, options);
  } finally {
    host?.stop();
  }
}

function list(all: readonly { readonly id: string; readonly topic: string; readonly shows: string }[]): void {
  for (const { id, topic, shows } of all) process.stdout.write(`${topic}  ${id}  ${shows}\n`);
}

async function played(
  target: Target,
  dialects: readonly DialectName[],
  suite: Suite,
  known: ReadonlyMap<string, string>,
  options: ConformanceOptions,
): Promise<Report> {
  const progress = new Progress(process.stderr);
  try {
    return await runSuite({
      target,
      suite,
      dialects,
      only: options.only ?? [],
      concurrency: options.concurrency,
      strict: options.strict === true,
      known,
      onOutcome: (outcome, done, all) => {
        progress.tell(outcome, done, all);
      },
    });
  } catch (error) {
    if (!(error instanceof NotReached)) throw error;
    throw new Failure(
      EXIT.notConnected,
      `no session with ${target.url}: ${printable(error.message)}`,
      'is it running, and does it know the tokens (ARCP_TOKEN_A, ARCP_TOKEN_B, --token-file)?',
      error,
    );
  } finally {
    progress.end();
  }
}

function tokensOf({ token, tokenFile }: ConformanceOptions): Target['tokens'] {
  if (token !== undefined) {
    process.stderr.write(
      'warning: a token on the command line can be seen by others; use --token-file, or ARCP_TOKEN_A and ARCP_TOKEN_B\n',
    );
    return Object.fromEntries(token);
  }
  if (tokenFile !== undefined) {
    const first = new Map<string, string>();
    for (const { secret, principal } of readTokenFile(tokenFile)) {
      if (!first.has(principal)) first.set(principal, secret);
    }
    const [a, b] = first.values();
    return { ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) };
  }
  const { ARCP_TOKEN_A: a = '', ARCP_TOKEN_B: b = '' } = process.env;
  return { ...(a === '' ? {} : { a }), ...(b === '' ? {} : { b }) };
}

/** The value is not repeated: there may be a secret in it. */
function parseRoleToken(text: string): RoleToken {
  const match = /^([ab])=(.+)$/s.exec(text);
  if (match === null)
    throw new Failure(EXIT.usage, 'a token is for no role', 'expected a=SECRET or b=SECRET');
  return [match[1] as Role, match[2] ?? ''];
}

function parseConcurrency(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= MAX_CONCURRENCY) return number;
  throw new InvalidArgumentError(`expected a number from 1 to ${MAX_CONCURRENCY}`);
}

function knownIn(
  { known: path }: ConformanceOptions,
  all: readonly { readonly id: string }[],
): ReadonlyMap<string, string> {
  if (path === undefined) return new Map();
  const known = orUsage(() => {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      throw new Error(`${path}: expected an object of reasons by scenario`);
    return new Map(Object.entries(json).map(([id, reason]) => [id, String(reason)]));
  }, 'check the file');
  const ids = new Set(all.map(({ id }) => id));
  for (const id of known.keys()) {
    if (!ids.has(id)) throw new Failure(EXIT.usage, `${path}: there is no scenario ${id}`, 'mend the file');
  }
  return known;
}

function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.failed, `the report cannot be written: ${reason}`, 'check --out', error);
  }
}
