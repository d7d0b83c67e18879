/** The commands that look at runs and change nothing. */
import { once } from 'node:events';
import type { Command } from 'commander';
import type { FleetArtifactRef } from '../../protocol/fleet/index.js';
import type { TaskView } from '../../fleet/views/run-view.js';
import { receiptsTable, runsTable, runText, table, tasksTable } from './lines.js';
import { reaching, RUN, tasksOf, withFleetOptions, type FleetOptions, type Reached } from './reach.js';

export function addList(fleet: Command): void {
  withFleetOptions(fleet.command('list').description('list your runs, the latest first')).action(
    async (options: FleetOptions) => {
      const { runs } = await reaching(options, ({ show }) => show({ show: 'runs' }));
      await print(options.json === true ? jsonLines(runs) : runsTable(runs));
    },
  );
}

export function addStatus(fleet: Command): void {
  const command = fleet
    .command('status')
    .description('show how a run stands')
    .argument(...RUN);
  withFleetOptions(command).action(async (run: string, options: FleetOptions) => {
    const [view, isLive] = await reaching(options, async ({ show, client }) => [
      await show({ show: 'run', run }),
      client !== undefined,
    ]);
    await print(options.json === true ? jsonLines([view]) : runText(view, isLive));
  });
}

export function addTasks(fleet: Command): void {
  const command = fleet
    .command('tasks')
    .description('list the tasks of a run')
    .argument(...RUN);
  withFleetOptions(command).action((run: string, options: FleetOptions) =>
    listTasks(
      run,
      options,
      (task) => task,
      (tasks) => tasksTable(tasks),
    ),
  );
}

export function addReceipts(fleet: Command): void {
  const command = fleet
    .command('receipts')
    .description('list how the tasks of a run ended')
    .argument(...RUN);
  withFleetOptions(command).action((run: string, options: FleetOptions) =>
    listTasks(
      run,
      options,
      ({ receipt }) => receipt,
      (tasks) => receiptsTable(tasks),
    ),
  );
}

export function addInspect(fleet: Command): void {
  const command = fleet
    .command('inspect')
    .description('show all that is known of a task')
    .argument(...RUN)
    .argument('<task>', 'the id of the task');
  withFleetOptions(command).action(async (run: string, task: string, options: FleetOptions) => {
    const view = await reaching(options, ({ show }) => show({ show: 'task', run, task }));
    await print(options.json === true ? jsonLines([view]) : taskText(view));
  });
}

export function addArtifacts(fleet: Command): void {
  const command = fleet
    .command('artifacts')
    .description('list what the tasks of a run made')
    .argument(...RUN)
    .argument('[task]', 'only of this task');
  withFleetOptions(command).action((run: string, only: string | undefined, options: FleetOptions) =>
    reaching(options, async (reached) => {
      const rows: string[][] = [];
      for await (const task of tasksFor(reached, run, only)) {
        for (const artifact of artifactsOf(task)) {
          if (options.json === true) await print(jsonLines([{ task_id: task.task_id, ...artifact }]));
          else rows.push([task.task_id, ...artifactRow(artifact)]);
        }
      }
      if (options.json !== true) await print(table([['TASK', 'KIND', 'BYTES', 'CHECKSUM', 'PATH'], ...rows]));
    }),
  );
}

async function* tasksFor(reached: Reached, run: string, only: string | undefined): AsyncGenerator<TaskView> {
  if (only === undefined) yield* tasksOf(reached.show, run);
  else yield await reached.show({ show: 'task', run, task: only });
}

/** What its receipt names, evidence of the verdict included; of one that is not over, what it made so far. */
function artifactsOf({ receipt, artifacts }: TaskView): readonly FleetArtifactRef[] {
  return receipt?.artifacts ?? artifacts;
}

function artifactRow({ kind, size_bytes, checksum, path }: FleetArtifactRef): string[] {
  return [kind, size_bytes === null ? '-' : String(size_bytes), checksum ?? '-', path];
}

function taskText({ artifacts: _artifacts, receipt, cost, ...facts }: TaskView): string {
  const rows = Object.entries({ ...facts, ...(cost === undefined ? {} : { cost: JSON.stringify(cost) }) });
  const known = table(rows.map(([name, value]) => [name, String(value)]));
  return receipt === undefined ? known : `${known}receipt\n${JSON.stringify(receipt, undefined, 2)}\n`;
}

/** `told` is what a line of JSON says of a task, or nothing where it says none. */
async function listTasks(
  run: string,
  options: FleetOptions,
  told: (task: TaskView) => unknown,
  text: (tasks: readonly TaskView[]) => string,
): Promise<void> {
  await reaching(options, async (reached) => {
    const all: TaskView[] = [];
    for await (const task of tasksOf(reached.show, run)) {
      const line = told(task);
      if (line === undefined) continue;
      if (options.json === true) await print(jsonLines([line]));
      else all.push(task);
    }
    if (options.json !== true) await print(text(all));
  });
}

function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
