/** `arcp worker`: the real command, against a real runtime, and killed in the middle. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type Client, type Job } from '../../src/client/index.js';
import { Arcp } from './arcp.js';

const PACKAGE = new URL('../../dist/host/index.js', import.meta.url).href;

const SECRETS = { worker: 'a-token-of-the-worker', ada: 'a-token-of-ada' };

/** Waits for a file of its name, so that a test decides when it ends. */
const AGENTS = `
import { existsSync } from 'node:fs';
import { defineAgent } from ${JSON.stringify(PACKAGE)};
const until = async (file, signal) => {
  while (!existsSync(file)) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const waits = (name, recovery) => defineAgent({ name, version: '1.0.0', recovery, run: async ({ file }, ctx) => {
  if (ctx.attempt === 1 && recovery === 'resume') await ctx.checkpoint({ page: 7 });
  ctx.progress({ percent: 50 });
  await until(file, ctx.signal);
  return { attempt: ctx.attempt, from: ctx.resumedFrom?.data ?? null };
} });
export default [waits('once', 'fail'), waits('again', 'restart'), waits('on', 'resume')];
`;

let folder: string;
let started: Arcp[];
let client: Client | undefined;
let url: string;

function arcp(...args: string[]): Arcp {
  const one = new Arcp(args, { XDG_STATE_HOME: folder });
  started.push(one);
  return one;
}

async function worker(...more: string[]): Promise<Arcp> {
  const agents = join(folder, 'agents.mjs');
  const token = join(folder, 'worker.token');
  const one = arcp('worker', '--url', url, '--agents', agents, '--token-file', token, ...more);
  await one.until('stderr', /hosting once@1\.0\.0, again@1\.0\.0, on@1\.0\.0 at/);
  return one;
}

/** Starts a job of `agent` that goes on until `finish`, and waits until it is at work. */
async function begin(agent: string): Promise<{ job: Job; finish: () => void }> {
  if (client === undefined) throw new Error('there is no client');
  const file = join(folder, `${agent}.go`);
  const job = await client.invoke(agent, { file });
  for await (const { type } of job) if (type === 'job.progress') break;
  return {
    job,
    finish: () => {
      writeFileSync(file, '');
    },
  };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-worker-'));
  started = [];
  writeFileSync(join(folder, 'agents.mjs'), AGENTS);
  writeFileSync(join(folder, 'worker.token'), SECRETS.worker, { mode: 0o600 });
  await serve({ providerReturnMs: '1s' });
});

/** A runtime with these limits, and a client of it. */
async function serve(limits: Readonly<Record<string, string>>): Promise<void> {
  const config = join(folder, 'arcp.config.json');
  writeFileSync(config, JSON.stringify({ hosts: ['worker'], limits }));
  const tokens = [`${SECRETS.worker}=worker`, `${SECRETS.ada}=ada`].flatMap((token) => ['--token', token]);
  const serving = arcp('serve', '--config', config, '--port', '0', '--store', 'memory', ...tokens);
  [, url = ''] = await serving.until('stdout', /listening on (ws:\S+)/);
  await client?.close();
  client = await connect(url, { token: SECRETS.ada });
}

afterEach(async () => {
  await client?.close();
  for (const one of started) if (!one.hasEnded) one.signal('SIGKILL');
  await Promise.all(started.map((one) => one.ended()));
  rmSync(folder, { recursive: true, force: true });
});

describe('arcp worker', () => {
  it('does the jobs of its agents; Ctrl-C lets them end, and it ends with 0', async () => {
    const one = await worker('--max-jobs', '2');
    const { job, finish } = await begin('once');
    one.signal('SIGINT');
    await one.until('stderr', /draining: 1 jobs may end/);
    finish();
    expect((await job.result()).value).toEqual({ attempt: 1, from: null });
    const { code, stderr } = await one.ended();
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /job_\S+ once@1\.0\.0 {2}started\n(.*\n)*job_\S+ once@1\.0\.0 {2}completed\n(.*\n)*stopped/,
    );
    expect(stderr).not.toContain(SECRETS.worker);
  });

  it('that is killed in the middle and started again: each job fails, starts again or resumes, by its recovery', async () => {
    const first = await worker();
    const [once, again, on] = [await begin('once'), await begin('again'), await begin('on')];
    first.signal('SIGKILL');
    await first.ended();
    const second = await worker();
    await expect(once.job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    await second.until('stderr', /again@1\.0\.0 {2}started, attempt 2/);
    await second.until('stderr', /on@1\.0\.0 {2}started, attempt 2/);
    again.finish();
    on.finish();
    expect((await again.job.result()).value).toEqual({ attempt: 2, from: null });
    expect((await on.job.result()).value).toEqual({ attempt: 2, from: { page: 7 } });
  });

  it('that is killed while another one is idle: the other goes on with what can go on, long before the first could be missed', async () => {
    await serve({ providerReturnMs: '10m', providerMoveMs: '200ms' });
    const first = await worker();
    const [again, on] = [await begin('again'), await begin('on')];
    const second = await worker();
    first.signal('SIGKILL');
    await second.until('stderr', /again@1\.0\.0 {2}started, attempt 2/);
    await second.until('stderr', /on@1\.0\.0 {2}started, attempt 2/);
    again.finish();
    on.finish();
    expect((await again.job.result()).value).toEqual({ attempt: 2, from: null });
    expect((await on.job.result()).value).toEqual({ attempt: 2, from: { page: 7 } });
  });

  it('gives jobs up that do not end in time', async () => {
    const one = await worker('--drain', '0');
    const { job } = await begin('once');
    one.signal('SIGTERM');
    await expect(job.result()).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await one.ended()).code).toBe(0);
  });

  it('says what is wrong: nobody there, a principal that may not host, no agents', async () => {
    const agents = join(folder, 'agents.mjs');
    const nobody = await arcp('worker', '--url', 'ws://127.0.0.1:1', '--agents', agents).ended();
    expect([nobody.code, nobody.stderr]).toEqual([3, expect.stringContaining('is it running?')]);
    writeFileSync(join(folder, 'ada.token'), SECRETS.ada, { mode: 0o600 });
    const token = join(folder, 'ada.token');
    const stranger = await arcp('worker', '--url', url, '--agents', agents, '--token-file', token).ended();
    expect([stranger.code, stranger.stderr]).toEqual([3, expect.stringContaining('--host-principal')]);
    const none = await arcp('worker', '--url', url).ended();
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('--agents')]);
  });
});
