/**
 * `arcp worker`: runs agents here for a runtime elsewhere, until it is told to stop. It dials in, or speaks to whoever
 * started it over stdin and stdout: a fleet, `ssh`, a container.
 */
import { InvalidArgumentError, type Command } from 'commander';
import type { Agent } from '../agents/agent.js';
import { systemClock } from '../clock.js';
import { commandAgent, type HandedTo } from '../fleet/commands/command-agent.js';
import { readHandover } from '../fleet/hosts/handover.js';
import { evidenceFolder } from '../fleet/scoring/evidence.js';
import { Redactor, Secret } from '../fleet/secrets/secret.js';
import { host, type ConnectionChange, type Host, type JobChange } from '../host/index.js';
import { ArcpError, isAgentName } from '../protocol/index.js';
import { loadAgents } from './agent-modules.js';
import { connecting, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { describe, Failure } from './failure.js';
import { asIs, collect, parseDuration } from './options.js';
import { ownStdio } from '../transport/own-stdio.js';
import { StopSignals } from './serving/stop-signals.js';
import { printable } from './text.js';

interface WorkerOptions extends ConnectionOptions {
  readonly agents?: readonly string[];
  readonly commands?: true;
  readonly evidence?: string;
  readonly stdio?: true;
  readonly handover?: true;
  readonly scope?: string;
  readonly maxJobs?: number;
  readonly drain: number;
}

export function addWorker(program: Command, exit: (code: ExitCode) => void): void {
  const command = program
    .command('worker')
    .description('run agents here for a runtime elsewhere, one that lets this principal host')
    .option('--agents <module>', 'a .js or .mjs module that exports agents; may be repeated', collect(asIs))
    .option('--commands', 'run the commands of fleet tasks too, as the agent `command`')
    .option('--evidence <folder>', 'where what those write is kept; default: the runtime, as artifacts')
    .option(
      '--stdio',
      'speak to whoever started this process, over stdin and stdout, and end when stdin does',
    )
    .option('--handover', 'the first line of stdin is what the fleet hands over: secrets, a token, variables')
    .option('--scope <prefix>', 'what the names of its agents begin with there', parseScope)
    .option('--max-jobs <count>', 'jobs of each agent at once; default what the runtime takes', parseCount)
    .option('--drain <duration>', 'how long running jobs may go on after Ctrl-C', parseDuration, 30_000);
  withConnectionOptions(command).action(async (options: WorkerOptions) => {
    if (options.stdio === true && command.getOptionValueSource('url') === 'cli')
      throw new Failure(EXIT.usage, '--stdio and --url are two ways to the runtime', 'give one of them');
    exit(await work(options));
  });
}

function parseScope(text: string): string {
  if (isAgentName(text)) return text;
  throw new InvalidArgumentError('expected the beginning of a name: a-z 0-9 . _ -');
}

function parseCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count === 0) throw new InvalidArgumentError('expected a number from 1');
  return count;
}

async function work(options: WorkerOptions): Promise<ExitCode> {
  const stop = new StopSignals();
  const { maxJobs, scope, stdio = false } = options;
  // Before a module is loaded, which may print.
  const stream = stdio ? ownStdio() : undefined;
  const handed = options.handover === true ? await takeHandover(process.stdin) : undefined;
  const dial = stream === undefined ? {} : { dial: () => Promise.resolve(stream), reconnect: false as const };
  const agents = await agentsOf(options, handed);
  const starting = new AbortController();
  void stop.first.then(() => {
    starting.abort(new Error('interrupted'));
  });
  const token = handed?.token === undefined ? {} : { token: handed.token };
  const more = {
    ...token,
    ...(maxJobs === undefined ? {} : { maxJobs }),
    ...(scope === undefined ? {} : { scope }),
  };
  const url = stdio ? STDIO : options.url;
  const worker = await connecting({ ...options, url }, { signal: starting.signal }, (_, settings) =>
    host(url, {
      ...settings,
      ...more,
      ...dial,
      agents,
      onJob: tellJob,
      onConnection: tellConnection,
    }).catch((error: unknown) => {
      if (error instanceof ArcpError && error.code === 'PERMISSION_DENIED') throw mayNotHost(error);
      throw error;
    }),
  );
  tellHosted(worker, url);
  const end = await Promise.race([stop.first, worker.closed]);
  if (end !== undefined) {
    // What still runs here is stopped.
    await worker.close({ drainMs: 0 });
    if (stdio) say('stdin has ended: stopped');
    else throw lost(end);
    return EXIT.completed;
  }
  if (worker.jobs > 0) say(`draining: ${worker.jobs} jobs may end; Ctrl-C stops at once`);
  await worker.close({ reason: 'the worker was stopped', drainMs: options.drain });
  say('stopped');
  return EXIT.completed;
}

/** What whoever started this process is called. */
const STDIO = 'stdio:';

async function agentsOf(
  { agents: modules = [], commands, evidence }: WorkerOptions,
  handed: Handed | undefined,
): Promise<Agent[]> {
  const agents: Agent[] = [];
  for (const module of modules) agents.push(...(await loadAgents(module)));
  if (commands === true) {
    const kept = evidence === undefined ? undefined : evidenceFolder(evidence);
    const env = handed?.env ?? process.env;
    agents.push(commandAgent({ clock: systemClock, env, evidence: kept, handed: handed?.to }));
  }
  if (agents.length > 0) return agents;
  throw new Failure(EXIT.usage, 'there are no agents to run', 'give --agents MODULE, or --commands');
}

interface Handed {
  readonly token: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly to: HandedTo;
}

async function takeHandover(stdin: NodeJS.ReadStream): Promise<Handed> {
  const { run, token, secrets, env } = await readHandover(stdin);
  const redactor = new Redactor();
  const known = Object.entries(secrets).map(
    ([key, value]) => [key, redactor.add(new Secret({ key }, value))] as const,
  );
  return { token, env, to: { run, secrets: new Map(known), redactor } };
}

function lost(end: ArcpError): Failure {
  return new Failure(
    EXIT.notConnected,
    `the runtime is lost: ${describe(end)}`,
    'start this worker again',
    end,
  );
}

function mayNotHost(error: ArcpError): Failure {
  const next = 'start the runtime with --host-principal and the principal of this token';
  return new Failure(EXIT.notConnected, describe(error), next, error);
}

function tellHosted({ hosted, refused }: Host, url: string): void {
  say(`hosting ${hosted.join(', ')} at ${url}`);
  for (const { agent, code, message } of refused)
    say(`not hosted: ${printable(agent)}: ${printable(code)}: ${printable(message)}`);
}

function tellJob({ jobId, agent, attempt, state, error }: JobChange): void {
  const again = attempt > 1 ? `, attempt ${attempt}` : '';
  const why = error === undefined || state === 'cancelled' ? '' : `  ${describe(error)}`;
  say(`${printable(jobId)} ${printable(agent)}  ${state}${again}${why}`);
}

function tellConnection(change: ConnectionChange): void {
  if (change.state === 'waiting')
    say(`connection lost: ${describe(change.error)}; next attempt in ${Math.round(change.delayMs)} ms`);
  else if (change.state === 'open') say(change.resumed ? 'resumed' : 'connected again, as another session');
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
