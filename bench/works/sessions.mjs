/** (f) What a session costs that is open and does nothing, and one whose client is away. */
import { ask } from '../ipc.mjs';
import { connect } from '../processes.mjs';
import { BARE, DRAFT, MEMORY, SQLITE, withServer } from '../servers.mjs';

const IDLE = [1_000, 10_000];
const DETACHED = 1_000;

/** @type {import('./work.mjs').Work} */
export const sessions = {
  key: 'f',
  title: 'Sessions that do nothing',
  servers: [MEMORY, SQLITE, DRAFT, BARE],
  async run(definition, samples, scale) {
    /** @type {import('./work.mjs').Measurement[]} */
    const measured = [];
    await withServer(
      definition,
      samples,
      async (pair) => {
        const { server, load } = pair;
        /**
         * @param {string} method
         * @param {number} count
         */
        const bytesEach = async (method, count) => {
          const before = Number(await ask(server, 'heap'));
          await ask(load, method, { count });
          return (Number(await ask(server, 'heap')) - before) / count;
        };
        for (const full of IDLE) {
          // Those of before are gone, and what was made for the first of all is there.
          await connect(pair, 10, definition.dialect);
          const work = `${full.toLocaleString('en-US')} idle`;
          measured.push({ work, unit: 'bytes', value: await bytesEach('idle', scale(full, 100)) });
        }
        if (definition === BARE) return;
        await connect(pair, 1, definition.dialect);
        await ask(load, 'leaveSessions', { count: scale(DETACHED, 100) });
        const value = await bytesEach('leaveSessions', scale(DETACHED, 100));
        measured.push({ work: 'detached, with a finished job', unit: 'bytes', value });
      },
      ['--expose-gc'],
    );
    return measured;
  },
};
