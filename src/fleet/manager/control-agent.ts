/** The agent by which operators speak to their runs, over the protocol like anybody: `fleet.control`. */
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent } from '../../agents/agent.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Store } from '../../store/store.js';
import { runViewOf, taskViewOf } from '../views/view-reader.js';
import type { LiveRuns } from './live-runs.js';
import { runCommand, type RunCommand } from './run-command.js';

export const CONTROL_AGENT = 'fleet.control';

export interface RunsOptions {
  readonly store: Pick<Store, 'append' | 'documents'>;
  readonly live: LiveRuns;
}

/** Answers with what is then shown of the run, or of the task. Whoever started a run speaks to it, and nobody else. */
export function controlAgent({ store, live }: RunsOptions): Agent {
  return defineAgent<RunCommand>({
    name: CONTROL_AGENT,
    version: '1.0.0',
    description: 'Pauses and resumes fleet runs, drains workers, interrupts and restarts tasks.',
    input: runCommand,
    run: async (command, { principal }) => {
      const { run_id: id } = await runViewOf(store, principal, command.run);
      const run = live.require(id);
      if (run.principal !== principal) throw new ArcpError('NOT_FOUND', `there is no run ${command.run}`);
      await run.control(command);
      await run.refresh();
      const view = await runViewOf(store, principal, id);
      return 'task' in command ? await taskViewOf(store, view, command.task) : view;
    },
  });
}
