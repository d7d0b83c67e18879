/** What a job may do, from the command line: its lease and profile, what it asks for, and leases that are extended and taken back. */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arcp, arcp, jsonLines, serve, type Ended, type Serving } from './arcp.js';

let server: Serving;
let env: NodeJS.ProcessEnv;
let folder: string;

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-authority-')));
  writeFileSync(join(folder, 'in.txt'), 'inside');
  // Tries to read until it may not any more.
  const holder = join(folder, 'holder.mjs');
  writeFileSync(
    holder,
    `export default { name: 'holder', version: '1.0.0', heartbeat: 'auto', profile: undefined, run: async (_input, ctx) => {
      await ctx.requestPermission({ permission: 'fs.read', resource: ${JSON.stringify(`${folder}/**`)}, operation: 'read' });
      for (;;) {
        await ctx.fs.readText(${JSON.stringify(join(folder, 'in.txt'))});
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } };`,
  );
  server = await serve(['--conformance', '--agents', holder], { ARCP_TOKEN: 'secret-of-authority' });
  env = { ARCP_TOKEN: 'secret-of-authority', ARCP_URL: server.url };
}, 30_000);

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
  rmSync(folder, { recursive: true, force: true });
});

function run(...args: string[]): Promise<Ended> {
  return arcp(args, env);
}

function read(...options: string[]): Promise<Ended> {
  return run('invoke', 'reader', '--arg', `path=${join(folder, 'in.txt')}`, ...options);
}

describe('arcp invoke', { timeout: 60_000 }, () => {
  it('lets a job touch what --allow names, and nothing else', async () => {
    expect(await read('--allow', `fs.read=${folder}/**`)).toMatchObject({ code: 0 });
    const refused = await read('--allow', `fs.read=${folder}/other/**`);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('PERMISSION_DENIED');
  });

  it('takes the whole lease as JSON, and --allow on top of it', async () => {
    const lease = JSON.stringify({ 'fs.read': [`${folder}/other/**`] });
    expect(await read('--lease', lease)).toMatchObject({ code: 1 });
    expect(await read('--lease', lease, '--allow', `fs.read=${folder}/**`)).toMatchObject({ code: 0 });
  });

  it('refuses options that make no sense before it connects', async () => {
    for (const wrong of [
      ['--allow', 'fs.read'],
      ['--allow', 'nothing=x'],
      ['--lease', '[]'],
      ['--expires', '0'],
      ['--profile', 'boss'],
      ['--warn-at', '101'],
    ]) {
      expect(
        await arcp(['invoke', 'reader', ...wrong], { ARCP_URL: 'ws://127.0.0.1:1' }),
        wrong.join(' '),
      ).toMatchObject({ code: 2, stdout: '' });
    }
  });

  it('has the lease end after --expires', async () => {
    const { stdout } = await read('--allow', `fs.read=${folder}/**`, '--expires', '10m', '--json');
    const [accepted] = jsonLines(stdout);
    const { lease } = accepted?.['payload'] as { lease: Record<string, string> };
    const leftMs = Date.parse(lease['expires_at'] ?? '') - Date.now();
    expect(leftMs).toBeGreaterThan(500_000);
    expect(leftMs).toBeLessThanOrEqual(600_000);
  });

  it('warns when --warn-at is reached', async () => {
    const { stderr } = await run(
      ...['invoke', 'charger', '--arg', 'iterations=1', '--arg', 'perCallUSD=0.2'],
      ...['--budget', 'USD:1.00', '--warn-at', '20'],
    );
    expect(stderr).toContain('warn: 0.2 of 1 USD are spent');
  });

  it('runs a job under --profile: one that does not write is refused where its agent does', async () => {
    const target = join(folder, 'out.txt');
    const refused = await run('invoke', 'writer', '--arg', `path=${target}`, '--profile', 'explore');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('PERMISSION_DENIED');
  });
});

describe('arcp lease', { timeout: 60_000 }, () => {
  it('extends what --ask got granted, and takes it back, once', async () => {
    const { stdout } = await read('--allow', 'fs.read=/nowhere/**', '--ask', '--detach');
    const job = stdout.trim();
    const approved = await run('approve', job, '--lease', '10m', '--json');
    expect(approved).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(approved.stdout)).toEqual({ job_id: job, decision: 'granted' });
    const events = jsonLines((await run('tail', job, '--json')).stdout);
    expect(events.at(-1)).toMatchObject({ type: 'job.completed' });
    const granted = events.find(({ type }) => type === 'lease.granted');
    const { lease_id: id } = granted?.['payload'] as { lease_id: string };
    const late = await run('lease', 'extend', id, '10m');
    expect(late, 'its job has ended').toMatchObject({ code: 1, stdout: '' });
    expect(late.stderr).toMatch(/next: /);
  });

  it('gives the lease of a running job more time, and takes it back', async () => {
    const { stdout } = await run('invoke', 'holder', '--allow', 'fs.read=/nowhere/**', '--detach');
    const job = stdout.trim();
    await run('approve', job, '--lease', '10m');
    const { stdout: told } = await run('jobs', '--json');
    expect(told).toContain(job);
    const watched = new Arcp(['tail', job, '--json'], env);
    const [, id = ''] = await watched.until('stdout', /"lease_id":"(lease_[^"]+)"/);
    const { expires_at: before } = jsonLines(watched.stdout).find(({ type }) => type === 'lease.granted')?.[
      'payload'
    ] as { expires_at: string };
    const extended = await run('lease', 'extend', id, '10m', '--json');
    const { expires_at: after } = JSON.parse(extended.stdout) as { expires_at: string };
    expect(Date.parse(after) - Date.parse(before)).toBe(600_000);
    expect(await run('lease', 'revoke', id, '--reason', 'enough')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: `${id} is taken back\n`,
    });
    const { code, stderr } = await watched.ended();
    expect(code).toBe(1);
    expect(stderr).toContain('LEASE_REVOKED');
  });

  it('says what an id looks like', async () => {
    expect(await run('lease', 'revoke', 'job_1')).toMatchObject({ code: 2 });
  });
});
