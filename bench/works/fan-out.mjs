/** (d) The events of one job to many who watch it. The bare server writes one prebuilt frame to all. */
import { ask } from '../ipc.mjs';
import { ALL, CORKED, BARE, MEMORY, withServer } from '../servers.mjs';

const EVENTS = 2_000;
const FEW = 100;
const MANY = 1_000;
/** Many watchers take long: for them the servers that the aims are about. */
const WITH_MANY = [MEMORY, BARE, CORKED];

/** @type {import('./work.mjs').Work} */
export const fanOut = {
  key: 'd',
  title: '2,000 events to many who watch',
  servers: ALL,
  async run(definition, samples, scale) {
    /** @type {import('./work.mjs').Measurement[]} */
    const measured = [];
    const count = scale(EVENTS, 64);
    await withServer(definition, samples, async ({ server, load }) => {
      for (const full of WITH_MANY.includes(definition) ? [FEW, MANY] : [FEW]) {
        const subscribers = scale(full, 10);
        for (const isWarmUp of [true, false]) {
          if (isWarmUp && full === MANY) continue;
          await ask(load, 'watch', { subscribers, count });
          await ask(server, 'cpu');
          await ask(load, 'cpu');
          const told = ask(load, 'told', { count });
          await ask(server, 'go');
          const { frames, seconds } = /** @type {{ frames: number; seconds: number }} */ (await told);
          const [cpu, clientCpu] = [Number(await ask(server, 'cpu')), Number(await ask(load, 'cpu'))];
          if (isWarmUp) continue;
          measured.push({
            work: `${full.toLocaleString('en-US')} who watch`,
            unit: 'deliveries/s',
            value: frames / seconds,
            cpu: cpu / frames,
            clientCpu: clientCpu / frames,
          });
        }
      }
    });
    return measured;
  },
};
