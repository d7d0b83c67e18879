/**
 * One kind of work that is measured.
 *
 * @typedef {object} Work
 * @property {string} key its letter
 * @property {string} title
 * @property {readonly import('../servers.mjs').Server[]} servers
 * @property {boolean} [isLong] left out of `npm run bench`
 * @property {(server: import('../servers.mjs').Server, samples: import('../servers.mjs').Samples, scale: Scale) => Promise<Measurement[]>} run
 */

/**
 * How much is done: 1 for figures that mean something, less to see whether it works.
 * @typedef {(full: number, atLeast?: number) => number} Scale
 */

/**
 * One figure of one run.
 * @typedef {object} Measurement
 * @property {string} work what was done
 * @property {string} unit of `value`
 * @property {number} value
 * @property {number} [p50] milliseconds
 * @property {number} [p99] milliseconds
 * @property {number} [cpu] microseconds of the server for each of what the unit counts
 * @property {number} [clientCpu] the same of the load generator
 * @property {number} [frames] that the client was sent for each job
 * @property {number} [stored] jobs in the store
 */
export {};
