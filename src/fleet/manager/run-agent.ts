/** The workflow `fleet.run`: a run of a fleet is its job, taken up again like any job. */
import { defineAgent } from '../../agents/define-agent.js';
import type { Agent } from '../../agents/agent.js';
import { FleetRun } from './fleet-run.js';
import type { FleetPorts } from './ports.js';
import { planOf } from './run-arguments.js';

export const RUN_AGENT = 'fleet.run';

export function runAgent(ports: FleetPorts): Agent {
  return defineAgent({
    name: RUN_AGENT,
    version: '1.0.0',
    description: 'Runs the tasks of a spec on workers: arcp fleet run.',
    kind: 'workflow',
    // Its ledger is what it goes on from.
    recovery: 'resume',
    run: async (input, ctx) => await new FleetRun(ctx, planOf(input, ports.pool), ports).run(),
  });
}
