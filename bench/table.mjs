/** The benchmark's figures as a table. */
import { CEILINGS } from './servers.mjs';

/** @typedef {import('./figures.mjs').Row} Row */

/** @param {readonly string[]} references the servers that the others are compared with */
export const columnsOf = (references = CEILINGS) => [
  'work',
  'server',
  'median',
  'lowest – highest',
  ...references.map((name) => `of ${name}`),
  'p50 ms',
  'p99 ms',
  'cpu µs each',
];

/**
 * The cells of each row; what is the same as above is left out.
 * @param {readonly Row[]} rows
 * @param {readonly string[]} [references]
 */
export function cellsOf(rows, references = CEILINGS) {
  return rows.map((row, index) => [
    rows[index - 1]?.work === row.work ? '' : row.work,
    row.server,
    `${whole(row.median)} ${row.unit}`,
    `${whole(Math.min(...row.values))} – ${whole(Math.max(...row.values))}`,
    ...references.map((name) => row.ratios[name]?.toFixed(2) ?? ''),
    row.p50?.toFixed(2) ?? '',
    row.p99?.toFixed(2) ?? '',
    row.cpu?.toFixed(1) ?? '',
  ]);
}

/**
 * @param {readonly Row[]} rows
 * @param {readonly string[]} [references]
 */
export function tableOf(rows, references = CEILINGS) {
  const columns = columnsOf(references);
  const cells = cellsOf(rows, references);
  const widths = columns.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const lines = [columns, widths.map((width) => '-'.repeat(width)), ...cells];
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
