/** The processes of the benchmark: a server, and a load generator that is connected to it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ask } from './ipc.mjs';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {import('./load.mjs').LoadResult} LoadResult */

/**
 * @typedef {object} Work
 * @property {string} name
 * @property {string} unit what is counted
 * @property {number} unitsPerJob
 * @property {string} method of the load generator
 * @property {object} warmUp
 * @property {object} measure
 */

/** @typedef {LoadResult & { rate: number; cpu: number; framesPerJob: number }} Measured `cpu`: µs of the server per unit */

/**
 * @param {string} file
 * @param {readonly string[]} [args]
 * @param {readonly string[]} [execArgv]
 */
export function start(file, args = [], execArgv = []) {
  return fork(fileURLToPath(new URL(file, import.meta.url)), [...args], { execArgv: [...execArgv] });
}

/**
 * Connects a load generator to a server for as long as `use` takes; afterwards both have ended.
 * @param {ChildProcess} server
 * @param {(load: ChildProcess) => Promise<void>} use
 * @param {string} [dialect] `draft` for draft-1.1
 */
export async function withLoad(server, use, dialect = 'classic') {
  const load = start('load.mjs');
  await ask(load, 'connect', { port: await ask(server, 'port'), dialect });
  await use(load);
  for (const child of [load, server]) {
    const exited = once(child, 'exit');
    child.disconnect();
    await exited;
  }
}

/**
 * @param {Work} work
 * @param {ChildProcess} server
 * @param {ChildProcess} load
 * @returns {Promise<Measured>}
 */
export async function measure(work, server, load) {
  await ask(load, work.method, work.warmUp);
  await ask(server, 'cpu');
  const result = /** @type {LoadResult} */ (await ask(load, work.method, work.measure));
  const cpu = Number(await ask(server, 'cpu'));
  const units = result.jobs * work.unitsPerJob;
  return {
    ...result,
    rate: units / result.seconds,
    cpu: cpu / units,
    framesPerJob: result.frames / result.jobs,
  };
}
