/** `arcp invoke`: starts a job, shows it and what it delegates while they run, and takes its result. */
import { once } from 'node:events';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Client, Job, JobEvent, TerminalEvent } from '../client/index.js';
import { ArcpError } from '../protocol/index.js';
import { takeArtifact } from './artifact.js';
import { connectTo, withConnectionOptions, type ConnectionOptions } from './connection.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { describe, Failure, refusal } from './failure.js';
import { Interruption } from './interruption.js';
import { feed, FEED_KINDS, openFeed, type Fed, type Feed, type FeedKind } from './job-feed.js';
import {
  authorityOf,
  parseExpiry,
  withAuthorityOptions,
  type AuthorityOptions,
} from './authority-options.js';
import { collect, mergeArguments, parseArgument, parseJson } from './options.js';
import { Prompter, terminalReader } from './prompter.js';
import { RefusalTap } from './refusal-tap.js';
import { createReporter, type Reporter } from './reporter.js';
import { FileOutput, NO_OUTPUT, StreamOutput, type ResultOutput } from './result-output.js';

interface InvokeOptions extends ConnectionOptions, AuthorityOptions {
  readonly arg?: readonly (readonly [string, unknown])[];
  readonly args?: { readonly value: unknown };
  readonly workflow?: true;
  readonly input?: string;
  readonly inputKind?: FeedKind;
  readonly out?: string;
  readonly idempotencyKey?: string;
  readonly detach?: true;
  readonly verbose?: true;
  readonly json?: true;
}

export function addInvoke(program: Command, exit: (code: ExitCode) => void): void {
  const command = program
    .command('invoke')
    .description('start a job, watch it, take its result')
    .argument('<agent>', 'name or name@version')
    .option('--arg <name=value>', 'one argument; the value is JSON, or else text', collect(parseArgument))
    .option('--args <json>', 'all arguments', parseJson)
    .option('--expires <time>', 'when its lease ends: a duration such as 10m, or an instant', parseExpiry)
    .option('--workflow', 'start it as a workflow: what is none is refused')
    .option('--input <file>', 'stream a file into the job, for agents that take input; - is stdin')
    .addOption(
      new Option('--input-kind <kind>', 'what it is: text (UTF-8), the default, or binary').choices(
        FEED_KINDS,
      ),
    )
    .option('--out <file>', 'where the result goes instead of stdout')
    .option('--idempotency-key <key>', 'repeating the same key within 24 h gets the same job')
    .option('--detach', 'print the id of the job and leave it to itself')
    .option('--verbose', 'show what streams of text and thoughts say, of the job and of what it delegates')
    .option('--json', 'print every envelope of the job and of what it delegates, one a line');
  withConnectionOptions(withAuthorityOptions(command)).action(
    async (agent: string, options: InvokeOptions) => {
      exit(await invoke(agent, options));
    },
  );
}

async function invoke(agent: string, options: InvokeOptions): Promise<ExitCode> {
  if (options.detach === true && options.out !== undefined) {
    throw new InvalidArgumentError('--detach does not wait for a result: it cannot go with --out');
  }
  refuseInputWith(options);
  const args = mergeArguments(options.args?.value, options.arg ?? []);
  const asked = authorityOf(options, Date.now());
  const { input, inputKind = 'text' } = options;
  const source = input === undefined ? undefined : await openFeed(input, inputKind);
  try {
    const file = options.out === undefined ? undefined : await FileOutput.open(options.out);
    try {
      return await start(agent, args, { ...options, asked }, { file, source });
    } catch (error) {
      await file?.abandon();
      throw error;
    }
  } finally {
    source?.bytes.destroy();
  }
}

/** Whoever streams has to stay, and a job that was there before has had its input. */
function refuseInputWith({ input, inputKind, detach, idempotencyKey }: InvokeOptions): void {
  if (input === undefined && inputKind !== undefined)
    throw new InvalidArgumentError('--input-kind says what --input is: it cannot go without');
  if (input === undefined) return;
  if (detach === true)
    throw new InvalidArgumentError('--detach leaves the job to itself: it cannot go with --input');
  if (idempotencyKey !== undefined)
    throw new InvalidArgumentError(
      'a job that --idempotency-key gets again would be given its input again: it cannot go with --input',
    );
}

/** What goes into the job beside its arguments, and where its result goes. */
interface Ends {
  readonly file: FileOutput | undefined;
  readonly source: Feed | undefined;
}

async function start(
  agent: string,
  args: unknown,
  options: InvokeOptions & { readonly asked: ReturnType<typeof authorityOf> },
  ends: Ends,
): Promise<ExitCode> {
  const interruption = new Interruption();
  const { signal } = interruption;
  const tap = options.json === true ? new RefusalTap() : undefined;
  let client: Client | undefined;
  try {
    client = await connectTo(options, { signal, ...(tap === undefined ? {} : { dial: tap.dial }) });
    const asked = {
      signal,
      ...options.asked,
      ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
    };
    const job = await (options.workflow === true
      ? client.startWorkflow(agent, args, asked)
      : client.invoke(agent, args, asked));
    tap?.close();
    if (options.detach === true) {
      await detach(job, options.json === true);
      return EXIT.completed;
    }
    const { json = false, verbose = false } = options;
    return await follow(client, job, { ...ends, json, verbose, signal });
  } catch (error) {
    if (tap?.refusal !== undefined) process.stdout.write(`${tap.refusal}\n`);
    if (signal.aborted) throw new Failure(EXIT.interrupted, 'interrupted', undefined, error);
    if (error instanceof ArcpError && isLoss(error)) {
      const message = `the runtime was lost before it took the job: ${describe(error)}`;
      throw new Failure(EXIT.notConnected, message, 'try again with an --idempotency-key', error);
    }
    throw error;
  } finally {
    await client?.close();
  }
}

