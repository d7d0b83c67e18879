/**
 * Our runtime with the agents that are measured, in a process of its own. `sqlite` keeps everything in a file, in the
 * folder for temporary files: at full durability, or with `normal` at that. `keep-all` forgets no job.
 */
import { bearerTokens, createRuntime, defineAgent, listen, memoryStore, sqliteStore } from 'arcp-runtime';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { answer, cpuMeter, heapInUse } from './ipc.mjs';
import { blockOf } from './stream-data.mjs';

const options = new Set(process.argv.slice(2));
const folder = options.has('sqlite') ? mkdtempSync(join(tmpdir(), 'arcp-bench-')) : undefined;
if (folder !== undefined) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const fast = defineAgent({ name: 'fast', version: '1.0.0', run: () => 'done' });

/**
 * @param {import('arcp-runtime').JobContext} ctx
 * @param {number} count
 */
async function tell(ctx, count) {
  for (let current = 1; current <= count; current++) {
    ctx.progress({ current, total: count });
    if (current % 64 === 0) await ctx.flushed();
  }
  return count;
}

const burst = defineAgent({
  name: 'burst',
  version: '1.0.0',
  run: (/** @type {{ count: number }} */ { count }, ctx) => tell(ctx, count),
});

/** Lets the job of `gated` begin. @type {(value?: unknown) => void} */
let open = () => undefined;
const gated = defineAgent({
  name: 'gated',
  version: '1.0.0',
  async run(/** @type {{ count: number }} */ { count }, ctx) {
    await new Promise((resolve) => {
      open = resolve;
    });
    return tell(ctx, count);
  },
});

/** @typedef {{ bytes: number; chunkBytes: number; encoding: 'utf8' | 'base64' }} StreamArguments */

const stream = defineAgent({
  name: 'stream',
  version: '1.0.0',
  async run(/** @type {StreamArguments} */ { bytes, chunkBytes, encoding }, ctx) {
    const block = blockOf(encoding, chunkBytes);
    const blocks = Array.from({ length: bytes / chunkBytes }, () => block);
    await pipeline(Readable.from(blocks), ctx.openResult({ encoding, chunkBytes }));
  },
});

const chain = defineAgent({
  name: 'chain',
  profile: { role: 'general', max_spawn_depth: 5 },
  version: '1.0.0',
  async run(/** @type {{ depth: number }} */ { depth }, ctx) {
    if (depth === 0) return 0;
    const child = await ctx.delegate('chain', { arguments: { depth: depth - 1 } });
    const outcome = await child.outcome;
    if (outcome.status !== 'completed') throw new Error(`the child ${outcome.status}`);
    return depth;
  },
});

const runtime = createRuntime({
  store:
    folder === undefined
      ? memoryStore()
      : sqliteStore({ folder, durability: options.has('normal') ? 'normal' : 'full' }),
  agents: [fast, burst, gated, stream, chain],
  authenticators: [bearerTokens([['bench', 'bench']])],
  // Beyond the default of 100 jobs would be queued, with one more frame each.
  limits: {
    maxRunningJobsPerPrincipal: 10_000,
    maxSessionsPerPrincipal: 100_000,
    ...(options.has('keep-all') ? { maxFinishedJobs: 100_000_000, maxFinishedBytes: 2 ** 40 } : {}),
  },
});
const server = await listen(runtime, { port: 0 });

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ['gc'] });

answer({
  port: () => server.port,
  cpu: cpuMeter(),
  heap: heapInUse,
  go: () => {
    open();
  },
  /** Bytes in use with what is garbage by now, and how many collections there were. The observer is told in a later turn. */
  async allocation() {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { bytes: heapUsed + arrayBuffers, collections };
  },
  collect() {
    globalThis.gc?.();
  },
  /** Closes the runtime: its data folder is then as it stays. */
  async settle() {
    await server.close();
    await runtime.close();
    return folder;
  },
});
