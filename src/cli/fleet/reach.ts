/**
 * How the fleet commands reach runs: the runtime at `--url`, or the one that has the data folder, or, where that is not
 * running, what lies in the folder. The last can be looked at and not spoken to.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Client } from '../../client/index.js';
import { CONTROL_AGENT } from '../../fleet/manager/control-agent.js';
import type { RunCommand } from '../../fleet/manager/run-command.js';
import { SHOW_AGENT } from '../../fleet/manager/show-agent.js';
import type { RunView, TaskView } from '../../fleet/views/run-view.js';
import { show, type Asked, type RunLine, type TasksAnswer } from '../../fleet/views/show.js';
import { ArcpError } from '../../protocol/index.js';
import { sqliteStore } from '../../index.js';
import type { Store } from '../../store/store.js';
import { connectTo } from '../connection.js';
import { EXIT } from '../exit-codes.js';
import { describe, Failure } from '../failure.js';
import { parseUrl } from '../options.js';
import { findEndpoint } from './endpoint.js';

export interface FleetOptions {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly fingerprint?: string;
  readonly data: string;
  readonly json?: true;
}

export const DEFAULT_DATA = '.arcp';

export function withFleetOptions(command: Command): Command {
  return command
    .addOption(new Option('--url <url>', 'the runtime that has the run').env('ARCP_URL').argParser(parseUrl))
    .option('--token-file <file>', 'a private file with its token; without, ARCP_TOKEN counts')
    .option('--data <folder>', 'without --url: the data folder that has the run', DEFAULT_DATA)
    .option('--json', 'print JSON, one value a line');
}

/** The argument that names a run. */
export const RUN = ['<run>', 'the id of the run, its beginning, or `latest`'] as const;

export interface Show {
  (asked: Extract<Asked, { show: 'runs' }>): Promise<{ readonly runs: readonly RunLine[] }>;
  (asked: Extract<Asked, { show: 'run' }>): Promise<RunView>;
  (asked: Extract<Asked, { show: 'task' }>): Promise<TaskView>;
  (asked: Extract<Asked, { show: 'tasks' }>): Promise<TasksAnswer>;
}

export interface Reached {
  readonly show: Show;
  /** `undefined` where nothing runs. */
  readonly client: Client | undefined;
  /** Where nothing runs: what lies in the folder. */
  readonly store: Store | undefined;
}

/** Connects, does it, and closes. */
export async function reaching<T>(options: FleetOptions, how: (reached: Reached) => Promise<T>): Promise<T> {
  const client = await clientOf(options);
  if (client !== undefined) {
    try {
      return await how({ show: shownBy(client), client, store: undefined });
    } catch (error) {
      throw asFleetFailure(error);
    } finally {
      await client.close();
    }
  }
  const store = folderStore(options);
  try {
    const look = ((asked: Asked) => show(store, undefined, asked)) as Show;
    return await how({ show: look, client: undefined, store });
  } catch (error) {
    throw asFleetFailure(error);
  } finally {
    await store.close();
  }
}

/** Speaks to a run; only where it goes on. */
export function telling(options: FleetOptions, command: RunCommand): Promise<RunView | TaskView> {
  return reaching(options, async ({ client }) => {
    if (client === undefined) throw notRunning(command.run);
    const job = await client.invoke(CONTROL_AGENT, command);
    return (await job.result()).value as RunView | TaskView;
  });
}

export function notRunning(run: string): Failure {
  return new Failure(
    EXIT.failed,
    'nobody runs it now: its runtime is not running',
    `\`arcp fleet resume ${run}\` takes it up again, or name its runtime with --url`,
  );
}

/** All tasks of a run, in the order of its spec. */
export async function* tasksOf(ask: Show, run: string): AsyncGenerator<TaskView, undefined> {
  for (let from: number | undefined = 0; from !== undefined;) {
    const page: TasksAnswer = await ask({ show: 'tasks', run, from });
    yield* page.tasks;
    from = page.next;
  }
}

async function clientOf(options: FleetOptions): Promise<Client | undefined> {
  const { url, data } = options;
  if (url !== undefined) return await connectTo({ ...options, url });
  const endpoint = findEndpoint(data);
  if (endpoint === undefined || !isRunning(endpoint.pid)) return undefined;
  const token = options.tokenFile ?? endpoint.token_file;
  return await connectTo({
    ...options,
    url: endpoint.url,
    ...(token === undefined ? {} : { tokenFile: token }),
  });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What the runtime shows. */
export function shownBy(client: Client): Show {
  const ask = async (asked: Asked): Promise<unknown> => {
    const job = await client.invoke(SHOW_AGENT, asked);
    return (await job.result()).value;
  };
  return ask as Show;
}

function folderStore({ data }: FleetOptions): Store {
  const folder = resolve(data);
  if (!existsSync(folder)) {
    throw new Failure(
      EXIT.failed,
      `there are no runs here: there is no folder ${data}`,
      'start one with `arcp fleet run FILE`, or name a runtime with --url or a folder with --data',
    );
  }
  try {
    return sqliteStore({ folder });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.failed, reason, 'name the runtime that has the folder with --url', error);
  }
}

function asFleetFailure(error: unknown): unknown {
  if (!(error instanceof ArcpError)) return error;
  const next = adviceOn(error);
  return next === undefined ? error : new Failure(EXIT.failed, describe(error), next, error);
}

function adviceOn({ code }: ArcpError): string | undefined {
  switch (code) {
    case 'NOT_FOUND':
      return '`arcp fleet list` lists the runs, `arcp fleet tasks RUN` its tasks, `arcp fleet status RUN` its workers';
    case 'AGENT_NOT_AVAILABLE':
      return 'the runtime hosts no fleets: start it with `arcp serve --fleet`';
    case 'FAILED_PRECONDITION':
      return '`arcp fleet status RUN` shows how it stands';
    default:
      return undefined;
  }
}
