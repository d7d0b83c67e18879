/** The benchmark's figures as text. */

/**
 * One workload on one server: figures of all runs.
 * @typedef {object} Row
 * @property {string} work
 * @property {string} unit what is counted per second
 * @property {string} server
 * @property {readonly number[]} rates per second
 * @property {readonly number[] | undefined} p50 milliseconds
 * @property {readonly number[] | undefined} p99 milliseconds
 * @property {readonly number[]} cpu microseconds of the server per unit
 * @property {number} framesPerJob
 * @property {readonly (number | undefined)[]} ratios its rate divided by that of bare ws, and of bare ws corked; medians
 */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

const HEAD = [
  'work',
  'server',
  'per second',
  '(lowest – highest)',
  'of bare ws',
  'of corked',
  'p50 ms',
  'p99 ms',
  'cpu µs each',
];

/** @param {readonly Row[]} rows */
export function tableOf(rows) {
  const cells = rows.map((row, index) => [
    rows[index - 1]?.work === row.work ? '' : `${row.work}, ${row.unit}`,
    row.server,
    whole(median(row.rates)),
    `(${whole(Math.min(...row.rates))} – ${whole(Math.max(...row.rates))})`,
    ...row.ratios.map((ratio) => ratio?.toFixed(2) ?? ''),
    row.p50 === undefined ? '' : median(row.p50).toFixed(2),
    row.p99 === undefined ? '' : median(row.p99).toFixed(2),
    median(row.cpu).toFixed(1),
  ]);
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const lines = [HEAD, widths.map((width) => '-'.repeat(width)), ...cells];
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param {number} value */
function whole(value) {
  return Math.round(value).toLocaleString('en-US');
}
