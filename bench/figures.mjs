/** What the runs of the benchmark come to: medians and spreads, and ratios to what was measured in the same run. */
import { CEILINGS } from './servers.mjs';

/** @typedef {import('./works/work.mjs').Measurement} Measurement */
/** @typedef {{ key: string; server: string; run: number } & Measurement} Taken */

/**
 * One piece of work on one server: figures of all runs.
 * @typedef {object} Row
 * @property {string} key
 * @property {string} work
 * @property {string} server
 * @property {string} unit
 * @property {number[]} values of each run
 * @property {number} median
 * @property {Readonly<Record<string, number>>} ratios to each server that it is compared with: the median of each run's own
 * @property {number} [p50] milliseconds, the median of the runs
 * @property {number} [p99]
 * @property {number} [cpu] microseconds of the server for each of what the unit counts
 * @property {number} [clientCpu]
 * @property {number} [frames]
 * @property {number} [stored]
 */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

const MORE = /** @type {const} */ (['p50', 'p99', 'cpu', 'clientCpu', 'frames', 'stored']);

/**
 * @param {readonly Taken[]} taken
 * @param {readonly string[]} [references] the servers that the others are compared with
 * @returns {Row[]} in the order of the works, the servers of each beside each other
 */
export function rowsOf(taken, references = CEILINGS) {
  /** @type {Map<string, Map<string, Taken[]>>} */
  const works = new Map();
  for (const figure of taken) {
    const work = `${figure.key} ${figure.work}`;
    /** @type {Map<string, Taken[]>} */
    const servers = works.get(work) ?? new Map();
    works.set(work, servers);
    servers.set(figure.server, [...(servers.get(figure.server) ?? []), figure]);
  }
  return [...works.values()].flatMap((servers) =>
    [...servers.values()].map((runs) => rowOf(runs, servers, references)),
  );
}

/**
 * @param {readonly Taken[]} runs
 * @param {ReadonlyMap<string, readonly Taken[]>} servers
 * @param {readonly string[]} references
 * @returns {Row}
 */
function rowOf(runs, servers, references) {
  const [{ key, work, server, unit } = { key: '', work: '', server: '', unit: '' }] = runs;
  /** @type {Row} */
  const row = { key, work, server, unit, values: runs.map(({ value }) => value), median: 0, ratios: {} };
  row.median = median(row.values);
  for (const reference of references) {
    if (references.includes(server)) continue;
    const ratios = runs.flatMap(({ run, value }) => {
      const same = servers.get(reference)?.find((other) => other.run === run);
      return same === undefined ? [] : [value / same.value];
    });
    if (ratios.length > 0) row.ratios = { ...row.ratios, [reference]: median(ratios) };
  }
  for (const name of MORE) {
    const values = runs.flatMap(({ [name]: value }) => (value === undefined ? [] : [value]));
    if (values.length > 0) row[name] = median(values);
  }
  return row;
}

/**
 * The row of this work on this server.
 * @param {readonly Row[]} rows
 * @param {string} key
 * @param {string} work
 * @param {string} server
 */
export function find(rows, key, work, server) {
  return rows.find((row) => row.key === key && row.work === work && row.server === server);
}
