/** The workflow `fleet.run`: a run of a fleet is its job, taken up again like any job. */
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent } from '../../agents/agent.js';
import { FleetRun } from './fleet-run.js';
import type { FleetPorts } from './ports.js';
import { planOf, wholeArguments } from './run-arguments.js';

export const RUN_AGENT = 'fleet.run';

export function runAgent(ports: FleetPorts): Agent {
  return defineAgent({
    name: RUN_AGENT,
    version: '1.0.0',
    description: 'Runs the tasks of a spec on workers: arcp fleet run.',
    kind: 'workflow',
    // Its ledger is what it goes on from.
    recovery: 'resume',
    // Of a run that lasts for days, a runtime that is restarted often is no fault.
    maxAttempts: 10_000,
    run: async (input, ctx) => {
      const plan = planOf(await wholeArguments(input, ctx));
      return await new FleetRun(ctx, plan, ports).run();
    },
  });
}
