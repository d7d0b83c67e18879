/** (c) Large results in chunks. The first one is read and compared byte by byte, of the others chunks are counted. */
import { ask } from '../ipc.mjs';
import { timed } from '../processes.mjs';
import { ALL, withServer } from '../servers.mjs';

const BYTES = 64 * 1024 * 1024;
const CHUNKS = [
  { name: '64 KiB', chunkBytes: 64 * 1024 },
  { name: '1 MiB', chunkBytes: 1024 * 1024 },
];
/** A checked stream, to warm up. */
const CHECKED_BYTES = 16 * 1024 * 1024;
const MIB = 1024 * 1024;

/** @type {import('./work.mjs').Work} */
export const streams = {
  key: 'c',
  title: 'A result of 64 MiB',
  servers: ALL,
  async run(definition, samples, scale) {
    /** @type {import('./work.mjs').Measurement[]} */
    const measured = [];
    const bytes = MIB * scale(BYTES / MIB, 2);
    await withServer(definition, samples, async (pair) => {
      for (const { name, chunkBytes } of CHUNKS) {
        for (const encoding of ['utf8', 'base64']) {
          const input = { chunkBytes, encoding };
          await ask(pair.load, 'stream', { ...input, bytes: Math.min(bytes, CHECKED_BYTES), check: true });
          /** @type {{ seconds: number; cpu: number; clientCpu: number }} */
          const { seconds, cpu, clientCpu } = await timed(pair, 'stream', { ...input, bytes, check: false });
          const megabytes = bytes / 1e6;
          measured.push({
            work: `chunks of ${name}, ${encoding}`,
            unit: 'MB/s',
            value: megabytes / seconds,
            cpu: cpu / megabytes,
            clientCpu: clientCpu / megabytes,
          });
        }
      }
    });
    return measured;
  },
};
