/**
 * `npm run bench`: what the runtime does per second, beside bare servers that exchange the same frames in the same run.
 * Absolute figures say more about the machine; what counts are the ratios.
 *
 *   --full         the long ones too: delegation, growth, fleets (`npm run bench:full`)
 *   --only a,b     these alone
 *   --runs N       default 3
 *   --json         the figures of every run, as JSON, from which `document.mjs` makes BENCHMARKS.md
 *   --scale X      0 < X ≤ 1: so much of everything, to see whether it works
 *   --profile      no comparison: CPU profiles of the runtime, and the functions that cost most
 */
import { parseArgs } from 'node:util';
import { rowsOf } from './figures.mjs';
import { ask } from './ipc.mjs';
import { machineHere, machineLine } from './machine.mjs';
import { topOf } from './profile.mjs';
import { MEMORY, sampleFrames, withServer } from './servers.mjs';
import { tableOf } from './table.mjs';
import { WORKS } from './works/index.mjs';

const { values: options } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    scale: { type: 'string', default: '1' },
    profile: { type: 'boolean', default: false },
  },
});

const runs = Number(options.runs);
if (!Number.isInteger(runs) || runs < 1)
  throw new Error(`--runs: expected a number from 1, not ${options.runs}`);
const factor = Number(options.scale);
if (!(factor > 0 && factor <= 1)) throw new Error(`--scale: expected a number up to 1, not ${options.scale}`);

const keys = options.only?.split(',');
for (const key of keys ?? [])
  if (!WORKS.some((work) => work.key === key))
    throw new Error(`--only: there is no ${key}; there are ${WORKS.map((work) => work.key).join(', ')}`);
const works = WORKS.filter(({ key, isLong = false }) => keys?.includes(key) ?? (options.full || !isLong));

/** @type {import('./works/work.mjs').Scale} */
const scale = (full, atLeast = 1) => Math.max(atLeast, Math.round(full * factor));

/** Says what is done now, in one line that the next one replaces. */
function progress(/** @type {string} */ text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** Every work on every server in turn, as often as asked, so that a slow spell of the machine hits all alike. */
async function measureAll() {
  const samples = await sampleFrames();
  const rounds = works.flatMap((work) => work.servers.map((server) => ({ work, server })));
  /** @type {import('./figures.mjs').Taken[]} */
  const taken = [];
  for (let run = 1; run <= runs; run++) {
    for (const [index, { work, server }] of rounds.entries()) {
      const done = (run - 1) * rounds.length + index;
      progress(`${done} of ${runs * rounds.length}  run ${run}: ${work.title}, ${server.name}`);
      const figures = await work.run(server, samples, scale);
      taken.push(...figures.map((figure) => ({ key: work.key, server: server.name, run, ...figure })));
    }
  }
  progress('');
  return rowsOf(taken);
}

/** Profiles the runtime at its two kinds of work, each in a process of its own. */
async function profile() {
  const profiles = [];
  const kinds = [
    { method: 'jobs', argument: { tool: 'fast', arguments: {}, inFlight: 64, ms: scale(6_000) } },
    { method: 'events', argument: { tool: 'burst', arguments: { count: 20_000 }, repeat: scale(20) } },
  ];
  for (const { method, argument } of kinds) {
    const file = `bench-${method}.cpuprofile`;
    const profiling = ['--cpu-prof', `--cpu-prof-name=${file}`];
    await withServer(MEMORY, [], (pair) => ask(pair.load, method, argument), profiling);
    profiles.push({ work: method, file, top: topOf(file, 10) });
  }
  return profiles;
}

const machine = machineHere();
if (options.profile) {
  const profiles = await profile();
  if (options.json) console.log(JSON.stringify({ machine, profiles }, undefined, 2));
  else {
    console.log(machineLine(machine));
    for (const { work, file, top } of profiles) {
      console.log(`\n${work} (${file})`);
      for (const { name, share } of top.slice(0, 5))
        console.log(`${(100 * share).toFixed(1).padStart(6)} %  ${name}`);
    }
  }
} else {
  const rows = await measureAll();
  if (options.json) console.log(JSON.stringify({ machine, runs, scale: factor, rows }, undefined, 2));
  else {
    console.log(machineLine(machine));
    for (const { key, title } of works)
      console.log(`\n(${key}) ${title}\n\n${tableOf(rows.filter((row) => row.key === key))}`);
  }
}
