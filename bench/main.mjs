/**
 * `npm run bench`: what the runtime does per second, beside bare servers that exchange the same frames in the same run.
 *
 *   --json       the figures of every run, as JSON
 *   --profile    no comparison: CPU profiles of the runtime, and the functions that cost most
 *   --runs N     default 3
 *   --dialect draft   instead: the same runtime spoken to in classic and in draft-1.1
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { ask, parseJson } from './ipc.mjs';
import { measure, start, withLoad } from './processes.mjs';
import { topOf } from './profile.mjs';
import { median, tableOf } from './table.mjs';

/** @typedef {import('./table.mjs').Row} Row */
/** @typedef {import('./processes.mjs').Measured} Measured */
/** @typedef {{ requestBytes: number; frames: string[] }} Sample */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    dialect: { type: 'string', default: 'classic' },
  },
});

const runs = Number(options.runs);
if (!Number.isInteger(runs) || runs < 1)
  throw new Error(`--runs: expected a number from 1, not ${options.runs}`);

const EVENTS = 20_000;
const FAST = { tool: 'fast', arguments: {} };
const BURST = { tool: 'burst', arguments: { count: EVENTS } };
const REPLAYED = 100_000;
const SESSIONS = 1_000;
const WARM_UP_MS = 700;
const MEASURE_MS = 1_500;

/** @type {readonly import('./processes.mjs').Work[]} */
const WORKS = [
  ...[1, 16, 64, 256].map((inFlight) => ({
    name: `${inFlight} in flight`,
    unit: 'jobs',
    unitsPerJob: 1,
    method: 'jobs',
    warmUp: { ...FAST, inFlight, ms: WARM_UP_MS },
    measure: { ...FAST, inFlight, ms: MEASURE_MS },
  })),
  {
    name: 'one job of 20,000',
    unit: 'events',
    unitsPerJob: EVENTS,
    method: 'events',
    warmUp: { ...BURST, repeat: 1 },
    measure: { ...BURST, repeat: 3 },
  },
];

const RUNTIME = 'memory';
const inDraft = options.dialect === 'draft';
/** What the others are compared with. */
const CEILINGS = inDraft ? [RUNTIME] : ['bare ws', 'bare ws, corked'];
const SERVERS = inDraft
  ? [
      { name: RUNTIME, file: 'runtime-server.mjs', args: [], dialect: 'classic' },
      { name: 'draft-1.1', file: 'runtime-server.mjs', args: [], dialect: 'draft' },
    ]
  : [
      { name: RUNTIME, file: 'runtime-server.mjs', args: [], dialect: 'classic' },
      { name: 'sqlite, full', file: 'runtime-server.mjs', args: ['sqlite'], dialect: 'classic' },
      { name: 'bare ws', file: 'ceiling-server.mjs', args: [], dialect: 'classic' },
      { name: 'bare ws, corked', file: 'ceiling-server.mjs', args: ['corked'], dialect: 'classic' },
    ];

/** Runs everything on every server in turn, as often as asked, so that a slow spell of the machine hits all alike. */
async function compare() {
  /** @type {Map<string, Measured[]>} */
  const measured = new Map();
  /** @type {Map<string, Sample>} */
  const samples = new Map();
  /** @type {Map<string, number[]>} */
  const replays = new Map();
  for (let run = 0; run < runs; run++) {
    for (const { name, file, args, dialect } of SERVERS) {
      process.stderr.write(`run ${run + 1} of ${runs}: ${name}\n`);
      const server = start(file, args);
      await withLoad(
        server,
        async (load) => {
          for (const job of [FAST, BURST]) {
            if (name === RUNTIME)
              samples.set(job.tool, /** @type {Sample} */ (await ask(load, 'sample', job)));
            else await ask(server, 'learn', { tool: job.tool, frames: ends(samples.get(job.tool)) });
          }
          for (const work of WORKS) {
            const key = `${work.name} ${name}`;
            measured.set(key, [...(measured.get(key) ?? []), await measure(work, server, load)]);
          }
          const { events, seconds } = /** @type {{ events: number; seconds: number }} */ (
            await ask(load, 'replay', { count: REPLAYED })
          );
          replays.set(name, [...(replays.get(name) ?? []), events / seconds]);
        },
        dialect,
      );
    }
  }
  const rows = rowsOf(measured);
  for (const row of rows) {
    const runtime = rows.find(({ work, server }) => work === row.work && server === RUNTIME);
    if (!inDraft && row.framesPerJob !== runtime?.framesPerJob)
      process.stderr.write(`${row.work}: ${row.server} sent ${row.framesPerJob} frames a job\n`);
  }
  return { rows, samples, replays };
}

/** The telling frames of a sample: the beginning with the first event, and the end. */
function ends(/** @type {Sample | undefined} */ sample) {
  const frames = sample?.frames ?? [];
  return frames.length <= 4 ? frames : [...frames.slice(0, 3), ...frames.slice(-1)];
}

