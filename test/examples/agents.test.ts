/** The example agents on a runtime in memory, as the package exports both: what a stranger would write. */
import { createHash } from 'node:crypto';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ArcpError } from 'arcp-runtime';
import type { Job, JobEvent } from 'arcp-runtime/client';
import { parseAmount } from 'arcp-runtime/protocol';
import { testRuntime } from 'arcp-runtime/testing';
import { describe, expect, it } from 'vitest';
import agents from '../../examples/agents/index.mjs';
import { codeStatsResult, type CodeStats } from '../../examples/agents/code-stats.mjs';
import { folderOf, manyFiles } from './folder.js';

async function run(
  agent: string,
  args: object,
  budget: string[] = [],
): Promise<{ job: Job; events: JobEvent[] }> {
  await using test = testRuntime({ agents });
  const client = await test.connect();
  const job = await client.invoke(agent, args, { budget });
  const events: JobEvent[] = [];
  for await (const event of job.tree()) events.push(event);
  return { job, events };
}

async function codeStats(path: string, args: object = {}): Promise<CodeStats> {
  const { job } = await run('code-stats', { path, ...args });
  return codeStatsResult.parse((await job.result()).value);
}

function ofType<T extends JobEvent['type']>(
  events: readonly JobEvent[],
  type: T,
): Extract<JobEvent, { type: T }>[] {
  return events.filter((event): event is Extract<JobEvent, { type: T }> => event.type === type);
}

