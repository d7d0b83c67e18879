/**
 * `survey`: a report on the source and the prose of a folder, by agents that live in three other places. It runs in the
 * runtime's own process and does none of the work itself:
 *
 * - `packed-size`, in a worker that dialled in, packs each folder of the source; its lease is for reading that folder;
 * - `vocabulary`, a child process in Python, reads the prose that it is given, and has a lease for nothing;
 * - `TOOLS.gzip-file-as-resource`, a tool of an MCP server, packs the report, and may be called once.
 */
import { join } from 'node:path';
import { ArcpError, defineAgent } from 'arcp-runtime';
import { z } from 'zod';

/** @typedef {import('arcp-runtime').ChildOutcome} ChildOutcome */

const sizes = z.object({ files: z.int(), bytes: z.int(), packed: z.int(), workers: z.array(z.int()) });
const words = z.object({ words: z.int(), distinct: z.int(), top: z.array(z.string()) });
const packedReport = z.object({ content: z.tuple([z.object({ data: z.string() })]) });

export default defineAgent({
  name: 'survey',
  version: '1.0.0',
  description: 'What the {folders} of {path} come to when they are packed, and which words its {prose} has.',
  input: z.object({
    path: z.string(),
    folders: z.array(z.string()),
    prose: z.array(z.string()),
    tools: z.string(),
  }),
  run: async ({ path, folders, prose, tools }, ctx) => {
    const texts = await Promise.all(prose.map((name) => ctx.fs.readText(join(path, name))));
    const [packed, counted] = await Promise.all([
      ctx.delegateAll(
        folders.map((name) => ({
          target: 'packed-size@1.0.0',
          task: `Pack ${name}`,
          arguments: { path: join(path, name) },
          leaseRequest: { 'fs.read': [join(path, name), join(path, name, '**')] },
          budget: ['credits:2'],
        })),
      ),
      ctx.delegateAll(
        texts.map((text, index) => ({
          target: 'vocabulary@1.0.0',
          task: `Count the words of ${prose[index]}`,
          arguments: { text },
          budget: ['credits:0.05'],
        })),
      ),
    ]);
    const source = packed.map((outcome, index) => ({
      name: folders[index],
      ...sizes.parse(valueOf(outcome)),
    }));
    const spoken = counted.map((outcome, index) => ({
      name: prose[index],
      ...words.parse(valueOf(outcome)),
    }));
    const report = [
      '| folder | files | bytes | packed |',
      '| --- | --- | --- | --- |',
      ...source.map(
        ({ name, files, bytes, packed: small }) => `| ${name} | ${files} | ${bytes} | ${small} |`,
      ),
      '',
      '| prose | words | distinct | most frequent |',
      '| --- | --- | --- | --- |',
      ...spoken.map((one) => `| ${one.name} | ${one.words} | ${one.distinct} | ${one.top.join(', ')} |`),
      '',
    ].join('\n');
    const tool = await ctx.delegate(`${tools}.gzip-file-as-resource`, {
      task: 'Pack the report',
      arguments: {
        name: 'report.md.gz',
        data: `data:text/markdown;base64,${Buffer.from(report).toString('base64')}`,
        outputType: 'resource',
      },
      budget: ['tool_calls:1'],
    });
    const [{ data }] = packedReport.parse(valueOf(await tool.outcome)).content;
    return { source, prose: spoken, report, gzip: data };
  },
});

/** @param {ChildOutcome} outcome */
function valueOf(outcome) {
  switch (outcome.status) {
    case 'completed':
      return outcome.value;
    case 'failed':
      throw new ArcpError('ABORTED', `a part of the survey failed: ${outcome.code}: ${outcome.message}`);
    case 'cancelled':
      throw new ArcpError('CANCELLED', outcome.reason ?? 'a part of the survey was cancelled');
  }
}
