/** `arcp fleet run`: runs the tasks of a file, here or in a runtime elsewhere, and shows how they do. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import type { Client, Job, WatchedJob } from '../../client/index.js';
import { CONTROL_AGENT } from '../../fleet/manager/control-agent.js';
import { RUN_AGENT } from '../../fleet/manager/run-agent.js';
import type { FleetSpec } from '../../fleet/spec/document.js';
import { FLEET_TRUST_LEVELS } from '../../protocol/fleet/index.js';
import { ArcpError } from '../../protocol/index.js';
import { connectTo, type ConnectionOptions } from '../connection.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { describe, Failure, refusal } from '../failure.js';
import { Interruption } from '../interruption.js';
import { asIs, collect } from '../options.js';
import { howToAnswer, Prompter, terminalReader } from '../prompter.js';
import { isLive, type Screen } from '../reporter.js';
import { tell } from '../said.js';
import { embedded, type Embedded } from './embedded.js';
import { receiptsTable } from './lines.js';
import { reaching, shownBy, tasksOf, telling, withFleetOptions, type FleetOptions } from './reach.js';
import { LiveRunReporter, PlainRunReporter, statusLine, type RunReporter } from './run-reporter.js';
import { RunWatch } from './run-watch.js';
import { argumentsFor, specIn } from './spec.js';

interface RunOptions extends FleetOptions {
  readonly agents?: readonly string[];
  readonly agent?: string;
  readonly verifier?: string;
  readonly workers?: number;
  readonly maxRunning?: number;
  readonly trust?: string;
  readonly detach?: true;
}

export function addRun(fleet: Command, exit: (code: ExitCode) => void): void {
  const command = fleet
    .command('run')
    .description(
      'run the tasks of a file: at --url, or in this process, so that --data has what it takes to resume',
    )
    .argument('<file>', 'tasks in JSON, or by its ending in TOML or YAML')
    .option(
      '--agents <module>',
      'without --url: a module that exports agents; may be repeated',
      collect(asIs),
    )
    .option('--agent <agent>', 'does the tasks that name none; default: command')
    .option('--verifier <agent>', 'judges where a scorer is a prompt')
    .option('--workers <count>', 'local workers, where the file has none', parseCount)
    .option('--max-running <count>', 'tasks at once', parseCount)
    .option(
      '--trust <level>',
      `how far those workers are trusted: ${FLEET_TRUST_LEVELS.join(', ')}`,
      parseTrust,
    )
    .option('--detach', 'with --url: print the id of the run and leave it to itself');
  withFleetOptions(command).action(async (file: string, options: RunOptions) => {
    if (options.detach === true && options.url === undefined) {
      throw new InvalidArgumentError('--detach leaves a run to a runtime: name one with --url');
    }
    if (options.url !== undefined && options.agents !== undefined) {
      throw new InvalidArgumentError('--agents is for runs in this process, not for those at --url');
    }
    const spec = await specIn(file);
    exit(await inRuntime(options, (client, where) => start(client, spec, options, where)));
  });
}

export function addResume(fleet: Command, exit: (code: ExitCode) => void): void {
  const command = fleet
    .command('resume')
    .description('go on with a run that is paused, or whose runtime has died')
    .argument('<run>', 'the id of the run, its beginning, or `latest`')
    .option('--agents <module>', 'a module that exports its agents; may be repeated', collect(asIs));
  withFleetOptions(command).action(async (run: string, options: RunOptions) => {
    exit(await resume(run, options));
  });
}

async function resume(run: string, options: RunOptions): Promise<ExitCode> {
  const [view, isLive] = await reaching(options, async ({ show, client }) => [
    await show({ show: 'run', run }),
    client !== undefined,
  ]);
  const { run_id: id, status } = view;
  if (view.completed_at !== undefined) {
    const next = `\`arcp fleet receipts ${run}\` shows how its tasks ended`;
    throw new Failure(EXIT.failed, `${id} is ${status}: there is nothing to go on with`, next);
  }
  if (isLive) {
    await telling(options, { action: 'resume', run: id });
    tell(options, { run_id: id, status: 'running' }, `${id} goes on`);
    return EXIT.completed;
  }
  return await inRuntime(options, async (client, { signal, hint }) => {
    if (status === 'paused') await resumePaused(client, id);
    const job = await client.watch(id);
    signal.addEventListener('abort', () => {
      void client.cancel(id).catch(() => undefined);
    });
    return await follow(client, job, view.tasks.total, options, { signal, hint });
  });
}

/** It is being taken up: what it says then may be tried again. */
async function resumePaused(client: Client, run: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await (await client.invoke(CONTROL_AGENT, { action: 'resume', run })).result();
      return;
    } catch (error) {
      if (
        attempt === RESUME_ATTEMPTS ||
        !(error instanceof ArcpError && error.code === 'FAILED_PRECONDITION')
      ) {
        throw error;
      }
      await delay(RESUME_DELAY_MS);
    }
  }
}