describe('code-stats', () => {
  it('counts files, lines, bytes and languages, and passes over what is built, fetched or binary', async () => {
    using folder = folderOf({
      'main.ts': 'one\ntwo\n',
      'src/lib.ts': 'no newline at the end',
      'src/empty.ts': '',
      'src/deep/er/notes.md': '# Notes\n\ntext\n',
      Makefile: 'all:\n',
      'logo.png': Uint8Array.of(0x89, 0x50, 0, 1, 2),
      'node_modules/x/index.js': 'skipped\n',
      'dist/main.js': 'skipped\n',
      '.git/config': 'skipped\n',
    });
    symlinkSync(join(folder.path, 'main.ts'), join(folder.path, 'link.ts'));
    expect(await codeStats(folder.path)).toEqual({
      files: 5,
      lines: 7,
      bytes: 8 + 21 + 0 + 14 + 5,
      languages: [
        { language: 'TypeScript', files: 3, lines: 3, bytes: 29 },
        { language: 'Markdown', files: 1, lines: 3, bytes: 14 },
        { language: 'other', files: 1, lines: 1, bytes: 5 },
      ],
      biggest: [
        { path: join('src', 'lib.ts'), lines: 1, bytes: 21 },
        { path: join('src', 'deep', 'er', 'notes.md'), lines: 3, bytes: 14 },
        { path: 'main.ts', lines: 2, bytes: 8 },
        { path: 'Makefile', lines: 1, bytes: 5 },
        { path: join('src', 'empty.ts'), lines: 0, bytes: 0 },
      ],
      skipped: { binary: 1, unreadable: 0 },
      credits: '0.06',
    });
  });

  it('stays beside the subfolders when it is told to', async () => {
    using folder = folderOf({ 'a.ts': 'a\n', 'src/b.ts': 'b\n' });
    expect((await codeStats(folder.path, { recursive: false })).files).toBe(1);
  });

  it('counts lines over the borders of what it reads at once', async () => {
    using folder = folderOf({ 'long.txt': 'line\n'.repeat(50_000) });
    expect(await codeStats(folder.path)).toMatchObject({ lines: 50_000, bytes: 250_000 });
  });

  it('tells its progress up to the last file, and charges exactly 0.01 credits for each', async () => {
    using folder = folderOf(manyFiles('src', 45));
    const { job, events } = await run('code-stats', { path: folder.path }, ['credits:1']);
    expect(ofType(events, 'job.progress').at(-1)?.payload).toMatchObject({
      current: 45,
      total: 45,
      units: 'files',
    });
    const charges = ofType(events, 'metric').filter(({ payload }) => payload.name === 'cost.files');
    expect(charges.map(({ payload }) => payload.amount)).toEqual(['0.2', '0.2', '0.05']);
    expect((await job.result()).summary).toBe('45 text files, 45 lines, 0.45 credits');
  });

  it('is stopped by its budget before the work that it does not cover', async () => {
    using folder = folderOf(manyFiles('src', 45));
    const { job } = await run('code-stats', { path: folder.path }, ['credits:0.39']);
    await expect(job.result()).rejects.toMatchObject({ code: 'BUDGET_EXHAUSTED' });
  });

  it.each([
    ['nowhere', 'NOT_FOUND'],
    ['a.ts', 'INVALID_ARGUMENT'],
  ])('fails for %s, which is no folder, with %s', async (name, code) => {
    using folder = folderOf({ 'a.ts': '' });
    const { job } = await run('code-stats', { path: join(folder.path, name) });
    await expect(job.result()).rejects.toMatchObject({ code });
  });

  it('stops when it is cancelled', async () => {
    using folder = folderOf(manyFiles('src', 2_000));
    await using test = testRuntime({ agents });
    const client = await test.connect();
    const job = await client.invoke('code-stats', { path: folder.path });
    for await (const event of job) {
      if (event.type === 'job.progress') break;
    }
    await job.cancel();
    await expect(job.result()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('repo-report', () => {
  const FILES = { 'README.md': '# Hi\n', 'src/a.ts': 'a\n', 'src/b.ts': 'b\nb\n', 'test/a.ts': 'a\n' };

  it('delegates a job for each subfolder and one for the files beside them, with exact shares of its credits', async () => {
    using folder = folderOf(FILES);
    const { events } = await run('repo-report', { path: folder.path }, ['credits:1']);
    const shares = ofType(events, 'agent.delegate').map(({ payload }) => payload.cost_budget);
    expect(shares).toEqual([
      ['credits:0.333333333333333334'],
      ['credits:0.333333333333333333'],
      ['credits:0.333333333333333333'],
    ]);
    const total = shares.reduce(
      (sum, list) => sum + parseAmount(list?.[0]?.replace('credits:', '') ?? ''),
      0n,
    );
    expect(total).toBe(parseAmount('1'));
    expect(ofType(events, 'job.completed')).toHaveLength(4);
  });

  it('streams a report whose size and hash are those of its summary and result_size', async () => {
    using folder = folderOf(FILES);
    const { job, events } = await run('repo-report@2.0.0', { path: folder.path });
    const { summary, result } = await job.result();
    const sha256 = createHash('sha256')
      .update(result?.bytes ?? '')
      .digest('hex');
    expect(summary).toBe(`${result?.size} bytes, sha256 ${sha256}`);
    expect(ofType(events, 'job.result_chunk').length).toBeGreaterThan(1);
  });

  it('writes a list at 1.0.0 and tables at 2.0.0, which is the default', async () => {
    using folder = folderOf(FILES);
    const texts = await Promise.all(
      ['repo-report@1.0.0', 'repo-report@2.0.0', 'repo-report'].map(async (agent) => {
        const { job } = await run(agent, { path: folder.path });
        return (await job.result()).result?.text();
      }),
    );
    expect(texts[0]).toContain(
      '- `.`: 1 files, 1 lines\n- `src`: 2 files, 3 lines\n- `test`: 1 files, 1 lines\n\nTogether: 4 files, 5 lines.\n',
    );
    expect(texts[1]).toContain('| `src` | 2 | 3 | 6 | TypeScript | 0.02 | no budget |\n');
    expect(texts[1]).toContain('| **together** | 4 | 5 | 13 |  | 0.04 |  |\n');
    expect(texts[1]).toContain('| TypeScript | 3 | 4 | 80.0 % ████████████████ |\n');
    expect(texts[1]).toContain('| `src/b.ts` | 2 | 4 |\n');
    expect(texts[2]).toBe(texts[1]);
  });

  it('shows a folder whose credits ran out, and is not sunk by it', async () => {
    using folder = folderOf({ ...manyFiles('big', 60), 'small/a.ts': 'a\n' });
    const { job } = await run('repo-report', { path: folder.path }, ['credits:0.9']);
    const text = (await job.result()).result?.text();
    expect(text).toContain('| `big` |  |  |  | not counted: BUDGET_EXHAUSTED |  | 0.3 |\n');
    expect(text).toContain('| `small` | 1 | 1 | 2 | TypeScript | 0.01 | 0.3 |\n');
    expect(text).toContain('## Not counted\n\n- `big`: BUDGET_EXHAUSTED: ');
  });

  it('shows a folder whose job failed, and is not sunk by it', async () => {
    using folder = folderOf(FILES);
    const failing = agents.map((agent) =>
      agent.name === 'code-stats'
        ? {
            ...agent,
            run: (input: unknown, ctx: Parameters<typeof agent.run>[1]) => {
              if ((input as { path: string }).path.endsWith('src'))
                throw new ArcpError('INTERNAL', 'the disk is on fire');
              return agent.run(input, ctx);
            },
          }
        : agent,
    );
    await using test = testRuntime({ agents: failing });
    const client = await test.connect();
    const job = await client.invoke('repo-report', { path: folder.path });
    const text = (await job.result()).result?.text();
    expect(text).toContain('- `src`: INTERNAL: the disk is on fire\n');
    expect(text).toContain('| `test` | 1 | 1 |');
  });

  it('runs side by side no more children than it is told', async () => {
    using folder = folderOf(
      Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`folder${n}/a.ts`, 'a\n'])),
    );
    const { events } = await run('repo-report', { path: folder.path, concurrency: 3 });
    const root = events[0]?.job_id;
    let running = 0;
    let most = 0;
    for (const { type, job_id: id } of events) {
      if (id === root) continue;
      if (type === 'job.accepted') most = Math.max(most, (running += 1));
      if (type === 'job.completed') running -= 1;
    }
    expect(most).toBe(3);
  });

  it('cancels its children when it is cancelled', async () => {
    using folder = folderOf(manyFiles('src', 2_000));
    await using test = testRuntime({ agents });
    const client = await test.connect();
    const job = await client.invoke('repo-report', { path: folder.path });
    const endings: string[] = [];
    let cancelled: Promise<void> | undefined;
    for await (const event of job.tree()) {
      if (event.type === 'job.progress' && event.job_id !== job.id) cancelled ??= job.cancel();
      if (event.type === 'job.cancelled') endings.push(event.job_id === job.id ? 'parent' : 'child');
    }
    await cancelled;
    expect(endings).toEqual(['child', 'parent']);
  });
});
