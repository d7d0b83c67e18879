/**
 * The two layouts of `repo-report`. A layout yields text as soon as it can be written: the folders come as promises,
 * in the order in which they are shown.
 */
import { formatAmount, parseAmount } from 'arcp-runtime/protocol';

/** @typedef {import('./code-stats.mjs').CodeStats} CodeStats */
/** @typedef {{ name: string, share: string | undefined }} FolderShare */
/** @typedef {FolderShare & { status: 'counted', stats: CodeStats }} CountedFolder */
/** @typedef {FolderShare & { status: 'failed', code: string, message: string }} FailedFolder */
/** @typedef {CountedFolder | FailedFolder} FolderReport */
/** @typedef {(title: string, folders: Promise<FolderReport>[]) => AsyncGenerator<string, void, undefined>} Layout */

const BIGGEST_FILES = 10;
const BAR_WIDTH = 20;

/**
 * Version 1.0.0: one line a folder.
 *
 * @type {Layout}
 */
export async function* listReport(title, folders) {
  yield `# ${text(title)}\n\n`;
  let files = 0;
  let lines = 0;
  for (const promise of folders) {
    const folder = await promise;
    if (folder.status === 'failed') {
      yield `- ${code(folder.name)}: not counted, ${folder.code}: ${text(folder.message)}\n`;
      continue;
    }
    files += folder.stats.files;
    lines += folder.stats.lines;
    yield `- ${code(folder.name)}: ${folder.stats.files} files, ${folder.stats.lines} lines\n`;
  }
  yield `\nTogether: ${files} files, ${lines} lines.\n`;
}

/**
 * Version 2.0.0: folders, languages and biggest files as tables, with the credits that each folder took.
 *
 * @type {Layout}
 */
export async function* tableReport(title, folders) {
  yield `# ${text(title)}\n\n## Folders\n\n`;
  yield row('folder', 'files', 'lines', 'bytes', 'biggest language', 'credits', 'share');
  yield row('---', '---:', '---:', '---:', '---', '---:', '---:');
  /** @type {CountedFolder[]} */
  const counted = [];
  /** @type {FailedFolder[]} */
  const failed = [];
  for (const promise of folders) {
    const folder = await promise;
    const share = folder.share ?? 'no budget';
    if (folder.status === 'failed') {
      failed.push(folder);
      yield row(code(folder.name), '', '', '', `not counted: ${folder.code}`, '', share);
      continue;
    }
    counted.push(folder);
    const { files, lines, bytes, languages, credits } = folder.stats;
    yield row(code(folder.name), files, lines, bytes, languages[0]?.language ?? '', credits, share);
  }
  const lines = sum(counted, 'lines');
  const credits = counted.reduce((total, { stats }) => total + parseAmount(stats.credits), 0n);
  yield row(
    '**together**',
    sum(counted, 'files'),
    lines,
    sum(counted, 'bytes'),
    '',
    formatAmount(credits),
    '',
  );

  yield `\n## Languages\n\n${row('language', 'files', 'lines', 'share of lines')}${row('---', '---:', '---:', '---')}`;
  for (const { language, ...total } of byLanguage(counted)) {
    const share = lines === 0 ? 0 : total.lines / lines;
    const bar = '█'.repeat(Math.round(share * BAR_WIDTH));
    yield row(language, total.files, total.lines, `${(100 * share).toFixed(1)} % ${bar}`);
  }

  yield `\n## Biggest files\n\n${row('file', 'lines', 'bytes')}${row('---', '---:', '---:')}`;
  for (const file of biggest(counted)) yield row(code(file.path), file.lines, file.bytes);

  if (failed.length > 0) {
    yield '\n## Not counted\n\n';
    for (const { name, code: errorCode, message } of failed) {
      yield `- ${code(name)}: ${errorCode}: ${text(message)}\n`;
    }
  }
  const binary = counted.reduce((total, { stats }) => total + stats.skipped.binary, 0);
  const unreadable = counted.reduce((total, { stats }) => total + stats.skipped.unreadable, 0);
  yield `\n${binary} binary and ${unreadable} unreadable files are left out.\n`;
}

/**
 * @param {CountedFolder[]} folders
 * @param {'files' | 'lines' | 'bytes'} what
 */
function sum(folders, what) {
  return folders.reduce((total, { stats }) => total + stats[what], 0);
}

/** @param {CountedFolder[]} folders */
function byLanguage(folders) {
  /** @type {Map<string, { language: string, files: number, lines: number }>} */
  const totals = new Map();
  for (const { language, files, lines } of folders.flatMap(({ stats }) => stats.languages)) {
    const total = totals.get(language) ?? { language, files: 0, lines: 0 };
    total.files += files;
    total.lines += lines;
    totals.set(language, total);
  }
  return [...totals.values()].sort((a, b) => b.lines - a.lines);
}

/** @param {CountedFolder[]} folders */
function biggest(folders) {
  return folders
    .flatMap(({ name, stats }) =>
      stats.biggest.map((file) => ({ ...file, path: name === '.' ? file.path : `${name}/${file.path}` })),
    )
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, BIGGEST_FILES);
}

/** @param {(string | number)[]} cells */
function row(...cells) {
  return `| ${cells.join(' | ')} |\n`;
}

/**
 * A name as code that a table cell can hold: file names may have anything in them.
 *
 * @param {string} name
 */
function code(name) {
  return `\`${name.replaceAll('`', "'").replaceAll('|', '\\|').replaceAll('\n', ' ')}\``;
}

/** @param {string} words */
function text(words) {
  return words.replaceAll('\n', ' ').replaceAll('<', '&lt;');
}
