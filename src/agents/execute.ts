/** Runs an agent the way it asks for. `waits` is told when it has to wait for a thread, and when it has one. */
import type { Agent, JobContext } from './agent.js';
import { runInWorker } from './worker-thread.js';

export function executeAgent(
  agent: Agent,
  input: unknown,
  ctx: JobContext,
  waits?: (isWaiting: boolean) => void,
): unknown {
  return agent.worker === undefined
    ? agent.run(input, ctx)
    : runInWorker(agent, agent.worker, input, ctx, waits);
}
