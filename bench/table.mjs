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
 * @property {readonly (number | undefined)[]} ratios its rate divided by that of each server that it is compared with; medians
 */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * @param {readonly Row[]} rows
 * @param {readonly string[]} references the servers that the others are compared with
 */
export function tableOf(rows, references) {
  const head = [
    'work',
    'server',
    'per second',
    '(lowest – highest)',
    ...references.map((name) => `of ${name}`),
    'p50 ms',
    'p99 ms',
    'cpu µs each',
  ];
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
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const lines = [head, widths.map((width) => '-'.repeat(width)), ...cells];
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
