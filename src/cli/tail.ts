/** `arcp tail`: shows a job that was started elsewhere, and what it delegates, until it ends. */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { WatchedJob } from '../client/index.js';
import { ArcpError, type JobState } from '../protocol/index.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { describe, Failure, refusal } from './failure.js';
import { Interruption } from './interruption.js';
import { parseSequence } from './options.js';
import { Prompter, terminalReader } from './prompter.js';
import { createReporter } from './reporter.js';

interface TailOptions extends ConnectionOptions {
  readonly from?: number;
  readonly verbose?: true;
  readonly json?: true;
}

export function addTail(program: Command, exit: (code: ExitCode) => void): void {
  const command = program
    .command('tail')
    .description('show a job of yours, and what it delegates, until it ends; Ctrl-C leaves it running')
    .argument('<job>', 'the id of the job, job_…')
    .option('--from <seq>', 'begin after this event_seq, as `arcp jobs` shows it', parseSequence)
    .option('--verbose', 'show what its streams of text and thoughts say')
    .option('--json', 'print every envelope, one a line');
  withConnectionOptions(command).action(async (job: string, options: TailOptions) => {
    exit(await tail(job, options));
  });
}

async function tail(jobId: string, options: TailOptions): Promise<ExitCode> {
  const { signal } = new Interruption();
  const client = await connectTo(options, { signal });
  try {
    const job = await client.watch(jobId, options.from === undefined ? {} : { fromEventSeq: options.from });
    signal.addEventListener('abort', () => {
      job.stop();
    });
    const state = await show(job, options, signal);
    if (signal.aborted) return EXIT.interrupted;
    return state === 'completed' ? EXIT.completed : EXIT.failed;
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    if (LOSSES.has(error.code)) {
      const message = `${jobId} can no longer be followed: ${describe(error)}`;
      throw new Failure(EXIT.notConnected, message, `go on with \`arcp tail ${jobId}\``, error);
    }
    throw refusal(error);
  } finally {
    await client.close();
  }
}

const TERMINAL: ReadonlyMap<string, JobState> = new Map<string, JobState>([
  ['job.completed', 'completed'],
  ['job.failed', 'failed'],
  ['job.cancelled', 'cancelled'],
]);

const LOSSES: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESUME_WINDOW_EXPIRED']);

/** Shows what comes; the state that the job is in then. */
async function show(job: WatchedJob, options: TailOptions, signal: AbortSignal): Promise<JobState> {
  const json = options.json === true;
  const { agent, current_status } = job.subscribed;
  let state = current_status;
  const reporter = createReporter(job.id, process.stderr, process.env, options.verbose);
  reporter.join(agent, current_status);
  const prompter = new Prompter(job, reporter, json ? undefined : terminalReader(), signal);
  try {
    for await (const event of job.tree()) {
      if (json && !process.stdout.write(`${JSON.stringify(event)}\n`)) await once(process.stdout, 'drain');
      reporter.event(event);
      if (event.job_id === job.id) state = TERMINAL.get(event.type) ?? state;
    }
    return state;
  } finally {
    prompter.end();
    reporter.end();
  }
}
