/**
 * Makes BENCHMARKS.md of the figures of a run, and holds them against what is aimed for:
 *
 *   npm run -s bench:full -- --json > figures.json && node bench/document.mjs figures.json
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { AIMS, reached } from './aims.mjs';
import { parseJson } from './ipc.mjs';
import { machineLine } from './machine.mjs';
import { cellsOf, columnsOf } from './table.mjs';
import { WORKS } from './works/index.mjs';

/** @typedef {{ machine: import('./machine.mjs').Machine; runs: number; scale: number; rows: import('./figures.mjs').Row[] }} Figures */

const [file = ''] = process.argv.slice(2);
const { machine, runs, scale, rows } = /** @type {Figures} */ (parseJson(readFileSync(file, 'utf8')));
if (scale !== 1) throw new Error(`the figures are of a run with --scale ${scale}: they mean nothing`);

const aims = AIMS.map((aim) => {
  const figure = reached(aim, rows);
  const isMet = figure === undefined ? '' : figure >= aim.least && figure <= aim.most ? 'yes' : 'no';
  return [aim.title, aim.text, figure === undefined ? 'not measured' : figure.toFixed(aim.digits), isMet];
});

const parts = [
  '# Benchmarks',
  `${machineLine(machine)}. Medians of ${runs} runs; made by \`bench/document.mjs\` of what \`npm run bench\` or \`bench:full\` said with \`--json\`.`,
  'Each server runs in a process of its own, the load generator in another. `bare ws` parses each request with `JSON.parse` and ' +
    'answers with the same number and sizes of frames by `JSON.stringify`; `corked` gathers the writes of a turn. What is ' +
    'absolute here says more about the machine than about the runtime: what counts are the ratios, each to what was measured in the same run.',
  '## What is aimed for',
  markdown(['', 'aim', 'reached', 'met'], aims),
  ...WORKS.flatMap(({ key, title }) => {
    const own = rows.filter((row) => row.key === key);
    return own.length === 0 ? [] : [`## (${key}) ${title}`, markdown(columnsOf(), cellsOf(own))];
  }),
];

const text = await format(parts.join('\n\n'), { parser: 'markdown', printWidth: 110 });
writeFileSync(new URL('../BENCHMARKS.md', import.meta.url), text);

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} lines
 */
function markdown(head, lines) {
  const rule = head.map(() => '---');
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
