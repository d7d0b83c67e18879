/** Where the benchmark ran, and with what. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseJson } from './ipc.mjs';

/** @typedef {ReturnType<typeof machineHere>} Machine */

export function machineHere() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.version,
    ws: versionIn('node_modules/ws'),
    libsql: versionIn('node_modules/libsql'),
    runtime: versionIn('.'),
  };
}

/** @param {Machine} machine */
export function machineLine({ cpu, cores, node, ws, libsql, runtime }) {
  return `${cpu}, ${cores} cores · node ${node} · ws ${ws} · libsql ${libsql} · arcp-runtime ${runtime}`;
}

/** @param {string} path */
function versionIn(path) {
  const file = new URL(`../${path}/package.json`, import.meta.url);
  return /** @type {{ version: string }} */ (parseJson(readFileSync(file, 'utf8'))).version;
}