/**
 * @param {ReadonlyMap<string, readonly Measured[]>} measured
 * @returns {Row[]}
 */
function rowsOf(measured) {
  return WORKS.flatMap((work) => {
    const rateOf = (/** @type {string} */ server) =>
      median((measured.get(`${work.name} ${server}`) ?? []).map(({ rate }) => rate));
    return SERVERS.map(({ name }) => {
      const figures = measured.get(`${work.name} ${name}`) ?? [];
      const isJobs = work.method === 'jobs';
      const isCeiling = CEILINGS.includes(name);
      return {
        work: work.name,
        unit: work.unit,
        server: name,
        rates: figures.map(({ rate }) => rate),
        p50: isJobs ? figures.map(({ p50 }) => p50) : undefined,
        p99: isJobs ? figures.map(({ p99 }) => p99) : undefined,
        cpu: figures.map(({ cpu }) => cpu),
        framesPerJob: median(figures.map(({ framesPerJob }) => framesPerJob)),
        ratios: CEILINGS.map((ceiling) => (isCeiling ? undefined : rateOf(name) / rateOf(ceiling))),
      };
    });
  });
}

/** What a session costs that waits for its client, its one finished job included: bytes, with each store. */
async function sessionCost() {
  /** @type {Map<string, number>} */
  const costs = new Map();
  for (const { name, file, args, dialect } of SERVERS.filter(({ name }) => !CEILINGS.includes(name))) {
    process.stderr.write(`detached sessions: ${name}\n`);
    const server = start(file, args, ['--expose-gc']);
    await withLoad(
      server,
      async (load) => {
        await ask(load, 'leaveSessions', { count: SESSIONS });
        const before = Number(await ask(server, 'heap'));
        await ask(load, 'leaveSessions', { count: SESSIONS });
        costs.set(name, (Number(await ask(server, 'heap')) - before) / SESSIONS);
      },
      dialect,
    );
  }
  return costs;
}

/** Profiles the runtime at its two kinds of work, each in a process of its own. */
async function profile() {
  const profiles = [];
  for (const work of WORKS.slice(-2)) {
    const file = `bench-${work.method}.cpuprofile`;
    const server = start('runtime-server.mjs', [], ['--cpu-prof', `--cpu-prof-name=${file}`]);
    await withLoad(server, async (load) => {
      for (let repeat = 0; repeat < 3; repeat++) await measure(work, server, load);
    });
    profiles.push({ work: work.name, file, top: topOf(file, 10) });
  }
  return profiles;
}

/** @param {string} path */
function versionIn(path) {
  const file = new URL(`../${path}/package.json`, import.meta.url);
  return /** @type {{ version: string }} */ (parseJson(readFileSync(file, 'utf8'))).version;
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.version,
  ws: versionIn('node_modules/ws'),
  runtime: versionIn('.'),
};
const machineLine = `${machine.cpu}, ${machine.cores} cores · node ${machine.node} · ws ${machine.ws} · arcp-runtime ${machine.runtime}`;

if (options.profile) {
  const profiles = await profile();
  if (options.json) console.log(JSON.stringify({ machine, profiles }, undefined, 2));
  else {
    console.log(machineLine);
    for (const { work, file, top } of profiles) {
      console.log(`\n${work} (${file})`);
      for (const { name, share } of top.slice(0, 5))
        console.log(`${(100 * share).toFixed(1).padStart(6)} %  ${name}`);
    }
  }
} else {
  const { rows, samples, replays } = await compare();
  const costs = await sessionCost();
  const sizes = [...samples].map(([tool, { requestBytes, frames }]) => {
    const bytes =
      frames.length <= 4 ? frames.map((frame) => frame.length).join(' + ') : `${frames.length} frames`;
    return `${tool}: ${requestBytes} B in, ${bytes} out`;
  });
  const [reference = ''] = CEILINGS;
  const ceiling = median(replays.get(reference) ?? []);
  const replayed = [...replays].map(([name, rates]) => {
    const rate = Math.round(median(rates)).toLocaleString('en-US');
    return `  ${name.padEnd(16)} ${rate.padStart(9)} a second  ${(median(rates) / ceiling).toFixed(2)} of ${reference}`;
  });
  const kept = [...costs].map(([name, bytes]) => `  ${name.padEnd(16)} ${(bytes / 1024).toFixed(1)} KiB`);
  if (options.json) {
    const more = { replays: Object.fromEntries(replays), detachedSessionBytes: Object.fromEntries(costs) };
    console.log(JSON.stringify({ machine, sizes, rows, ...more }, undefined, 2));
  } else {
    const replay = [`${REPLAYED.toLocaleString('en-US')} events told again after a drop:`, ...replayed];
    const detached = ['a detached session with one finished job, in memory:', ...kept];
    const parts = [
      machineLine,
      sizes.join(' · '),
      '',
      tableOf(rows, CEILINGS),
      '',
      ...replay,
      '',
      ...detached,
    ];
    console.log(parts.join('\n'));
  }
}
