/** (a) Jobs of an agent that does nothing, from request to end. */
import { connect, timed } from '../processes.mjs';
import { ask } from '../ipc.mjs';
import { ALL, withServer } from '../servers.mjs';

/** @typedef {import('./work.mjs').Measurement} Measurement */
/** @typedef {import('../load-jobs.mjs').LoadResult} LoadResult */

const FAST = { tool: 'fast', arguments: {} };
/** @typedef {{ warmUpMs: number; measureMs: number }} Times */
const TIMES = { warmUpMs: 400, measureMs: 1_000 };

/** How many jobs are in flight together, on how many sockets. */
const DEPTHS = [
  ...[1, 16, 64, 256].map((inFlight) => ({ inFlight, sockets: 1 })),
  ...[16, 64, 256].map((inFlight) => ({ inFlight, sockets: 8 })),
];

/** @type {import('./work.mjs').Work} */
export const jobs = {
  key: 'a',
  title: 'Jobs that do nothing',
  servers: ALL,
  async run(definition, samples, scale) {
    /** @type {Measurement[]} */
    const measured = [];
    await withServer(definition, samples, async (pair) => {
      for (const { inFlight, sockets } of DEPTHS) {
        await connect(pair, sockets, definition.dialect);
        const on = sockets === 1 ? 'one socket' : `${sockets} sockets`;
        measured.push(await jobsPerSecond(pair, `${inFlight} in flight on ${on}`, inFlight, timesOf(scale)));
      }
    });
    return measured;
  },
};

/**
 * How long jobs are kept going.
 * @param {import('./work.mjs').Scale} scale
 */
export function timesOf(scale) {
  return { warmUpMs: scale(TIMES.warmUpMs), measureMs: scale(TIMES.measureMs) };
}

/**
 * @param {import('../processes.mjs').Pair} pair
 * @param {string} work
 * @param {number} inFlight
 * @param {Times} times
 * @param {object} [job]
 * @returns {Promise<Measurement>}
 */
export async function jobsPerSecond(pair, work, inFlight, times, job = FAST) {
  await ask(pair.load, 'jobs', { ...job, inFlight, ms: times.warmUpMs });
  /** @type {LoadResult & { cpu: number; clientCpu: number }} */
  const result = await timed(pair, 'jobs', { ...job, inFlight, ms: times.measureMs });
  return {
    work,
    unit: 'jobs/s',
    value: result.jobs / result.seconds,
    p50: result.p50,
    p99: result.p99,
    cpu: result.cpu / result.jobs,
    clientCpu: result.clientCpu / result.jobs,
    frames: result.frames / result.jobs,
  };
}
