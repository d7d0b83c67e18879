/**
 * `npm run bench:fleet`: a run of many tasks on simulated workers, in one process with a store on disk: tasks per
 * second, early and late, and what it costs to ask how the run stands.
 *
 *   --tasks N     default 10000
 *   --workers N   default 100
 *   --json        the figures as JSON
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { anonymous, createRuntime, defineAgent, listen, sqliteStore } from 'arcp-runtime';
import { connect } from 'arcp-runtime/client';
import { hostFleet } from 'arcp-runtime/fleet';
import { median } from './figures.mjs';

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: '10000' },
    workers: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
  },
});
const TASKS = count('tasks', options.tasks, 100_000);
const WORKERS = count('workers', options.workers, 1_000);
const ASKED = 20;

const folder = mkdtempSync(join(tmpdir(), 'arcp-bench-'));
const worker = defineAgent({ name: 'simulated', version: '1.0.0', run: () => ({ exit_code: 0 }) });
const store = sqliteStore({ folder });
const runtime = createRuntime({ agents: [worker], store, authenticators: [anonymous()] });
const fleet = await hostFleet(runtime, { store, folder: join(folder, 'fleet'), base: folder });
const server = await listen(runtime, { port: 0 });
const client = await connect(server.url);
try {
  const figures = await measure();
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  else tell(figures);
} finally {
  await client.close();
  await server.drain(0);
  await fleet.close();
  rmSync(folder, { recursive: true, force: true });
}

async function measure() {
  const tasks = Array.from({ length: TASKS }, (_, index) => ({
    id: `task-${index}`,
    name: `Task ${index}`,
    instructions: 'nothing',
    worker: { role: 'review' },
    scorer: { kind: 'exit_code' },
  }));
  const { artifact_id: artifact } = await client.artifacts.put(JSON.stringify({ name: 'bench', tasks }), {
    mediaType: 'application/json',
  });
  const before = performance.now();
  const job = await client.startWorkflow('fleet.run', {
    artifact,
    options: { agent: 'simulated', workers: WORKERS, max_running: WORKERS },
  });
  /** When each receipt came. */
  const at = [];
  const asked = { during: /** @type {number[]} */ ([]), after: /** @type {number[]} */ ([]) };
  for await (const event of job) {
    if (event.type !== 'event.emit') continue;
    const { name, data } = /** @type {{ name: string, data: { receipt?: unknown } }} */ (event.payload);
    if (name !== 'fleet.task' || data.receipt === undefined) continue;
    at.push(performance.now());
    if (at.length === Math.floor(TASKS / 2)) asked.during.push(await ask(job.id));
  }
  const ended = performance.now();
  const { value } = await job.result();
  for (let time = 0; time < ASKED; time += 1) asked.after.push(await ask(job.id));
  const tenth = Math.floor(TASKS / 10);
  return {
    tasks: TASKS,
    workers: WORKERS,
    status: /** @type {{ status: string }} */ (value).status,
    seconds: (ended - before) / 1_000,
    tasks_per_second: TASKS / ((ended - before) / 1_000),
    first_tenth_per_second: rate(at, 0, tenth),
    last_tenth_per_second: rate(at, TASKS - tenth, TASKS - 1),
    status_ms_halfway: median(asked.during),
    status_ms_at_end: median(asked.after),
    status_bytes: JSON.stringify(await show(job.id)).length,
    heap_mib: process.memoryUsage().heapUsed / 1_048_576,
  };
}

/** @param {string} run */
async function show(run) {
  const job = await client.invoke('fleet.show', { show: 'run', run });
  return (await job.result()).value;
}

/**
 * How long the answer takes, over the socket.
 *
 * @param {string} run
 */
async function ask(run) {
  const before = performance.now();
  await show(run);
  return performance.now() - before;
}

/**
 * @param {readonly number[]} at
 * @param {number} from
 * @param {number} to
 */
function rate(at, from, to) {
  return ((to - from) * 1_000) / ((at[to] ?? Number.NaN) - (at[from] ?? Number.NaN));
}

/** @param {Awaited<ReturnType<typeof measure>>} figures */
function tell(figures) {
  for (const [name, value] of Object.entries(figures)) {
    const shown = typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(1) : value;
    process.stdout.write(`${name.replaceAll('_', ' ').padEnd(24)} ${shown}\n`);
  }
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} most
 */
function count(name, text, most) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`--${name}: expected a number from 1 to ${most}, not ${text}`);
}