async function detach(job: Job, json: boolean): Promise<void> {
  if (!json) {
    process.stdout.write(`${job.id}\n`);
    return;
  }
  for await (const event of job) {
    process.stdout.write(`${JSON.stringify(event)}\n`);
    break;
  }
}

interface Following extends Ends {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
}

async function follow(
  client: Client,
  job: Job,
  { json, verbose, file, source, signal }: Following,
): Promise<ExitCode> {
  const reporter = createReporter(job.id, process.stderr, process.env, verbose);
  const output = file ?? (json ? NO_OUTPUT : new StreamOutput(process.stdout, reporter));
  let lost = false; // said once, however many attempts it takes
  client.on('connection', (change) => {
    if (change.state === 'waiting' && !lost) {
      lost = true;
      reporter.say(`connection lost (${describe(change.error)}), reconnecting …`);
    }
    if (change.state === 'open') {
      lost = false;
      reporter.say('connected again');
    }
  });
  signal.addEventListener('abort', () => reporter.say('cancelling the job; Ctrl-C again leaves at once'));
  const isAsked = !json && source?.bytes !== process.stdin;
  const prompter = new Prompter(job, reporter, isAsked ? terminalReader() : undefined, signal);

  const fed = source === undefined ? undefined : feedTo(job, source, reporter);
  const streamed = pump(job, output);
  streamed.catch(() => undefined); // settle meets it
  try {
    const terminal = await watch(job, reporter, json);
    prompter.end();
    source?.bytes.destroy();
    await Promise.allSettled([streamed]);
    reporter.end();
    const input = await fed;
    if (input?.kind === 'failed' && !signal.aborted) throw input.failure;
    return await settle(job, terminal, streamed, { client, output, reporter, signal });
  } catch (error) {
    prompter.end();
    reporter.end();
    await output.abandon();
    throw error;
  }
}

/** Streams into the job, and stops it where that goes wrong. */
async function feedTo(job: Job, source: Feed, reporter: Reporter): Promise<Fed> {
  const fed = await feed(job, source);
  source.bytes.destroy();
  // Where it cannot be stopped it has ended.
  if (fed.kind === 'failed') await job.cancel({ reason: 'its input failed' }).catch(() => undefined);
  if (fed.kind === 'left' && !job.ended)
    reporter.say(`${source.name} is read no further: ${describe(fed.error)}`);
  return fed;
}

/** Shows the events up to the job's own terminal one, which is the last of the tree. */
async function watch(job: Job, reporter: Reporter, json: boolean): Promise<TerminalEvent> {
  try {
    for await (const event of job.tree()) {
      if (json && !process.stdout.write(`${JSON.stringify(event)}\n`)) await once(process.stdout, 'drain');
      reporter.event(event);
      if (event.job_id === job.id && isTerminal(event)) return event;
    }
  } catch (error) {
    if (!(error instanceof ArcpError)) throw error;
    throw new Failure(
      isLoss(error) ? EXIT.notConnected : EXIT.failed,
      `${job.id} can no longer be followed: ${describe(error)}`,
      `it may still be running: stop it with \`arcp cancel ${job.id}\``,
      error,
    );
  }
  throw new Failure(
    EXIT.notConnected,
    `${job.id} can no longer be followed`,
    `\`arcp cancel ${job.id}\` stops it`,
  );
}

async function pump(job: Job, output: ResultOutput): Promise<void> {
  for await (const bytes of job.chunks()) await output.write(bytes);
}

interface Settling {
  readonly client: Client;
  readonly output: ResultOutput;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/** Brings the result home, or says why there is none. */
async function settle(
  job: Job,
  terminal: TerminalEvent,
  streamed: Promise<void>,
  to: Settling,
): Promise<ExitCode> {
  const { client, output, reporter, signal } = to;
  if (terminal.type !== 'job.completed') {
    const error =
      terminal.type === 'job.failed'
        ? ArcpError.fromPayload(terminal.payload)
        : new ArcpError('CANCELLED', terminal.payload.reason ?? 'the job was cancelled');
    if (signal.aborted) throw new Failure(EXIT.interrupted, `${job.id}: ${describe(error)}`);
    throw refusal(error);
  }
  await streamed;
  const { value, result, resultRef } = await job.result();
  if (result === undefined && value !== undefined) await output.value(value);
  if (resultRef !== undefined && output !== NO_OUTPUT) {
    await takeArtifact(await client.artifacts.fetch(resultRef), output);
  }
  const said = await output.finish();
  if (said !== undefined) reporter.say(said);
  return signal.aborted ? EXIT.interrupted : EXIT.completed;
}

function isTerminal(event: JobEvent): event is TerminalEvent {
  return event.type === 'job.completed' || event.type === 'job.failed' || event.type === 'job.cancelled';
}

/** Whether an error of the client means that the runtime is out of reach. */
function isLoss({ code }: ArcpError): boolean {
  return [
    'UNAVAILABLE',
    'DEADLINE_EXCEEDED',
    'RESUME_WINDOW_EXPIRED',
    'DATA_LOSS',
    'UNAUTHENTICATED',
  ].includes(code);
}
