/** (b) One job that tells much, and (e) the same told again to a client that comes back. */
import { ask } from '../ipc.mjs';
import { timed } from '../processes.mjs';
import { ALL, withServer } from '../servers.mjs';

/** @typedef {import('./work.mjs').Measurement} Measurement */

const EVENTS = 20_000;
const REPLAYED = [20_000, 100_000];
const REPEATED = 3;

/** @type {import('./work.mjs').Work} */
export const events = {
  key: 'b',
  title: 'One job of 20,000 events',
  servers: ALL,
  async run(definition, samples, scale) {
    const count = scale(EVENTS, 64);
    const job = { tool: 'burst', arguments: { count } };
    /** @type {Measurement[]} */
    const measured = [];
    await withServer(definition, samples, async (pair) => {
      await ask(pair.load, 'events', { ...job, repeat: 1 });
      /** @type {import('../load-jobs.mjs').LoadResult & { cpu: number; clientCpu: number }} */
      const result = await timed(pair, 'events', { ...job, repeat: REPEATED });
      const told = REPEATED * count;
      if (result.frames < told || result.frames > told + 5 * REPEATED)
        throw new Error(`${result.frames} frames for ${told} events`);
      measured.push({
        work: `${EVENTS.toLocaleString('en-US')} events`,
        unit: 'events/s',
        value: told / result.seconds,
        cpu: result.cpu / told,
        clientCpu: result.clientCpu / told,
        frames: result.frames / REPEATED,
      });
    });
    return measured;
  },
};

/** @type {import('./work.mjs').Work} */
export const replay = {
  key: 'e',
  title: 'Events told again after a drop',
  servers: ALL,
  async run(definition, samples, scale) {
    /** @type {Measurement[]} */
    const measured = [];
    await withServer(definition, samples, async (pair) => {
      await ask(pair.load, 'replay', { count: scale(EVENTS, 64) });
      for (const full of REPLAYED) {
        const count = scale(full, 64);
        const { frames, seconds } = /** @type {{ frames: number; seconds: number }} */ (
          await ask(pair.load, 'replay', { count })
        );
        const work = `${full.toLocaleString('en-US')} events`;
        measured.push({ work, unit: 'events/s', value: frames / seconds, frames });
      }
    });
    return measured;
  },
};
