/** The benchmark's figures as a table. */
import { CEILINGS } from './servers.mjs';

/** @typedef {import('./figures.mjs').Row} Row */

export const COLUMNS = [
  'work',
  'server',
  'median',
  'lowest – highest',
  ...CEILINGS.map((name) => `of ${name}`),
  'p50 ms',
  'p99 ms',
  'cpu µs each',
];

/**
 * The cells of each row; what is the same as above is left out.
 * @param {readonly Row[]} rows
 */
export function cellsOf(rows) {
  return rows.map((row, index) => [
    rows[index - 1]?.work === row.work ? '' : row.work,
    row.server,
    `${whole(row.median)} ${row.unit}`,
    `${whole(Math.min(...row.values))} – ${whole(Math.max(...row.values))}`,
    ...CEILINGS.map((name) => row.ratios[name]?.toFixed(2) ?? ''),
    row.p50?.toFixed(2) ?? '',
    row.p99?.toFixed(2) ?? '',
    row.cpu?.toFixed(1) ?? '',
  ]);
}

/** @param {readonly Row[]} rows */
export function tableOf(rows) {
  const cells = cellsOf(rows);
  const widths = COLUMNS.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const lines = [COLUMNS, widths.map((width) => '-'.repeat(width)), ...cells];
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
