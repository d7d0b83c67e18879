/** `arcp worker --stdio`: a real process that whoever started it speaks to over its pipes. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type Client } from '../../src/client/index.js';
import {
  bearerTokens,
  createRuntime,
  streamTransport,
  type ConnectionOwner,
  type Runtime,
} from '../../src/index.js';
import { memoryPair } from '../../src/transport/memory.js';
import { ARCP, arcp } from './arcp.js';

const PACKAGE = new URL('../../dist/host/index.js', import.meta.url).href;

const AGENTS = `
import { setTimeout as wait } from 'node:timers/promises';
import { defineAgent } from ${JSON.stringify(PACKAGE)};
console.log('said while it is loaded');
export const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input, ctx) => {
  console.log('said by a job');
  return { input, agent: ctx.agent };
} });
export const threaded = defineAgent({ name: 'threaded', version: '1.0.0', worker: true, module: import.meta.url, run: () => {
  console.log('said by a thread');
  return 'threaded';
} });
export const stays = defineAgent({ name: 'stays', version: '1.0.0', run: async (_input, ctx) => {
  ctx.progress({ percent: 1 });
  await wait(60_000, undefined, { signal: ctx.signal }).catch(() => process.stderr.write('was stopped\\n'));
} });
`;

interface Worker {
  readonly process: ChildProcessWithoutNullStreams;
  readonly stderr: () => string;
  readonly hosting: Promise<Parameters<NonNullable<ConnectionOwner['opened']>>[0]>;
  readonly closed: Promise<unknown>;
  readonly ended: Promise<unknown>;
}

let folder: string;
let runtime: Runtime;
let client: Client;
let started: ChildProcessWithoutNullStreams[];

/** Starts one, and gives the runtime the connection that its pipes are. */
function start(
  words: readonly string[],
  owner: Partial<ConnectionOwner> = {},
  env: NodeJS.ProcessEnv = {},
): Worker {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [ARCP, 'worker', '--stdio', ...words], {
    env: { PATH, HOME, ...env },
  });
  started.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined);
  let opened: (hosting: never) => void = () => undefined;
  const hosting = new Promise<never>((resolve) => (opened = resolve));
  const closed = new Promise((resolve) => {
    runtime.accept(streamTransport(child.stdout, child.stdin), {
      address: 'a worker',
      owner: { principal: 'worker-1', scope: 'w1.', opened: opened as never, closed: resolve, ...owner },
    });
  });
  return { process: child, stderr: () => stderr, hosting, closed, ended: once(child, 'close') };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-stdio-'));
  started = [];
  writeFileSync(join(folder, 'agents.mjs'), AGENTS);
  // Nobody else may host: what these workers may is by their connections.
  runtime = createRuntime({ authenticators: [bearerTokens([['ada', 'ada']])] });
  client = await connect('memory:', {
    token: 'ada',
    dial: () => {
      const [ours, theirs] = memoryPair({ maxFrameBytes: runtime.limits.maxFrameBytes });
      runtime.accept(ours);
      return Promise.resolve(theirs);
    },
  });
});

afterEach(async () => {
  await client.close();
  await runtime.close();
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const agents = (): string[] => ['--agents', join(folder, 'agents.mjs'), '--scope', 'w1.'];

describe('arcp worker --stdio', () => {
  it('does jobs under the names of its scope; what its agents print breaks no frame', async () => {
    const worker = start(agents());
    expect(await worker.hosting).toEqual({
      hosted: ['w1.echo@1.0.0', 'w1.stays@1.0.0', 'w1.threaded@1.0.0'],
      refused: [],
    });
    const echo = await client.invoke('w1.echo', { n: 1 });
    expect((await echo.result()).value).toEqual({ input: { n: 1 }, agent: 'w1.echo@1.0.0' });
    expect((await (await client.invoke('w1.threaded')).result()).value).toBe('threaded');
    worker.process.stdin.end();
    expect(await worker.ended).toEqual([0, null]);
    // What a thread prints last may be lost when it ends.
    for (const where of ['while it is loaded', 'by a job'])
      expect(worker.stderr()).toContain(`said ${where}`);
    expect(worker.stderr()).toMatch(/stdin has ended: stopped\n$/);
  });

  it('stops what runs when stdin ends; the job is lost at once, and the agents are gone', async () => {
    const worker = start(agents());
    await worker.hosting;
    const job = await client.invoke('w1.stays');
    for await (const { type } of job) if (type === 'job.progress') break;
    worker.process.stdin.end();
    await expect(job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await worker.ended).toEqual([0, null]);
    expect(worker.stderr()).toContain('was stopped');
    await worker.closed;
    expect(runtime.inventory()).toEqual([]);
  });

  it('that is killed loses its jobs at once: nobody waits for it to come back', async () => {
    const worker = start(agents());
    await worker.hosting;
    const job = await client.invoke('w1.stays');
    for await (const { type } of job) if (type === 'job.progress') break;
    worker.process.kill('SIGKILL');
    await expect(job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    await worker.closed;
  });

  it('ends in order when it is told to, and the connection with it', async () => {
    const worker = start([...agents(), '--drain', '0']);
    await worker.hosting;
    while (!worker.stderr().includes('hosting w1.echo')) await once(worker.process.stderr, 'data');
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toEqual([0, null]);
    await worker.closed;
  });

  it('hosts nothing outside of its scope, and has no session without the token that its owner asks for', async () => {
    const wide = start(['--agents', join(folder, 'agents.mjs')]);
    expect((await wide.hosting).hosted).toEqual([]);
    expect(await wide.ended).toEqual([3, null]);
    expect(wide.stderr()).toContain('begins with w1.');
    const stranger = start(agents(), { token: 'of-the-worker' });
    expect(await stranger.ended).toEqual([3, null]);
    const known = start(agents(), { token: 'of-the-worker' }, { ARCP_TOKEN: 'of-the-worker' });
    expect((await known.hosting).hosted).toHaveLength(3);
  });

  it('runs commands of fleet tasks where it is told to', async () => {
    const worker = start(['--commands', '--scope', 'w1.']);
    expect((await worker.hosting).hosted).toEqual(['w1.command@1.0.0']);
  });

  it('says what is wrong with how it was started', async () => {
    const none = await arcp(['worker', '--stdio']);
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('--agents MODULE, or --commands')]);
    const both = await arcp(['worker', '--stdio', '--url', 'ws://127.0.0.1:1', '--commands']);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('two ways')]);
    const scope = await arcp(['worker', '--stdio', '--commands', '--scope', '-x']);
    expect([scope.code, scope.stderr]).toEqual([2, expect.stringContaining('beginning of a name')]);
  });
});
