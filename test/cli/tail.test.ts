/** `arcp jobs` and `arcp tail` as real processes: jobs that other processes started. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arcp, arcp, jsonLines, serve, type Serving } from './arcp.js';

const TOKEN = 'a-token-for-this-test';

let server: Serving;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  server = await serve(['--conformance', '--drain', '0'], { ARCP_TOKEN: TOKEN });
  env = { ARCP_TOKEN: TOKEN, ARCP_URL: server.url };
});

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
});

async function detached(...args: string[]): Promise<string> {
  const { stdout, code } = await arcp(['invoke', ...args, '--detach'], env);
  expect(code).toBe(0);
  return stdout.trim();
}

describe('arcp tail', () => {
  it('shows a job that another process left to itself, from its first event to its end', async () => {
    const job = await detached('ticker', '--arg', 'count=3', '--arg', 'intervalMs=20');
    const { code, stdout, stderr } = await arcp(['tail', job, '--json'], env);
    expect(jsonLines(stdout).map(({ type }) => type)).toEqual([
      'job.accepted',
      'job.started',
      'job.progress',
      'job.progress',
      'job.progress',
      'job.completed',
    ]);
    expect(stderr).toContain(`${job} ticker@1.0.0  completed after`);
    expect(code).toBe(0);
    const { stdout: rest, stderr: shown } = await arcp(['tail', job, '--json', '--from', '4'], env);
    expect(jsonLines(rest).map(({ type }) => type)).toEqual(['job.progress', 'job.completed']);
    expect(shown).toContain(`${job} ticker@1.0.0  completed after`);
    expect((await arcp(['tail', job, '--from', '99'], env)).code).toBe(0);
  });

  it('exits 1 when the job fails, or is none of this token’s', async () => {
    const job = await detached('fail');
    expect(await arcp(['tail', job], env)).toMatchObject({ code: 1, stdout: '' });
    const none = await arcp(['tail', 'job_none'], env);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('NOT_FOUND');
    expect((await arcp(['tail', job, '--from', 'x'], env)).code).toBe(2);
  });

  it('leaves the job running when it is interrupted', async () => {
    const job = await detached('ticker', '--arg', 'count=1000', '--arg', 'intervalMs=20');
    const tail = new Arcp(['tail', job], env);
    await tail.until('stderr', /ticker/);
    tail.signal('SIGINT');
    expect((await tail.ended()).code).toBe(130);
    const { stdout } = await arcp(['jobs', '--status', 'running', '--json'], env);
    expect(jsonLines(stdout)).toMatchObject([{ job_id: job, status: 'running', agent: 'ticker@1.0.0' }]);
    await arcp(['cancel', job], env);
    expect((await arcp(['tail', job], env)).code).toBe(1);
  });
});

describe('arcp jobs', () => {
  it('prints a line for each job, and with filters fewer', async () => {
    const job = await detached('echo', '--arg', 'x=1');
    await arcp(['tail', job], env);
    const { code, stdout } = await arcp(['jobs', '--agent', 'echo', '--status', 'completed,success'], env);
    expect(stdout).toMatch(new RegExp(`^${job} {2}completed {2}20\\S+Z {2}echo@1\\.0\\.0 {2}\\d+\n$`));
    expect(code).toBe(0);
    expect(await arcp(['jobs', '--agent', 'nobody'], env)).toMatchObject({ code: 0, stdout: '' });
    expect((await arcp(['jobs', '--status', 'asleep'], env)).code).toBe(2);
    const wrong = await arcp(['jobs', '--agent', 'No!'], env);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
  });
});
