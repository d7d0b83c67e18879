/**
 * `packed-size`: how many bytes brotli makes of the files below a folder, each for 0.01 credits. `arcp worker` hosts it.
 *
 * What a job has done it keeps as a checkpoint after every five files: when its worker is killed, the job goes on with
 * the next ones wherever there is another worker, and only those that were under way are packed, and paid for, again.
 */
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import { defineAgent } from 'arcp-runtime/host';
import { formatAmount, parseAmount } from 'arcp-runtime/protocol';
import { z } from 'zod';

const PRICE = parseAmount('0.01');
const FILES_PER_CHARGE = 5;
const PARAMS = { [constants.BROTLI_PARAM_QUALITY]: 6 };
const pack = promisify(brotliCompress);

const done = z.object({ files: z.int(), bytes: z.int(), packed: z.int(), workers: z.array(z.int()) });

export default defineAgent({
  name: 'packed-size',
  version: '1.0.0',
  description: 'How many bytes brotli makes of the files below {path}; 0.01 credits a file.',
  recovery: 'resume',
  input: z.object({ path: z.string() }),
  run: async ({ path }, ctx) => {
    const nothing = { files: 0, bytes: 0, packed: 0, workers: [] };
    const sum = done.parse(ctx.resumedFrom?.data ?? nothing);
    const workers = [...new Set([...sum.workers, process.pid])];
    const files = await below(ctx, path);
    while (sum.files < files.length) {
      const batch = files.slice(sum.files, sum.files + FILES_PER_CHARGE);
      await ctx.charge('cost.packing', formatAmount(PRICE * BigInt(batch.length)), 'credits');
      for (const file of batch) {
        const content = await ctx.fs.readFile(file);
        sum.packed += (await pack(content, { params: PARAMS })).length;
        sum.bytes += content.length;
      }
      sum.files += batch.length;
      ctx.progress({ current: sum.files, total: files.length, units: 'files' });
      await ctx.checkpoint({ ...sum, workers });
    }
    return { ...sum, workers };
  },
});

/**
 * The files below a folder, by name: the same ones in the same order for each attempt.
 *
 * @param {import('arcp-runtime').JobContext} ctx
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
async function below(ctx, folder) {
  const files = [];
  for (const { name, kind } of await ctx.fs.readdir(folder)) {
    const path = join(folder, name);
    if (kind === 'folder') files.push(...(await below(ctx, path)));
    else if (kind === 'file') files.push(path);
  }
  return files;
}
