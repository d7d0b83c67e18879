/** One small agent in three languages: each says the same, within walls where there are any. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processAgent } from '../../src/index.js';
import { HAS_WALLS } from '../agents/process/bwrap.js';
import { hosting, type Hosted } from '../agents/process/hosted.js';

const AGENTS = join(import.meta.dirname, '../../examples/agents');
const TEXT = 'To be, or not to be:\nthat is the question\n';
const COUNTED = {
  words: 10,
  lines: 2,
  top: { to: 2, 'be,': 1, 'be:': 1, is: 1, not: 1, or: 1, question: 1, that: 1, the: 1 },
};

const has = (program: string, ...args: string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0;

describe.each([
  { name: 'python', needs: 'python3', isThere: has('python3', '--version') },
  { name: 'shell', needs: 'jq', isThere: has('jq', '--version') },
  { name: 'go', needs: 'go', isThere: has('go', 'version') },
])('word-count in $name', ({ name, needs, isThere }) => {
  const skipped = isThere ? '' : ` (skipped: ${needs} is not installed)`;
  let folder: string;
  let hosted: Hosted;

  function command(): string[] {
    if (name === 'python') return ['python3', 'word_count.py'];
    if (name === 'shell') return ['sh', 'word_count.sh'];
    const program = join(folder, 'word_count');
    execFileSync('go', ['build', '-o', program, join(AGENTS, 'word_count.go')], {
      cwd: folder,
      env: { ...process.env, GOFLAGS: '-mod=mod', GO111MODULE: 'off' },
    });
    return [program];
  }

  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-words-')));
    writeFileSync(join(folder, 'text.txt'), TEXT);
    if (!isThere) return;
    const definition = { version: '1.0.0', command: command(), folder: AGENTS, trusted: !HAS_WALLS };
    hosted = await hosting([
      processAgent({ ...definition, name: 'once' }),
      processAgent({ ...definition, name: 'pooled', pool: 1 }),
    ]);
  }, 240_000);
  afterAll(async () => {
    if (isThere) await hosted.runtime.close();
    rmSync(folder, { recursive: true });
  });

  const run = async (agent: string, args: unknown, lease?: object) => {
    const extra = lease === undefined ? {} : { payload: { lease_request: lease } };
    return hosted.client.terminal(await hosted.client.accepted(agent, args, extra));
  };

  it.skipIf(!isThere)(`counts words, one job a process or many${skipped}`, async () => {
    for (const agent of ['once', 'pooled', 'pooled'])
      expect(await run(agent, { text: TEXT })).toMatchObject({
        type: 'job.completed',
        payload: { value: COUNTED },
      });
  });

  it.skipIf(!isThere || !HAS_WALLS)(
    `reads the file that its lease names, and no other${skipped}${HAS_WALLS ? '' : ' (skipped: no bubblewrap)'}`,
    async () => {
      const path = join(folder, 'text.txt');
      const allowed = await run('pooled', { path }, { 'fs.read': [`${folder}/**`] });
      expect(allowed).toMatchObject({ type: 'job.completed', payload: { value: COUNTED } });
      expect(await run('pooled', { path })).toMatchObject({
        type: 'job.failed',
        payload: { code: 'NOT_FOUND' },
      });
    },
  );
});
