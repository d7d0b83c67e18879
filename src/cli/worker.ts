/** `arcp worker`: runs agents here for a runtime elsewhere, until it is told to stop. */
import { InvalidArgumentError, type Command } from 'commander';
import type { Agent } from '../agents/agent.js';
import { host, type ConnectionChange, type Host, type JobChange } from '../host/index.js';
import { ArcpError } from '../protocol/index.js';
import { loadAgents } from './agent-modules.js';
import { connecting, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { describe, Failure } from './failure.js';
import { asIs, collect, parseDuration } from './options.js';
import { StopSignals } from './serving/stop-signals.js';
import { printable } from './text.js';

interface WorkerOptions extends ConnectionOptions {
  readonly agents: readonly string[];
  readonly maxJobs?: number;
  readonly drain: number;
}

export function addWorker(program: Command, exit: (code: ExitCode) => void): void {
  const command = program
    .command('worker')
    .description('run agents here for a runtime elsewhere, one that lets this principal host')
    .requiredOption(
      '--agents <module>',
      'a .js or .mjs module that exports agents; may be repeated',
      collect(asIs),
    )
    .option('--max-jobs <count>', 'jobs of each agent at once; default what the runtime takes', parseCount)
    .option('--drain <duration>', 'how long running jobs may go on after Ctrl-C', parseDuration, 30_000);
  withConnectionOptions(command).action(async (options: WorkerOptions) => {
    exit(await work(options));
  });
}

function parseCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count === 0) throw new InvalidArgumentError('expected a number from 1');
  return count;
}

async function work(options: WorkerOptions): Promise<ExitCode> {
  const stop = new StopSignals();
  const agents: Agent[] = [];
  for (const module of options.agents) agents.push(...(await loadAgents(module)));
  const starting = new AbortController();
  void stop.first.then(() => {
    starting.abort(new Error('interrupted'));
  });
  const { maxJobs } = options;
  const more = maxJobs === undefined ? {} : { maxJobs };
  const worker = await connecting(options, { signal: starting.signal }, (url, settings) =>
    host(url, { ...settings, ...more, agents, onJob: tellJob, onConnection: tellConnection }).catch(
      (error: unknown) => {
        if (error instanceof ArcpError && error.code === 'PERMISSION_DENIED') throw mayNotHost(error);
        throw error;
      },
    ),
  );
  tellHosted(worker, options.url);
  const end = await Promise.race([stop.first, worker.closed]);
  if (end !== undefined)
    throw new Failure(
      EXIT.notConnected,
      `the runtime is lost: ${describe(end)}`,
      'start this worker again',
      end,
    );
  if (worker.jobs > 0) say(`draining: ${worker.jobs} jobs may end; Ctrl-C stops at once`);
  await worker.close({ reason: 'the worker was stopped', drainMs: options.drain });
  say('stopped');
  return EXIT.completed;
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
