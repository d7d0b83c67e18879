/**
 * `audit`: a report on a folder, by three levels of agents that each may do less than the one above.
 *
 * `audit` delegates one `audit-folder` for each subfolder, with a lease for that subfolder only; that delegates one
 * `audit-file` for each file, with a lease for that file only, which reads it and counts its lines for a cent. The report
 * is written by `audit-report`, which may write nothing until somebody allows it.
 */
import { join } from 'node:path';
import { ArcpError, defineAgent } from 'arcp-runtime';
import { z } from 'zod';

/** @typedef {import('arcp-runtime').ChildOutcome} ChildOutcome */
/** @typedef {{ name: string, files: number, lines: number, refused: string | undefined }} Audited */

const CENT = '0.01';

const auditFile = defineAgent({
  name: 'audit-file',
  version: '1.0.0',
  input: z.object({ path: z.string() }),
  run: async ({ path }, ctx) => {
    const text = await ctx.fs.readText(path);
    await ctx.charge('cost.read', CENT, 'USD');
    return text.split('\n').length - 1;
  },
});

const auditFolder = defineAgent({
  name: 'audit-folder',
  version: '1.0.0',
  input: z.object({ path: z.string(), name: z.string() }),
  run: async ({ path, name }, ctx) => {
    const entries = await ctx.fs.readdir(path);
    const files = entries.filter(({ kind }) => kind === 'file');
    const outcomes = await ctx.delegateAll(
      files.map((file) => ({
        target: 'audit-file',
        task: `Count the lines of ${file.name}`,
        arguments: { path: join(path, file.name) },
        leaseRequest: { 'fs.read': [join(path, file.name)] },
      })),
      { concurrency: 4 },
    );
    const counted = outcomes.flatMap((one) => (one.status === 'completed' ? [Number(one.value)] : []));
    const refused = outcomes.find((one) => one.status === 'failed');
    return {
      name,
      files: counted.length,
      lines: counted.reduce((sum, lines) => sum + lines, 0),
      ...(refused === undefined ? {} : { refused: refused.code }),
    };
  },
});

const auditReport = defineAgent({
  name: 'audit-report',
  version: '1.0.0',
  input: z.object({ path: z.string(), text: z.string() }),
  run: async ({ path, text }, ctx) => {
    await ctx.requestPermission({
      permission: 'fs.write',
      resource: path,
      operation: 'write',
      leaseSeconds: 60,
    });
    await ctx.fs.writeFile(path, text);
    await ctx.charge('cost.write', '0.05', 'USD');
    return Buffer.byteLength(text);
  },
});

const audit = defineAgent({
  name: 'audit',
  version: '1.0.0',
  description:
    'Writes to {out} how many lines the files in the folders of {path} have; {tight} gets one cent.',
  input: z.object({ path: z.string(), out: z.string(), tight: z.string() }),
  run: async ({ path, out, tight }, ctx) => {
    const greedy = await ctx
      .delegate('audit-folder', {
        task: 'Read everything',
        arguments: { path: '/', name: 'everything' },
        leaseRequest: { 'fs.read': ['/**'] },
      })
      .catch((/** @type {unknown} */ error) => ArcpError.from(error));
    const entries = await ctx.fs.readdir(path);
    const folders = entries.filter(({ kind }) => kind === 'folder').map(({ name }) => name);
    const outcomes = await ctx.delegateAll(
      folders.map((name) => ({
        target: 'audit-folder',
        task: `Audit ${name}`,
        arguments: { path: join(path, name), name },
        leaseRequest: { 'fs.read': [join(path, name), join(path, name, '*')] },
        budget: [`USD:${name === tight ? CENT : '0.20'}`],
      })),
      { concurrency: 3 },
    );
    const audited = outcomes.map((one) =>
      one.status === 'completed' ? /** @type {Audited} */ (one.value) : undefined,
    );
    const lines = audited.map((one, index) =>
      one === undefined
        ? `${folders[index]}: not audited`
        : `${one.name}: ${one.files} files, ${one.lines} lines`,
    );
    const text = `${lines.join('\n')}\n`;
    const [written] = await ctx.delegateAll([
      { target: 'audit-report', task: 'Write the report', arguments: { path: out, text } },
    ]);
    await ctx.charge('cost.audit', '0.10', 'USD');
    return {
      overAsking: 'code' in greedy ? greedy.code : 'it was allowed',
      audited,
      written: written?.status === 'completed' ? written.value : written,
      left: await ctx.lease.remaining(),
    };
  },
});

/** @type {import('arcp-runtime').Agent[]} */
export const folderAudit = [audit, auditFolder, auditFile, auditReport];
