/** Runs an agent the way it asks for. `waits` is told when it has to wait for a thread or a process, and when it has one. */
import type { Agent, HostingRuntime, JobContext } from './agent.js';
import { runInWorker } from './worker-thread.js';

export function executeAgent(
  agent: Agent,
  input: unknown,
  ctx: JobContext,
  waits: (isWaiting: boolean) => void,
  runtime: Omit<HostingRuntime, 'waits'>,
): unknown {
  if (agent.process !== undefined) return agent.process.run(input, ctx, { ...runtime, waits });
  return agent.worker === undefined
    ? agent.run(input, ctx)
    : runInWorker(agent, agent.worker, input, ctx, waits);
}
