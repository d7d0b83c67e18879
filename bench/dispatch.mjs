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
import { rowsOf } from './figures.mjs';
import { start, withLoad } from './processes.mjs';
import { topOf } from './profile.mjs';
import { tableOf } from './table.mjs';
import { jobsPerSecond } from './works/jobs.mjs';

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
const WORKS = [1, 16];
/** Long enough for the processes of the pool to be there. */
const TIMES = { warmUpMs: 1_500, measureMs: 2_000 };

/**
 * @param {import('./processes.mjs').Pair} pair
 * @param {number} inFlight
 */
function measure(pair, inFlight) {
  return jobsPerSecond(pair, `${inFlight} in flight`, inFlight, TIMES);
}

async function compare() {
  /** @type {import('./figures.mjs').Taken[]} */
  const taken = [];
  for (let run = 1; run <= runs; run++) {
    for (const { name, place } of PLACES) {
      process.stderr.write(`run ${run} of ${runs}: ${name}\n`);
      const server = start('dispatch-server.mjs', [place]);
      await withLoad(server, async (load) => {
        for (const inFlight of WORKS)
          taken.push({ key: '', server: name, run, ...(await measure({ server, load }, inFlight)) });
      });
    }
  }
  return rowsOf(taken, [HERE]);
}

async function profile() {
  for (const { name, place } of PLACES.slice(1)) {
    const file = `bench-dispatch-${place}.cpuprofile`;
    const server = start('dispatch-server.mjs', [place], ['--cpu-prof', `--cpu-prof-name=${file}`]);
    await withLoad(server, async (load) => {
      for (const inFlight of WORKS) await measure({ server, load }, inFlight);
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
