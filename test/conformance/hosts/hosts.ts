/** The conformance agents, hosted in the three ways in which agents are hosted: each a runtime of its own with a real socket. */
import { fileURLToPath } from 'node:url';
import { conformanceAgents } from '../../../src/conformance/agents/index.js';
import type { Target } from '../../../src/conformance/index.js';
import { host } from '../../../src/host/index.js';
import {
  bearerTokens,
  createRuntime,
  listen,
  processAgent,
  type Agent,
  type RuntimeOptions,
} from '../../../src/index.js';

export type HostName = 'in process' | 'child processes' | 'dialled in';

export interface Hosted extends AsyncDisposable {
  readonly target: Target;
}

const TOKENS = { a: 'a-token-of-principal-a', b: 'a-token-of-principal-b' };
const WORKER = 'a-token-of-the-worker';
const STEP_MS = 20_000;

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

async function serving(options: RuntimeOptions, more: () => Promise<void> = () => Promise.resolve()) {
  const runtime = createRuntime({
    authenticators: [
      bearerTokens([
        [TOKENS.a, 'a'],
        [TOKENS.b, 'b'],
        [WORKER, 'worker'],
      ]),
    ],
    // As agents in process may, by default: the transcripts are to be the same.
    unleased: { remote: 'everything' },
    // So that nobody waits for others, who are slower in one way than in another.
    limits: { maxRunningJobsPerPrincipal: 10_000 },
    hosts: ['worker'],
    ...options,
  });
  const server = await listen(runtime, { port: 0 });
  return {
    url: server.url,
    target: { url: server.url, tokens: TOKENS, timeoutMs: STEP_MS },
    async [Symbol.asyncDispose]() {
      await more();
      await server.close();
    },
  };
}

/** A program that does the jobs of all of them; each agent has processes of its own. */
function asProcess(agent: Agent): Agent {
  const { name, version, description, recovery, takesInput } = agent;
  return processAgent({
    name,
    version,
    default: agent.default,
    ...(description === undefined ? {} : { description }),
    kind: agent.isWorkflow === true ? 'workflow' : 'agent',
    recovery,
    takesInput,
    command: [process.execPath, root('test/conformance/hosts/agents-over-stdio.mjs')],
    reads: ['dist', 'node_modules', 'package.json', 'test'].map(root),
    trusted: true,
    pool: 4,
    maxProcesses: 6,
  });
}

export async function hostedAs(how: HostName): Promise<Hosted> {
  switch (how) {
    case 'in process':
      return serving({ agents: conformanceAgents() });
    case 'child processes':
      return serving({ agents: conformanceAgents().map(asProcess) });
    case 'dialled in': {
      const runtime = await serving({});
      const worker = await host(runtime.url, { token: WORKER, agents: conformanceAgents(), maxJobs: 1_000 });
      return {
        target: runtime.target,
        async [Symbol.asyncDispose]() {
          await worker.close({ drainMs: 0 });
          await runtime[Symbol.asyncDispose]();
        },
      };
    }
  }
}
