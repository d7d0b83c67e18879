/** The commands that tell a run something. */
import type { Command } from 'commander';
import type { RunCommand } from '../../fleet/manager/run-command.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { parseSequence } from '../options.js';
import { tell } from '../said.js';
import { notRunning, reaching, RUN, telling, withFleetOptions, type FleetOptions } from './reach.js';

export function addPause(fleet: Command): void {
  const command = fleet
    .command('pause')
    .description('have a run lease no further task')
    .argument(...RUN);
  withFleetOptions(command).action((run: string, options: FleetOptions) =>
    say(options, { action: 'pause', run }, `paused: what runs goes on; \`arcp fleet resume ${run}\` ends it`),
  );
}

/** How a worker is told something. */
const WORKER_COMMANDS = [
  ['drain', 'give a worker no further task', 'takes no further task'],
  ['undrain', 'give a drained worker tasks again', 'takes tasks again'],
  ['retire', 'have a worker leave the run for good; what it holds it ends', 'is retired'],
] as const;

export function addWorkerCommands(fleet: Command): void {
  for (const [action, description, said] of WORKER_COMMANDS) {
    const command = fleet
      .command(action)
      .description(description)
      .argument(...RUN)
      .argument('<worker>', 'the id of the worker');
    withFleetOptions(command).action((run: string, worker: string, options: FleetOptions) =>
      say(options, { action, run, worker }, `${worker} ${said}`),
    );
  }
}

interface AttemptOptions extends FleetOptions {
  readonly attempt?: number;
}

const TASK_COMMANDS = [
  ['interrupt', 'stop a task of a run; it is cancelled', 'is interrupted'],
  ['restart', 'begin a task of a run anew, with all attempts of its policy', 'begins anew'],
] as const;

export function addTaskCommands(fleet: Command): void {
  for (const [action, description, said] of TASK_COMMANDS) {
    const command = fleet
      .command(action)
      .description(description)
      .argument(...RUN)
      .argument('<task>', 'the id of the task')
      .option('--attempt <number>', 'only where it is at this attempt', parseSequence);
    withFleetOptions(command).action((run: string, task: string, options: AttemptOptions) =>
      say(options, { action, run, task, attempt: options.attempt }, `${task} ${said}`),
    );
  }
}

async function say(options: FleetOptions, command: RunCommand, line: string): Promise<void> {
  tell(options, { ...(await telling(options, command)) }, line);
}

export function addStop(fleet: Command): void {
  const command = fleet
    .command('stop')
    .description('stop a run: what is not over is cancelled, with a receipt')
    .argument(...RUN)
    .option('--reason <text>', 'what its end will say');
  withFleetOptions(command).action((run: string, options: FleetOptions & { readonly reason?: string }) =>
    reaching(options, async ({ client, show }) => {
      if (client === undefined) throw notRunning(run);
      const { run_id: id } = await show({ show: 'run', run });
      await client.cancel(id, options.reason === undefined ? {} : { reason: options.reason });
      tell(options, { run_id: id, stopping: true }, `${id} is being stopped`);
    }),
  );
}

const RESULTS = ['pass', 'partial', 'fail'];

export function addScore(fleet: Command): void {
  const command = fleet
    .command('score')
    .description('judge a task that waits for a person')
    .argument(...RUN)
    .argument('<task>', 'the id of the task')
    .argument('<result>', RESULTS.join(', '));
  withFleetOptions(command).action((run: string, task: string, result: string, options: FleetOptions) =>
    reaching(options, async ({ client, show }) => {
      if (!RESULTS.includes(result)) {
        throw new Failure(EXIT.usage, `${result} is no result`, `say ${RESULTS.join(', ')}`);
      }
      if (client === undefined) throw notRunning(run);
      const { asks, status } = await show({ show: 'task', run, task });
      const next = `\`arcp fleet inspect ${run} ${task}\` shows how it stands`;
      if (asks === undefined) {
        throw new Failure(EXIT.failed, `${task} is ${status} and waits for no verdict`, next);
      }
      for await (const question of client.questions()) {
        if (question.jobId !== asks) continue;
        await question.choose(result);
        tell(options, { task_id: task, result }, `${task}: ${result}`);
        return;
      }
      throw new Failure(EXIT.failed, `${task} waits for no verdict any more`, next);
    }),
  );
}
