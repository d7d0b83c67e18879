/** `arcp fleet logs`: what a run, or the latest attempt at one of its tasks, has told; it is followed to its end. */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { JobEvent } from '../../client/index.js';
import type { Store } from '../../store/store.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { Interruption } from '../interruption.js';
import { printable } from '../text.js';
import { reaching, RUN, withFleetOptions, type FleetOptions, type Reached } from './reach.js';

export function addLogs(fleet: Command, exit: (code: ExitCode) => void): void {
  const command = fleet
    .command('logs')
    .description('show what a run or a task has told, and follow it to its end; Ctrl-C leaves it running')
    .argument(...RUN)
    .argument('[task]', 'the id of the task');
  withFleetOptions(command).action(async (run: string, task: string | undefined, options: FleetOptions) => {
    exit(await reaching(options, (reached) => logs(reached, run, task, options)));
  });
}

async function logs(
  { show, client, store }: Reached,
  run: string,
  task: string | undefined,
  { json }: FleetOptions,
): Promise<ExitCode> {
  const jobId =
    task === undefined
      ? (await show({ show: 'run', run })).run_id
      : (await show({ show: 'task', run, task })).job_id;
  if (jobId === undefined) {
    throw new Failure(
      EXIT.failed,
      `${task ?? run} has no job yet`,
      '`arcp fleet status RUN` shows how it stands',
    );
  }
  const print = async (event: Told): Promise<void> => {
    const line = json === true ? JSON.stringify(event) : lineOf(event);
    if (line !== undefined && !process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
  };
  if (store !== undefined) {
    for await (const event of storedEvents(store, jobId)) await print(event);
    return EXIT.completed;
  }
  if (client === undefined) return EXIT.completed;
  const { signal } = new Interruption();
  const job = await client.watch(jobId);
  signal.addEventListener('abort', () => {
    job.stop();
  });
  for await (const event of job) await print(event);
  return signal.aborted ? EXIT.interrupted : EXIT.completed;
}

type Told = Pick<JobEvent, 'type'> & { readonly payload: unknown };

const PAGE = 500;

/** What lies in the store of a runtime that is not running. */
async function* storedEvents(store: Store, jobId: string): AsyncGenerator<Told, undefined> {
  for (let after = 0; ;) {
    const page = await store.read(jobId, after, PAGE);
    for (const { type, body } of page) {
      const { payload } = JSON.parse(`{${body}`) as { readonly payload: unknown };
      yield { type: type as JobEvent['type'], payload };
    }
    if (page.length < PAGE) return;
    after += page.length;
  }
}

/** Nothing of what only machines need. */
function lineOf({ type, payload }: Told): string | undefined {
  const { level, message, name, data, code, reason, summary, value } = payload as Readonly<
    Record<string, unknown>
  >;
  switch (type) {
    case 'log':
      return printable(`${String(level)}  ${String(message)}`);
    case 'event.emit':
      return printable(`${String(name)}  ${JSON.stringify(data)}`);
    case 'job.completed':
      return printable(`completed  ${typeof summary === 'string' ? summary : JSON.stringify(value ?? null)}`);
    case 'job.failed':
      return printable(`failed  ${String(code)}: ${String(message)}`);
    case 'job.cancelled':
      return printable(`cancelled  ${typeof reason === 'string' ? reason : ''}`);
    default:
      return undefined;
  }
}
