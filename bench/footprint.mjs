/**
 * What a job costs in bytes: figures that do not depend on how busy the machine is, so that they can be held against
 * earlier ones.
 *
 * (B1) Allocated bytes are what the heap and the buffers of the server grow by while nothing is collected: its young
 *      generation has room for many samples, and a sample in which something was collected is not counted.
 * (B2) Jobs come in rounds: 64 requests in one write, the next ones when all have ended. How they are gathered, and with
 *      that what they cost, is then the same on a busy machine.
 * (B3) Counted is from where the server is warm: its code is compiled, and it forgets as many jobs as it takes.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './ipc.mjs';
import { connect, start, withLoad } from './processes.mjs';
import { median } from './figures.mjs';

/** @typedef {{ bytes: number; collections: number }} Allocation */
/** @typedef {{ method: string; warmUp: object; sample: object; units: number }} Sampled what the load generator does, and how many units of it a sample has */

const IN_FLIGHT = 64;
const SAMPLES = 25;
/** Room for a sample several times over (B1). */
const ALLOCATING = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256'];

const FAST = { tool: 'fast', arguments: {}, inFlight: IN_FLIGHT };
const EVENTS = 20_000;
const BURST = { tool: 'burst', arguments: { count: EVENTS } };

/** The warm-up is longer than the 10,000 finished jobs that the runtime keeps (B3); the samples together are 51,200 jobs. */
const JOBS = {
  method: 'rounds',
  warmUp: { ...FAST, rounds: 200 },
  sample: { ...FAST, rounds: 32 },
  units: IN_FLIGHT * 32,
};
const EVENTS_OF_A_JOB = {
  method: 'events',
  warmUp: { ...BURST, repeat: 5 },
  sample: { ...BURST, repeat: 1 },
  units: EVENTS,
};

/**
 * @param {readonly string[]} args of the server
 * @param {string} [dialect]
 */
export function allocatedPerJob(args, dialect) {
  return allocated(JOBS, args, dialect);
}

export function allocatedPerEvent() {
  return allocated(EVENTS_OF_A_JOB, []);
}

/**
 * The median of the samples, in bytes per unit.
 * @param {Sampled} sampled
 * @param {readonly string[]} args
 * @param {string} [dialect]
 */
async function allocated({ method, warmUp, sample, units }, args, dialect = 'classic') {
  const server = start('runtime-server.mjs', args, ALLOCATING);
  /** @type {number[]} */
  const samples = [];
  await withLoad(
    server,
    async (load) => {
      await ask(load, method, warmUp);
      for (let taken = 0; taken < SAMPLES; taken++) {
        await ask(server, 'collect');
        const before = /** @type {Allocation} */ (await ask(server, 'allocation'));
        await ask(load, method, sample);
        const after = /** @type {Allocation} */ (await ask(server, 'allocation'));
        if (after.collections === before.collections) samples.push((after.bytes - before.bytes) / units);
      }
    },
    dialect,
  );
  if (samples.length <= SAMPLES / 2)
    throw new Error(`only ${samples.length} of ${SAMPLES} samples were without a collection`);
  return median(samples);
}

/** Rounds of a store that is measured, all of whose jobs are kept: 51,200 jobs. */
const STORED_ROUNDS = 800;

/** Bytes on disk per job, from an empty store on; with the events' text, its index and what SQLite adds. */
export async function storedPerJob() {
  const server = start('runtime-server.mjs', ['sqlite', 'normal', 'keep-all']);
  let bytes = 0;
  await withLoad(server, async (load) => {
    await ask(load, 'rounds', { ...FAST, rounds: STORED_ROUNDS });
    // The server would close the session, which is an error everywhere else.
    await connect({ server, load }, 0, 'classic');
    bytes = sizeOf(String(await ask(server, 'settle')));
  });
  return bytes / (IN_FLIGHT * STORED_ROUNDS);
}

/**
 * @param {string} folder
 * @returns {number} bytes of all files in it
 */
function sizeOf(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}
