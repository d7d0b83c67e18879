/** Our runtime with the two agents that are measured, in a process of its own. */
import { bearerTokens, createRuntime, defineAgent, listen } from 'arcp-runtime';
import { answer, cpuMeter } from './ipc.mjs';

const fast = defineAgent({ name: 'fast', version: '1.0.0', run: () => 'done' });

const burst = defineAgent({
  name: 'burst',
  version: '1.0.0',
  async run(/** @type {{ count: number }} */ { count }, ctx) {
    for (let current = 1; current <= count; current++) {
      ctx.progress({ current, total: count });
      if (current % 64 === 0) await ctx.flushed();
    }
    return count;
  },
});

const runtime = createRuntime({
  agents: [fast, burst],
  authenticators: [bearerTokens([['bench', 'bench']])],
  // Beyond the default of 100 jobs would be queued, with one more frame each.
  limits: { maxRunningJobsPerPrincipal: 1_000 },
});
const server = await listen(runtime, { port: 0 });

answer({ port: () => server.port, cpu: cpuMeter() });
