/** The processes of the benchmark: a server, and a load generator that is connected to it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ask } from './ipc.mjs';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {{ server: ChildProcess; load: ChildProcess }} Pair */

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
 * @param {(load: ChildProcess) => Promise<unknown>} use
 * @param {string} [dialect] `draft` for draft-1.1
 */
export async function withLoad(server, use, dialect = 'classic') {
  const load = start('load.mjs');
  try {
    await connect({ server, load }, 1, dialect);
    await use(load);
  } finally {
    await Promise.all([end(load), end(server)]);
  }
}

/**
 * @param {Pair} pair
 * @param {number} sockets
 * @param {string} dialect
 */
export async function connect({ server, load }, sockets, dialect) {
  await ask(load, 'connect', { port: await ask(server, 'port'), dialect, sockets });
}

/** @param {ChildProcess} child */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exited;
}

/**
 * What the load generator says of a piece of work, and the processor time of the server and of the generator meanwhile,
 * in microseconds.
 * @template T
 * @param {Pair} pair
 * @param {string} method
 * @param {object} argument
 * @returns {Promise<T & { cpu: number; clientCpu: number }>}
 */
export async function timed({ server, load }, method, argument) {
  await ask(server, 'cpu');
  await ask(load, 'cpu');
  const result = /** @type {T} */ (await ask(load, method, argument));
  return { ...result, cpu: Number(await ask(server, 'cpu')), clientCpu: Number(await ask(load, 'cpu')) };
}
