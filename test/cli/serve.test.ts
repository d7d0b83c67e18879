/** `arcp serve` as a real process: tokens, modules, logs, signals. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Arcp, arcp, jsonLines, serve, type Serving } from './arcp.js';

const ENV = { ARCP_TOKEN: 't0ken' };
let folder: string;
const started: Arcp[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-serve-'));
});

afterEach(async () => {
  for (const one of started.splice(0)) {
    one.signal('SIGKILL');
    await one.ended();
  }
  rmSync(folder, { recursive: true });
});

async function serving(args: readonly string[], env: NodeJS.ProcessEnv = ENV): Promise<Serving> {
  const server = await serve(args, env);
  started.push(server.arcp);
  return server;
}

async function stopped(server: Serving): Promise<number | string | null> {
  server.arcp.signal('SIGTERM');
  return (await server.arcp.ended()).code;
}

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

describe('arcp serve --json', () => {
  it('says on its first line where it listens, on a port of its own with --port 0, and nothing else until it stops', async () => {
    const [one, two] = await Promise.all([serving(['--conformance']), serving(['--conformance'])]);
    expect(one.url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
    expect(two.url).not.toBe(one.url);
    expect(await stopped(one)).toBe(0);
    expect(jsonLines(one.arcp.stdout)).toEqual([
      {
        event: 'listening',
        url: one.url,
        fingerprint: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      },
      { event: 'draining', deadline_ms: 30_000 },
      { event: 'stopped' },
    ]);
  });

  it('is the same runtime after a restart: whoever expects another one is not let near it', async () => {
    const data = join(folder, 'data');
    const fingerprintOf = ({ arcp: { stdout } }: Serving) => String(jsonLines(stdout)[0]?.['fingerprint']);
    const first = await serving(['--conformance', '--store', 'sqlite', '--data', data]);
    await stopped(first);
    expect(statSync(join(data, 'identity.pem')).mode & 0o777).toBe(0o600);
    const second = await serving(['--conformance', '--store', 'sqlite', '--data', data]);
    expect(fingerprintOf(second)).toBe(fingerprintOf(first));
    const known = ['agents', '--url', second.url, '--fingerprint', fingerprintOf(first)];
    expect((await arcp(known, ENV)).code).toBe(0);
    const other = await arcp(
      ['agents', '--url', second.url, '--fingerprint', `sha256:${'0'.repeat(64)}`],
      ENV,
    );
    expect(other.stderr).toContain('UNAUTHENTICATED: this is not the expected runtime');
    expect(other.code).toBe(3);
    expect((await arcp(['agents', '--fingerprint', 'sha256:x'], ENV)).code).toBe(2);
  });

  it('hands jobs over to the runtime in another process that its operator named, and to no other', async () => {
    const there = await serving(['--conformance'], { ARCP_TOKEN: 'far-secret' });
    const fingerprint = String(jsonLines(there.arcp.stdout)[0]?.['fingerprint']);
    const target = ['--handoff-target', `east=${there.url},${fingerprint}`];
    const here = await serving(target, { ...ENV, ARCP_HANDOFF_TOKEN_EAST: 'far-secret' });
    const hand = (runtime: object, budget = '1.00') => {
      const args = { runtime, agent: 'charger', arguments: { iterations: 2, perCallUSD: '0.25' } };
      const options = ['--budget', `USD:${budget}`, '--url', here.url, '--json'];
      return arcp(['invoke', 'arcp.handoff', '--args', JSON.stringify(args), ...options], ENV);
    };
    const done = await hand({ fingerprint });
    expect(jsonLines(done.stdout).map(({ type }) => type)).toEqual([
      'job.accepted',
      'job.started',
      'agent.handoff',
      // `job.handed_over`: the job that it is there.
      'event.emit',
      ...['metric', 'metric', 'metric', 'metric'],
      'job.completed',
    ]);
    expect((await hand({ fingerprint }, '0.30')).stdout).toContain('BUDGET_EXHAUSTED');
    const stranger = await hand({ fingerprint: `sha256:${'0'.repeat(64)}`, url: there.url });
    expect(stranger.stdout).toContain('FAILED_PRECONDITION');
    expect(done.stdout + done.stderr + here.arcp.stderr).not.toContain('far-secret');
    await stopped(there);
    expect((await hand({ fingerprint })).stdout).toContain('UNAVAILABLE');
  });

  it('answers /healthz and /readyz on the same port', async () => {
    const { url } = await serving(['--conformance']);
    const http = url.replace('ws:', 'http:');
    expect((await fetch(`${http}/healthz`)).status).toBe(200);
    expect((await fetch(`${http}/readyz`)).status).toBe(200);
  });

  it('logs a JSON line for each session, job and refusal on stderr, and never a token', async () => {
    const { url, arcp: server } = await serving(['--conformance'], { ARCP_TOKEN: 'known-secret' });
    await arcp(['invoke', 'echo', '--url', url], { ARCP_TOKEN: 'known-secret' });
    await arcp(['invoke', 'echo', '--url', url], { ARCP_TOKEN: 'guessed-secret' });
    await stopped({ url, arcp: server });
    const logged = jsonLines(server.stderr);
    expect(logged.length).toBeGreaterThanOrEqual(3);
    expect(logged.every((line) => typeof line['msg'] === 'string')).toBe(true);
    expect(server.stderr).toMatch(/"job":"job_/);
    expect(server.stderr).not.toMatch(/(known|guessed)-secret/);
  });
});

describe('tokens', () => {
  it('without any, one is made, kept in a private file, and the command that uses it is printed', async () => {
    const server = new Arcp(['serve', '--port', '0', '--conformance'], { XDG_STATE_HOME: folder });
    started.push(server);
    const [, url = '', path = ''] = await server.until(
      'stdout',
      /^listening on (\S+)\n {2}arcp agents --url \S+ --token-file (\S+)\n/,
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const secret = readFileSync(path, 'utf8').trim();
    expect((await arcp(['agents', '--url', url, '--token-file', path])).code).toBe(0);
    expect((await arcp(['agents', '--url', url])).code).toBe(3);
    server.signal('SIGTERM');
    const { stdout, stderr } = await server.ended();
    expect(stdout + stderr).not.toContain(secret);
    expect(existsSync(path), 'the file goes with the token').toBe(false);
  });

  it('that cannot be kept are said to be, with a way out', async () => {
    const state = file('no-folder', '');
    const { code, stdout, stderr } = await arcp(['serve', '--port', '0'], { XDG_STATE_HOME: state });
    expect(stderr).toMatch(/the token cannot be kept: [^]*next: .*ARCP_TOKEN/);
    expect([code, stdout]).toEqual([1, '']);
  });

  it('of a file each stand for a principal: one may not cancel what the other started', async () => {
    const path = file('tokens', 'ada-secret=ada\ngrace-secret=grace\n');
    const { url } = await serving(['--conformance', '--token-file', path], {});
    const { stdout } = await arcp(['invoke', 'sleep', '--detach', '--url', url], {
      ARCP_TOKEN: 'ada-secret',
    });
    const id = stdout.trim();
    const refused = await arcp(['cancel', id, '--url', url], { ARCP_TOKEN: 'grace-secret' });
    expect(refused.code).toBe(1);
    expect((await arcp(['cancel', id, '--url', url], { ARCP_TOKEN: 'ada-secret' })).code).toBe(0);
  });

  it('on the command line work, with a warning', async () => {
    const { url, arcp: server } = await serving(['--conformance', '--token', 'abc=ada'], {});
    expect((await arcp(['agents', '--url', url, '--token', 'abc'])).code).toBe(0);
    await server.until('stderr', /warning: a token on the command line can be seen by others/);
  });

  it('are not needed with --anonymous', async () => {
    const { url } = await serving(['--conformance', '--anonymous'], {});
    expect((await arcp(['agents', '--url', url])).code).toBe(0);
  });

  it('in a file that others can read are refused', async () => {
    const path = file('open', 'abc=ada\n', 0o644);
    const { code, stderr } = await arcp(['serve', '--port', '0', '--token-file', path]);
    expect(stderr).toMatch(/can be read by others[^]*next: make it private: chmod 600/);
    expect(code).toBe(2);
  });

  it('that stand for two principals are refused', async () => {
    const path = file('twice', 'abc=ada\nabc=grace\n');
    expect((await arcp(['serve', '--port', '0', '--token-file', path])).code).toBe(2);
  });
});

describe('the data folder', () => {
  it('keeps jobs from one process to the next, without any option that asks for it', async () => {
    const data = ['--data', join(folder, 'data')];
    const first = await serving(['--conformance', ...data]);
    const { stdout } = await arcp(['invoke', 'echo', '--url', first.url, '--detach'], ENV);
    await stopped(first);
    const { url } = await serving(['--conformance', ...data]);
    expect((await arcp(['jobs', '--url', url], ENV)).stdout).toContain(stdout.trim());
  });

  it('belongs to one process: a second one is told which folder is taken, and what it can do', async () => {
    const data = ['--data', join(folder, 'data')];
    await serving(['--conformance', ...data]);
    const { code, stdout, stderr } = await arcp(['serve', '--port', '0', '--conformance', ...data], ENV);
    expect(stderr).toContain(`the data folder ${join(folder, 'data')} is in use by another process`);
    expect(stderr).toContain('next: name another folder with --data');
    expect([code, stdout]).toEqual([1, '']);
  });

  it('is not touched with --store memory', async () => {
    const data = join(folder, 'data');
    await serving(['--conformance', '--store', 'memory', '--data', data]);
    expect(existsSync(data)).toBe(false);
  });
});

describe('agents', () => {
  const AGENT = `{ name: 'greeter', version: '1.0.0', heartbeat: 'auto', run: ({ name }) => 'Hello, ' + name }`;

  it('of a module are hosted', async () => {
    const path = file('greeter.mjs', `export const greeter = ${AGENT};`);
    const { url } = await serving(['--agents', path]);
    const { stdout } = await arcp(['invoke', 'greeter', '--arg', 'name=Ada', '--url', url], {
      ARCP_TOKEN: 't0ken',
    });
    expect(JSON.parse(stdout)).toBe('Hello, Ada');
  });

  it('that two modules define are refused, and both are named', async () => {
    const one = file('one.mjs', `export default ${AGENT};`);
    const two = file('two.mjs', `export default ${AGENT};`);
    const { code, stderr } = await arcp(['serve', '--port', '0', '--agents', one, '--agents', two]);
    expect(stderr).toContain(`greeter@1.0.0 is defined twice: in ${one} and in ${two}`);
    expect(code).toBe(2);
  });

  it.each([
    ['waits for ever', 'await new Promise(() => undefined);'],
    ['ends the process', 'process.exit(0);'],
  ])('of a module that %s while it is loaded are refused', async (_, source) => {
    const path = file('stuck.mjs', source);
    const { code, stdout, stderr } = await arcp(['serve', '--port', '0', '--agents', path]);
    expect(stderr).toMatch(/stuck\.mjs ended the process, or waits for ever[^]*next: try it alone/);
    expect([code, stdout]).toEqual([2, '']);
  });

  it('of a module that is not there are refused', async () => {
    const { code, stderr } = await arcp(['serve', '--port', '0', '--agents', 'nowhere.mjs']);
    expect(stderr).toMatch(/there is no module .*nowhere\.mjs\n {2}next: /);
    expect(code).toBe(2);
  });
});

describe('a port', () => {
  it('that is taken is said to be, with a way out, and a status of 1', async () => {
    const { url } = await serving(['--conformance']);
    const { code, stdout, stderr } = await arcp(['serve', '--conformance', '--port', new URL(url).port]);
    expect(stderr).toMatch(/EADDRINUSE[^]*next: .*--port 0/);
    expect([code, stdout]).toEqual([1, '']);
  });
});

describe('when it is told to stop', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s, a running job may end and nothing new is taken',
    async (signal) => {
      const { url, arcp: server } = await serving(['--conformance', '--drain', '20s']);
      const invoked = new Arcp(['invoke', 'sleep', '--arg', 'ms=1500', '--url', url, '--json'], ENV);
      await invoked.until('stdout', /"job\.started"/);
      server.signal(signal);
      await server.until('stdout', /"draining"/);
      expect((await arcp(['invoke', 'fast', '--url', url], ENV)).code).not.toBe(0);
      expect((await invoked.ended()).code).toBe(0);
      expect((await server.ended()).code).toBe(0);
    },
  );

  it('ends what does not end in time with ABORTED, which may be tried again', async () => {
    const { url, arcp: server } = await serving(['--conformance', '--drain', '100ms']);
    const invoked = new Arcp(['invoke', 'sleep', '--arg', 'ms=600000', '--url', url, '--json'], ENV);
    await invoked.until('stdout', /"job\.started"/);
    server.signal('SIGTERM');
    const { code, stdout } = await invoked.ended();
    expect(jsonLines(stdout).at(-1)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'ABORTED', retryable: true },
    });
    expect(code).toBe(1);
    expect((await server.ended()).code).toBe(0);
  });

  it('a second time, it stops at once, and takes the token that it made with it', async () => {
    const server = new Arcp(['serve', '--port', '0', '--conformance', '--drain', '10m'], {
      XDG_STATE_HOME: folder,
    });
    started.push(server);
    const [, url = '', path = ''] = await server.until('stdout', /--url (\S+) --token-file (\S+)\n/);
    const invoked = new Arcp(['invoke', 'sleep', '--url', url, '--token-file', path]);
    started.push(invoked);
    await invoked.until('stderr', /accepted/);
    server.signal('SIGINT');
    await server.until('stdout', /^draining/m);
    server.signal('SIGINT');
    expect((await server.ended()).code).toBe(130);
    expect(existsSync(path)).toBe(false);
  });
});
