/**
 * `npm run bench:dispatch`: what it costs that an agent lives elsewhere. The same agent, which does nothing, in the
 * runtime's process, as a warm child process, and in a worker that dialled in, in the same run.
 *
 *   --json       the figures of every run, as JSON
 *   --profile    no comparison: CPU profiles of the runtime for the two that are elsewhere, and the functions that cost most
 *   --runs N     default 3
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measure, start, withLoad } from './processes.mjs';
import { topOf } from './profile.mjs';
import { median, tableOf } from './table.mjs';

/** @typedef {import('./processes.mjs').Measured} Measured */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
  },
});
const runs = Number(options.runs);
if (!Number.isInteger(runs) || runs < 1)
  throw new Error(`--runs: expected a number from 1, not ${options.runs}`);

const HERE = 'in process';
const PLACES = [
  { name: HERE, place: 'in-process' },
  { name: 'child, warm', place: 'child' },
  { name: 'dialled in', place: 'dialled' },
];
const JOB = { tool: 'fast', arguments: {} };
const WORKS = [1, 16].map((inFlight) => ({
  name: `${inFlight} in flight`,
  unit: 'jobs',
  unitsPerJob: 1,
  method: 'jobs',
  // Long enough for the processes of the pool to be there.
  warmUp: { ...JOB, inFlight, ms: 1_500 },
  measure: { ...JOB, inFlight, ms: 2_000 },
}));

async function compare() {
  /** @type {Map<string, Measured[]>} */
  const measured = new Map();
  for (let run = 0; run < runs; run++) {
    for (const { name, place } of PLACES) {
      process.stderr.write(`run ${run + 1} of ${runs}: ${name}\n`);
      const server = start('dispatch-server.mjs', [place]);
      await withLoad(server, async (load) => {
        for (const work of WORKS) {
          const key = `${work.name} ${name}`;
          measured.set(key, [...(measured.get(key) ?? []), await measure(work, server, load)]);
        }
      });
    }
  }
  return WORKS.flatMap((work) => {
    const figuresOf = (/** @type {string} */ name) => measured.get(`${work.name} ${name}`) ?? [];
    const rateOf = (/** @type {string} */ name) => median(figuresOf(name).map(({ rate }) => rate));
    return PLACES.map(({ name }) => {
      const figures = figuresOf(name);
      return {
        work: work.name,
        unit: work.unit,
        server: name,
        rates: figures.map(({ rate }) => rate),
        p50: figures.map(({ p50 }) => p50),
        p99: figures.map(({ p99 }) => p99),
        cpu: figures.map(({ cpu }) => cpu),
        framesPerJob: median(figures.map(({ framesPerJob }) => framesPerJob)),
        ratios: [name === HERE ? undefined : rateOf(name) / rateOf(HERE)],
      };
    });
  });
}

async function profile() {
  for (const { name, place } of PLACES.slice(1)) {
    const file = `bench-dispatch-${place}.cpuprofile`;
    const server = start('dispatch-server.mjs', [place], ['--cpu-prof', `--cpu-prof-name=${file}`]);
    await withLoad(server, async (load) => {
      for (const work of WORKS) await measure(work, server, load);
    });
    console.log(`\n${name} (${file})`);
    for (const { name: title, share } of topOf(file, 25))
      console.log(`${(100 * share).toFixed(1).padStart(6)} %  ${title}`);
  }
}

const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores · node ${process.version}`;
if (options.profile) await profile();
else {
  const rows = await compare();
  if (options.json) console.log(JSON.stringify({ machine, rows }, undefined, 2));
  else console.log([machine, '', tableOf(rows, [HERE])].join('\n'));
}