const RESUME_ATTEMPTS = 50;
const RESUME_DELAY_MS = 100;

interface Where {
  readonly signal: AbortSignal;
  /** What other commands need to find the runtime. */
  readonly hint: string;
}

/** In the runtime at `--url`, or in one of this process. */
async function inRuntime(
  options: RunOptions,
  how: (client: Client, where: Where) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { signal } = new Interruption();
  let own: Embedded | undefined;
  let client: Client | undefined;
  try {
    if (options.url === undefined) own = await embedded(options.data, options.agents ?? []);
    const at: ConnectionOptions =
      own === undefined ? { ...options, url: options.url ?? '' } : { url: own.url, tokenFile: own.tokenFile };
    client = await connectTo(at, { signal });
    const file = at.tokenFile === undefined ? '' : ` --token-file ${at.tokenFile}`;
    return await how(client, { signal, hint: ` --url ${at.url}${file}` });
  } catch (error) {
    if (signal.aborted && !(error instanceof Failure)) {
      throw new Failure(EXIT.interrupted, 'interrupted', undefined, error);
    }
    throw error;
  } finally {
    await client?.close();
    await own?.close();
  }
}

async function start(client: Client, spec: FleetSpec, options: RunOptions, where: Where): Promise<ExitCode> {
  const { agent, verifier, workers, maxRunning, trust } = options;
  const given = { agent, verifier, workers, trust, max_running: maxRunning };
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const job = await client.startWorkflow(
    RUN_AGENT,
    await argumentsFor(client, spec, known),
    options.detach === true ? {} : { signal: where.signal },
  );
  if (options.detach === true) {
    tell(options, { run_id: job.id }, '');
    return EXIT.completed;
  }
  return await follow(client, job, spec.tasks.length, options, where);
}

async function follow(
  client: Client,
  job: Job | WatchedJob,
  total: number,
  options: RunOptions,
  { signal, hint }: Where,
): Promise<ExitCode> {
  const json = options.json === true;
  const watch = new RunWatch(total);
  const reporter: RunReporter =
    isLive(process.stderr, process.env) && !json
      ? new LiveRunReporter(watch, process.stderr)
      : new PlainRunReporter(watch, json ? SILENT : process.stderr);
  reporter.say(`run ${job.id}`);
  signal.addEventListener('abort', () => {
    reporter.say(
      `stopping the run; Ctrl-C again leaves at once${options.url === undefined ? ', and `arcp fleet resume` goes on' : ''}`,
    );
  });
  const prompter = new Prompter(job, reporter, json ? undefined : terminalReader(), signal, (question) =>
    howToAnswer(question, hint),
  );
  let terminal: string | undefined;
  try {
    for await (const event of job) {
      if (json && !process.stdout.write(`${JSON.stringify(event)}\n`)) await once(process.stdout, 'drain');
      const change = watch.apply(event);
      if (change !== undefined) reporter.changed(change);
      if (['job.completed', 'job.failed', 'job.cancelled'].includes(event.type)) {
        terminal = event.type;
        if (event.type === 'job.failed') throw refusal(ArcpError.fromPayload(event.payload));
        break;
      }
    }
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    const message = `${job.id} can no longer be followed: ${describe(error)}`;
    throw new Failure(
      EXIT.notConnected,
      message,
      `\`arcp fleet status ${job.id}\` shows how it stands`,
      error,
    );
  } finally {
    prompter.end();
    reporter.end();
  }
  if (!json) await tellEnd(client, job.id, watch);
  if (signal.aborted) return EXIT.interrupted;
  return terminal === 'job.completed' && watch.status === 'completed' ? EXIT.completed : EXIT.failed;
}

/** With `--json` what there is to say is in the events. */
const SILENT: Screen = { write: () => undefined };

/** Of more tasks only their numbers are told. */
const MOST_RECEIPTS = 200;

async function tellEnd(client: Client, run: string, watch: RunWatch): Promise<void> {
  process.stderr.write(`${statusLine(watch, Date.now())}\n`);
  if (watch.total > MOST_RECEIPTS) {
    process.stderr.write(`\`arcp fleet receipts ${run}\` lists how each task ended\n`);
    return;
  }
  const ended = [];
  for await (const task of tasksOf(shownBy(client), run)) ended.push(task);
  process.stdout.write(receiptsTable(ended));
}

function parseCount(text: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 10_000) return count;
  throw new InvalidArgumentError('expected a number from 1 to 10000');
}

function parseTrust(text: string): string {
  const levels: readonly string[] = FLEET_TRUST_LEVELS;
  if (levels.includes(text)) return text;
  throw new InvalidArgumentError(`expected one of ${levels.join(', ')}`);
}
