/**
 * `npm run bench:check`: fails when a job costs more bytes than it did when `baseline.json` was recorded. What is measured
 * and why it can be relied upon is said in `footprint.mjs`.
 *
 *   --record   the present figures become the baseline
 *   --json     the figures as JSON
 *
 * What is allocated depends on the engine: the baseline has figures by the major version of Node. For another one only
 * what is stored is compared.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { allocatedPerEvent, allocatedPerJob, storedPerJob } from './footprint.mjs';
import { parseJson } from './ipc.mjs';

/** @typedef {Readonly<Record<string, number>>} Figures */
/** @typedef {{ stored: Figures; allocated: Readonly<Record<string, Figures>> }} Baseline */

const BASELINE = new URL('baseline.json', import.meta.url);
/** By how much more than the baseline a figure may be. */
const TOLERANCE = 0.1;
const MAJOR = process.versions.node.split('.')[0] ?? '';

const { values: options } = parseArgs({
  options: { record: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const baseline = /** @type {Baseline} */ (parseJson(readFileSync(BASELINE, 'utf8')));
const [stored, allocated] = await Promise.all([
  measured({ 'stored bytes per job': storedPerJob }),
  measured({
    'allocated bytes per job, memory': () => allocatedPerJob([]),
    'allocated bytes per job, draft-1.1': () => allocatedPerJob([], 'draft'),
    'allocated bytes per job, SQLite': () => allocatedPerJob(['sqlite', 'normal']),
    'allocated bytes per event': allocatedPerEvent,
  }),
]);

const before = { ...baseline.stored, ...baseline.allocated[MAJOR] };
const rows = Object.entries({ ...stored, ...allocated }).map(([name, bytes]) => {
  const earlier = before[name];
  const change = earlier === undefined ? undefined : bytes / earlier - 1;
  return { name, bytes, baseline: earlier, change, failed: change !== undefined && change > TOLERANCE };
});

if (options.json)
  console.log(JSON.stringify({ node: process.version, tolerance: TOLERANCE, rows }, undefined, 2));
else
  for (const { name, bytes, baseline: earlier, change, failed } of rows)
    console.log(
      [
        name.padEnd(36),
        String(bytes).padStart(8),
        earlier === undefined
          ? `no baseline for node ${MAJOR}`
          : `${signed(change ?? 0)} of ${earlier}${failed ? '  TOO MUCH' : ''}`,
      ].join('  '),
    );

if (options.record) {
  const recorded = { stored, allocated: { ...baseline.allocated, [MAJOR]: allocated } };
  writeFileSync(BASELINE, `${JSON.stringify(recorded, undefined, 2)}\n`);
} else if (rows.some(({ failed }) => failed)) {
  console.error(
    `bench:check: a job costs more than ${100 * TOLERANCE} % above its baseline. If it has to, say so in the commit ` +
      'and record it: npm run bench:check -- --record',
  );
  process.exitCode = 1;
}

/**
 * All at once: no figure depends on how busy the machine is.
 * @param {Readonly<Record<string, () => Promise<number>>>} figures
 * @returns {Promise<Figures>}
 */
async function measured(figures) {
  const bytes = await Promise.all(Object.values(figures).map(async (measure) => Math.round(await measure())));
  return Object.fromEntries(Object.keys(figures).map((name, index) => [name, bytes[index] ?? Number.NaN]));
}

/** @param {number} change */
function signed(change) {
  return `${change < 0 ? '' : '+'}${(100 * change).toFixed(1)} %`;
}
