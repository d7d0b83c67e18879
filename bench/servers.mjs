/** What is measured, and what it is measured against. */
import { ask } from './ipc.mjs';
import { start, withLoad } from './processes.mjs';

/** @typedef {import('./processes.mjs').ChildProcess} ChildProcess */
/** @typedef {import('./processes.mjs').Pair} Pair */
/** The frames of a job of each agent. @typedef {[tool: string, frames: string[]][]} Samples */

/**
 * @typedef {object} Server
 * @property {string} name
 * @property {string} file
 * @property {readonly string[]} args
 * @property {'classic' | 'draft'} dialect
 */

/** @type {Server} */
export const MEMORY = { name: 'memory', file: 'runtime-server.mjs', args: [], dialect: 'classic' };
/** @type {Server} */
export const SQLITE = { ...MEMORY, name: 'sqlite, full', args: ['sqlite'] };
/** @type {Server} */
export const DRAFT = { ...MEMORY, name: 'draft-1.1', dialect: 'draft' };
/** @type {Server} */
export const BARE = { name: 'bare ws', file: 'ceiling-server.mjs', args: [], dialect: 'classic' };
/** @type {Server} */
export const CORKED = { ...BARE, name: 'bare ws, corked', args: ['corked'] };

export const CEILINGS = [CORKED.name, BARE.name];
export const CLASSIC = [MEMORY, SQLITE, BARE, CORKED];
export const ALL = [MEMORY, SQLITE, DRAFT, BARE, CORKED];

const SMALL_STREAM = { bytes: 131_072, chunkBytes: 65_536, encoding: 'utf8' };
/** Jobs that show which frames a job of each agent is made of. */
const SAMPLED = [
  { tool: 'fast', arguments: {} },
  { tool: 'burst', arguments: { count: 1 } },
  { tool: 'stream', arguments: SMALL_STREAM },
  { tool: 'chain', arguments: { depth: 5 } },
];

/** @returns {Promise<Samples>} what the runtime sends, for the bare servers to send the same */
export async function sampleFrames() {
  /** @type {Samples} */
  const samples = [];
  await withLoad(start(MEMORY.file, MEMORY.args), async (load) => {
    for (const job of SAMPLED) {
      const { frames } = /** @type {{ frames: string[] }} */ (await ask(load, 'sample', job));
      samples.push([job.tool, frames]);
    }
  });
  return samples;
}

/**
 * @param {Server} definition
 * @param {Samples} samples
 * @param {readonly string[]} [execArgv]
 */
export async function startServer({ file, args }, samples, execArgv = []) {
  const server = start(file, args, execArgv);
  if (file === BARE.file) await ask(server, 'learn', samples);
  return server;
}

/**
 * Starts a server and a load generator for as long as `use` takes.
 * @param {Server} definition
 * @param {Samples} samples
 * @param {(pair: Pair) => Promise<unknown>} use
 * @param {readonly string[]} [execArgv]
 */
export async function withServer(definition, samples, use, execArgv = []) {
  const server = await startServer(definition, samples, execArgv);
  await withLoad(server, (load) => use({ server, load }), definition.dialect);
}
