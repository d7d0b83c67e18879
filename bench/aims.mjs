/** What the figures ought to be. */
import { find } from './figures.mjs';
import { BARE, CORKED, DRAFT, MEMORY, SQLITE } from './servers.mjs';

/** @typedef {import('./figures.mjs').Row} Row */

/**
 * @typedef {object} Aim
 * @property {string} title
 * @property {string} text
 * @property {number} least
 * @property {number} most
 * @property {number} digits
 * @property {(at: (work: string, server: string) => Row | undefined) => number | undefined} figure
 * @property {string} key of the work
 */

const AT_64 = '64 in flight on one socket';

/**
 * At least this part of the corked bare server's rate.
 * @param {string} key
 * @param {string} work
 * @param {string} server
 * @param {number} least
 * @returns {Aim}
 */
function ratio(key, work, server, least) {
  return {
    key,
    title: `${work}, ${server}`,
    text: `≥ ${least.toFixed(2)} of ${CORKED.name}`,
    least,
    most: Infinity,
    digits: 2,
    figure: (at) => at(work, server)?.ratios[CORKED.name],
  };
}

/** @type {readonly Aim[]} */
export const AIMS = [
  ratio('a', AT_64, MEMORY.name, 0.75),
  ratio('a', AT_64, SQLITE.name, 0.5),
  {
    key: 'a',
    title: `p99 with ${AT_64}, ${MEMORY.name}`,
    text: `≤ 3 × that of ${CORKED.name}`,
    least: 0,
    most: 3,
    digits: 2,
    figure: (at) => quotient(at(AT_64, MEMORY.name)?.p99, at(AT_64, CORKED.name)?.p99),
  },
  {
    key: 'a',
    title: `server CPU of a job in draft-1.1, ${AT_64}`,
    text: '≤ 1.20 × the classic one',
    least: 0,
    most: 1.2,
    digits: 2,
    figure: (at) => quotient(at(AT_64, DRAFT.name)?.cpu, at(AT_64, MEMORY.name)?.cpu),
  },
  ratio('b', '20,000 events', MEMORY.name, 0.7),
  ratio('b', '20,000 events', SQLITE.name, 0.45),
  ...['64 KiB, utf8', '64 KiB, base64', '1 MiB, utf8', '1 MiB, base64'].map((chunks) =>
    ratio('c', `chunks of ${chunks}`, MEMORY.name, 0.8),
  ),
  ratio('d', '100 who watch', MEMORY.name, 0.8),
  ratio('e', '100,000 events', MEMORY.name, 0.6),
  {
    key: 'f',
    title: '10,000 idle sessions: KiB each above those of a bare socket',
    text: '≤ 12',
    least: -Infinity,
    most: 12,
    digits: 1,
    figure: (at) => {
      const [ours, bare] = [at('10,000 idle', MEMORY.name)?.median, at('10,000 idle', BARE.name)?.median];
      return ours === undefined || bare === undefined ? undefined : (ours - bare) / 1_024;
    },
  },
  {
    key: 'i',
    title: 'jobs/s with 1,000,000 stored, of those with none',
    text: '≥ 0.90',
    least: 0.9,
    most: Infinity,
    digits: 2,
    figure: (at) =>
      quotient(at('1,000,000 stored', SQLITE.name)?.median, at('nothing stored', SQLITE.name)?.median),
  },
];

/**
 * What the figures come to.
 * @param {Aim} aim
 * @param {readonly Row[]} rows
 */
export function reached({ key, figure }, rows) {
  return figure((work, server) => find(rows, key, work, server));
}

/**
 * @param {number | undefined} value
 * @param {number | undefined} of
 */
function quotient(value, of) {
  return value === undefined || of === undefined ? undefined : value / of;
}
