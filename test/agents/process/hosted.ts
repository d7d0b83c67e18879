/** A runtime with agents that are processes, and a client of it. */
import { createRuntime, anonymous, processAgent, type Agent, type Runtime } from '../../../src/index.js';
import type { ProcessAgentDefinition } from '../../../src/agents/process/process-agent.js';
import type { Limits } from '../../../src/runtime/limits.js';
import { memoryPair } from '../../../src/transport/memory.js';
import { RawClient } from '../../runtime/raw-client.js';

export interface Hosted {
  readonly runtime: Runtime;
  readonly client: RawClient;
}

export async function hosting(
  agents: readonly Agent[],
  limits: Partial<Limits> = {},
  capabilities: unknown = {},
): Promise<Hosted> {
  const runtime = createRuntime({ agents, authenticators: [anonymous()], limits });
  const [ours, theirs] = memoryPair();
  runtime.accept(ours);
  const client = new RawClient(theirs);
  await client.open(undefined, capabilities);
  return { runtime, client };
}

/** An agent that is a shell script, and needs no walls. */
export function scripted(name: string, script: string, more: Partial<ProcessAgentDefinition> = {}): Agent {
  return processAgent({ name, version: '1.0.0', command: ['sh', '-c', script], trusted: true, ...more });
}
