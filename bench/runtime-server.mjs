/**
 * Our runtime with the two agents that are measured, in a process of its own. `sqlite` keeps everything in a file, at
 * full durability, in the folder for temporary files.
 */
import { bearerTokens, createRuntime, defineAgent, listen, memoryStore, sqliteStore } from 'arcp-runtime';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answer, cpuMeter } from './ipc.mjs';

const folder = process.argv.includes('sqlite') ? mkdtempSync(join(tmpdir(), 'arcp-bench-')) : undefined;
if (folder !== undefined) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

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
  store: folder === undefined ? memoryStore() : sqliteStore({ folder }),
  agents: [fast, burst],
  authenticators: [bearerTokens([['bench', 'bench']])],
  // Beyond the default of 100 jobs would be queued, with one more frame each.
  limits: { maxRunningJobsPerPrincipal: 1_000 },
});
const server = await listen(runtime, { port: 0 });

answer({
  port: () => server.port,
  cpu: cpuMeter(),
  /** Bytes in use after a collection. */
  async heap() {
    // What the latest turns have dropped is let go of.
    for (let turn = 0; turn < 3; turn++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
});
