/** Runs an agent the way it asks for. */
import type { Agent, JobContext } from './agent.js';
import { runInWorker } from './worker-thread.js';

export function executeAgent(agent: Agent, input: unknown, ctx: JobContext): unknown {
  return agent.worker === undefined ? agent.run(input, ctx) : runInWorker(agent, agent.worker, input, ctx);
}
