/**
 * `repo-report`: a Markdown report on a repository, streamed while it is made.
 *
 * It delegates one `code-stats` job for each subfolder, and one for the files beside them, and gives each an equal
 * share of its own credits. A folder whose job fails or runs out of credits is a line in the report, not its end.
 * Version 1.0.0 writes a plain list, version 2.0.0 tables and totals by language.
 */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArcpError, defineAgent } from 'arcp-runtime';
import { formatAmount, parseAmount } from 'arcp-runtime/protocol';
import { z } from 'zod';
import { codeStatsResult } from './code-stats.mjs';
import { SKIPPED_FOLDERS } from './files.mjs';
import { listReport, tableReport } from './markdown.mjs';

/** @typedef {import('arcp-runtime').JobContext} JobContext */
/** @typedef {import('./markdown.mjs').Layout} Layout */
/** @typedef {import('./markdown.mjs').FolderReport} FolderReport */
/** @typedef {{ name: string, path: string, recursive: boolean, share: string | undefined }} Folder */

const input = z.object({
  path: z.string().min(1).default('.'),
  concurrency: z.int().min(1).max(32).default(4),
});

export const repoReports = [
  defineAgent({
    name: 'repo-report',
    version: '1.0.0',
    description:
      'Streams a Markdown list of the folders below {path=.}, {concurrency=4} of them counted at a time.',
    input,
    run: (args, ctx) => report(args, ctx, listReport),
  }),
  defineAgent({
    name: 'repo-report',
    version: '2.0.0',
    default: true,
    description:
      'Streams Markdown tables on the folders below {path=.}, {concurrency=4} of them counted at a time.',
    input,
    run: (args, ctx) => report(args, ctx, tableReport),
  }),
];

/**
 * @param {z.output<typeof input>} args
 * @param {JobContext} ctx
 * @param {Layout} layout
 */
async function report({ path, concurrency }, ctx, layout) {
  const root = resolve(path);
  const folders = await shareOut(await foldersOf(root), ctx);
  const limited = limit(concurrency);
  let done = 0;
  const reports = folders.map((folder) =>
    limited(async () => {
      const folderReport = await count(folder, ctx);
      done += 1;
      ctx.progress({ current: done, total: folders.length, units: 'folders', message: folder.name });
      return folderReport;
    }),
  );

  for (const folderReport of reports) folderReport.catch(() => undefined); // the layout meets it in its turn

  const hash = createHash('sha256');
  let size = 0;
  /** @param {AsyncIterable<string>} pieces */
  async function* weighed(pieces) {
    for await (const piece of pieces) {
      size += Buffer.byteLength(piece);
      hash.update(piece);
      yield piece;
    }
  }
  await pipeline(weighed(layout(basename(root) || root, reports)), ctx.openResult(), {
    signal: ctx.signal,
  });
  ctx.summarize(`${size} bytes, sha256 ${hash.digest('hex')}`);
}

/**
 * The work below `root`: its subfolders, and the files beside them.
 *
 * @param {string} root
 * @returns {Promise<Omit<Folder, 'share'>[]>}
 */
async function foldersOf(root) {
  let entries;
  try {
    entries = await readdir(root, { withFileTypes: true });
  } catch (error) {
    throw new ArcpError('NOT_FOUND', `${root} is not a folder that can be read`, { cause: error });
  }
  const names = entries
    .filter((entry) => entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name))
    .map((entry) => entry.name)
    .sort();
  return [
    { name: '.', path: root, recursive: false },
    ...names.map((name) => ({ name, path: join(root, name), recursive: true })),
  ];
}

/**
 * Splits what is left of the job's credits into equal shares; what does not divide goes to the first.
 * Without a budget of credits the folders have none either.
 *
 * @param {Omit<Folder, 'share'>[]} folders
 * @param {JobContext} ctx
 * @returns {Promise<Folder[]>}
 */
async function shareOut(folders, ctx) {
  const { credits } = /** @type {{ credits?: string }} */ (await ctx.lease.remaining());
  if (credits === undefined) return folders.map((folder) => ({ ...folder, share: undefined }));
  const total = parseAmount(credits);
  const share = total / BigInt(folders.length);
  const rest = total - share * BigInt(folders.length);
  return folders.map((folder, index) => ({
    ...folder,
    share: formatAmount(index === 0 ? share + rest : share),
  }));
}

/**
 * Has one folder counted. Whatever becomes of it is a value.
 *
 * @param {Folder} folder
 * @param {JobContext} ctx
 * @returns {Promise<FolderReport>}
 */
async function count({ name, path, recursive, share }, ctx) {
  try {
    ctx.signal.throwIfAborted();
    const child = await ctx.delegate('code-stats@1.0.0', {
      task: `Count the source in ${name}`,
      arguments: { path, recursive },
      signal: ctx.signal,
      ...(share === undefined ? {} : { budget: [`credits:${share}`] }),
    });
    const outcome = await child.outcome;
    switch (outcome.status) {
      case 'completed':
        return { name, share, status: 'counted', stats: codeStatsResult.parse(outcome.value) };
      case 'failed':
        return { name, share, status: 'failed', code: outcome.code, message: outcome.message };
      case 'cancelled':
        return { name, share, status: 'failed', code: 'CANCELLED', message: outcome.reason ?? 'cancelled' };
    }
  } catch (error) {
    const code = error instanceof ArcpError ? error.code : 'INTERNAL';
    return {
      name,
      share,
      status: 'failed',
      code,
      message: error instanceof Error ? error.message : String(error),
    };
  }
}

/**
 * Lets at most `width` of the works given to it run at a time; the others wait their turn.
 *
 * @param {number} width
 */
function limit(width) {
  let running = 0;
  /** @type {(() => void)[]} */
  const waiting = [];
  /**
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  return async (work) => {
    if (running === width) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
