/**
 * `code-stats`: how much source there is below a folder, by language, and which files are the biggest.
 *
 * It reads whatever folder it is pointed at, with the rights of the runtime's own user: host it for people you trust.
 * Each file costs 0.01 credits, paid a batch ahead, so that a budget stops it before the work and not after.
 */
import { basename, join, relative, resolve } from 'node:path';
import { ArcpError, defineAgent } from 'arcp-runtime';
import { formatAmount, parseAmount } from 'arcp-runtime/protocol';
import { z } from 'zod';
import { languageOf, measure, walk } from './files.mjs';

const PRICE_PER_FILE = parseAmount('0.01');
const FILES_PER_CHARGE = 20;
const MAX_FILES = 200_000;
const BIGGEST_FILES = 10;
/** Often enough to watch, seldom enough to cost nothing. */
const PROGRESS_INTERVAL_MS = 100;

const languageStats = z.object({ language: z.string(), files: z.int(), lines: z.int(), bytes: z.int() });
const fileStats = z.object({ path: z.string(), lines: z.int(), bytes: z.int() });

/** What the agent returns. Paths are relative to the folder; `credits` is what it charged. */
export const codeStatsResult = z.object({
  files: z.int(),
  lines: z.int(),
  bytes: z.int(),
  languages: z.array(languageStats),
  biggest: z.array(fileStats),
  skipped: z.object({ binary: z.int(), unreadable: z.int() }),
  credits: z.string(),
});

/** @typedef {z.output<typeof codeStatsResult>} CodeStats */

export const codeStats = defineAgent({
  name: 'code-stats',
  version: '1.0.0',
  description: 'Files, lines, languages and biggest files below {path}; 0.01 credits a file.',
  input: z.object({ path: z.string().min(1), recursive: z.boolean().default(true) }),
  run: async ({ path, recursive }, ctx) => {
    const root = resolve(path);
    let unreadable = 0;
    /** @type {string[]} */
    const paths = [];
    try {
      for await (const file of walk(root, {
        recursive,
        signal: ctx.signal,
        onUnreadable: () => unreadable++,
      })) {
        paths.push(file);
        if (paths.length > MAX_FILES) {
          throw new ArcpError(
            'INVALID_ARGUMENT',
            `${root} has more than ${MAX_FILES} files: name a smaller folder`,
          );
        }
      }
    } catch (error) {
      throw asFolderError(root, error);
    }

    const tally = new Tally();
    let credits = 0n;
    let reportedAt = -Infinity;
    for (const [index, file] of paths.entries()) {
      ctx.signal.throwIfAborted();
      if (index % FILES_PER_CHARGE === 0) {
        const price = PRICE_PER_FILE * BigInt(Math.min(FILES_PER_CHARGE, paths.length - index));
        await ctx.charge('cost.files', formatAmount(price), 'credits');
        credits += price;
      }
      const name = relative(root, file);
      try {
        const measured = await measure(file, ctx.signal);
        if (measured.kind === 'binary') tally.binary += 1;
        else tally.add(name, measured);
      } catch {
        ctx.signal.throwIfAborted();
        unreadable += 1;
      }
      const now = performance.now();
      if (now - reportedAt >= PROGRESS_INTERVAL_MS || index === paths.length - 1) {
        reportedAt = now;
        ctx.progress({
          current: index + 1,
          total: paths.length,
          units: 'files',
          message: join(basename(root), name),
        });
        await ctx.flushed();
      }
    }
    ctx.summarize(`${tally.files} text files, ${tally.lines} lines, ${formatAmount(credits)} credits`);
    return tally.result(unreadable, formatAmount(credits));
  },
});

class Tally {
  files = 0;
  lines = 0;
  bytes = 0;
  binary = 0;
  /** @type {Map<string, { language: string, files: number, lines: number, bytes: number }>} */
  #languages = new Map();
  /** @type {{ path: string, lines: number, bytes: number }[]} */
  #biggest = [];

  /**
   * @param {string} path
   * @param {{ lines: number, bytes: number }} size
   */
  add(path, { lines, bytes }) {
    this.files += 1;
    this.lines += lines;
    this.bytes += bytes;
    const language = languageOf(path);
    const sum = this.#languages.get(language) ?? { language, files: 0, lines: 0, bytes: 0 };
    sum.files += 1;
    sum.lines += lines;
    sum.bytes += bytes;
    this.#languages.set(language, sum);
    this.#biggest.push({ path, lines, bytes });
    if (this.#biggest.length > 10 * BIGGEST_FILES) this.#keepBiggest();
  }

  /**
   * @param {number} unreadable
   * @param {string} credits
   * @returns {CodeStats}
   */
  result(unreadable, credits) {
    this.#keepBiggest();
    return {
      files: this.files,
      lines: this.lines,
      bytes: this.bytes,
      languages: [...this.#languages.values()].sort((a, b) => b.lines - a.lines),
      biggest: this.#biggest,
      skipped: { binary: this.binary, unreadable },
      credits,
    };
  }

  #keepBiggest() {
    this.#biggest.sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
    this.#biggest.length = Math.min(this.#biggest.length, BIGGEST_FILES);
  }
}

/**
 * @param {string} root
 * @param {unknown} error
 */
function asFolderError(root, error) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return new ArcpError('NOT_FOUND', `there is no folder ${root}`, { cause: error });
    case 'ENOTDIR':
      return new ArcpError('INVALID_ARGUMENT', `${root} is not a folder`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new ArcpError('PERMISSION_DENIED', `${root} may not be read`, { cause: error });
    default:
      return error;
  }
}
