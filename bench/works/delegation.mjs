/** (g) A job that delegates to a job that delegates, five deep: six jobs, of whose ends each waits for the next. */
import { CLASSIC, withServer } from '../servers.mjs';
import { jobsPerSecond, timesOf } from './jobs.mjs';

const DEPTH = 5;
const IN_FLIGHT = [1, 16];

/** @type {import('./work.mjs').Work} */
export const delegation = {
  key: 'g',
  title: 'Delegation five deep',
  isLong: true,
  servers: CLASSIC,
  async run(definition, samples, scale) {
    /** @type {import('./work.mjs').Measurement[]} */
    const measured = [];
    await withServer(definition, samples, async (pair) => {
      const job = { tool: 'chain', arguments: { depth: DEPTH } };
      for (const inFlight of IN_FLIGHT) {
        const figure = await jobsPerSecond(
          pair,
          `${inFlight} trees in flight`,
          inFlight,
          timesOf(scale),
          job,
        );
        measured.push({ ...figure, unit: 'trees/s' });
      }
    });
    return measured;
  },
};
