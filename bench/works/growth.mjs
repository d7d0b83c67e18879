/** (i) Whether jobs take longer where a million of them are stored; none is forgotten here. */
import { ask } from '../ipc.mjs';
import { SQLITE, withServer } from '../servers.mjs';
import { jobsPerSecond, timesOf } from './jobs.mjs';

/** @typedef {import('../load-jobs.mjs').LoadResult} LoadResult */

const JOBS = 1_000_000;
const IN_FLIGHT = 64;
const FILLING = { tool: 'fast', arguments: {}, inFlight: 256, ms: 5_000 };
/** Filling ends after this, with however many jobs there are then. */
const LONGEST_MS = 600_000;

/** @type {import('./work.mjs').Work} */
export const growth = {
  key: 'i',
  title: 'Growth',
  isLong: true,
  servers: [{ ...SQLITE, args: ['sqlite', 'keep-all'] }],
  async run(definition, samples, scale) {
    /** @type {import('./work.mjs').Measurement[]} */
    const measured = [];
    await withServer(
      definition,
      samples,
      async (pair) => {
        const filling = { ...FILLING, ms: scale(FILLING.ms) };
        // So that both are as warm: a slice of filling is little beside what follows.
        await ask(pair.load, 'jobs', filling);
        measured.push(await jobsPerSecond(pair, 'nothing stored', IN_FLIGHT, timesOf(scale)));
        const wanted = scale(JOBS, 1_000);
        const until = performance.now() + LONGEST_MS;
        let stored = 0;
        while (stored < wanted && performance.now() < until)
          stored += /** @type {LoadResult} */ (await ask(pair.load, 'jobs', filling)).jobs;
        const reached = stored >= wanted ? JOBS.toLocaleString('en-US') : `only ${stored}`;
        const full = await jobsPerSecond(pair, `${reached} stored`, IN_FLIGHT, timesOf(scale));
        measured.push({ ...full, stored });
      },
      ['--max-old-space-size=12288'],
    );
    return measured;
  },
};
