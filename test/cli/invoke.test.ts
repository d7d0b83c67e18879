/** `arcp invoke`, `agents` and `cancel` as real processes, against a real `arcp serve`. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeFrame } from '../../src/protocol/index.js';
import { ARCP, Arcp, arcp, jsonLines, serve, type Serving } from './arcp.js';

const TOKEN = 'a-token-for-this-test';

let folder: string;
let server: Serving;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-invoke-'));
  const deaf = join(folder, 'deaf.mjs');
  const run = '() => new Promise(() => undefined)';
  writeFileSync(deaf, `export default { name: 'deaf', version: '1.0.0', heartbeat: 'auto', run: ${run} };`);
  server = await serve(['--conformance', '--agents', deaf, '--drain', '0'], { ARCP_TOKEN: TOKEN });
  env = { ARCP_TOKEN: TOKEN, ARCP_URL: server.url };
});

afterAll(async () => {
  server.arcp.signal('SIGTERM');
  await server.arcp.ended();
  rmSync(folder, { recursive: true });
});

describe('arcp invoke', () => {
  it('prints the value on stdout, tells what happens on stderr, and exits 0', async () => {
    const { code, stdout, stderr } = await arcp(
      ['invoke', 'echo', '--arg', 'x=1', '--args', '{"y":[true]}'],
      env,
    );
    expect(JSON.parse(stdout)).toEqual({ x: 1, y: [true] });
    expect(stderr).toMatch(/^job_\S+ echo@1\.0\.0 {2}accepted\njob_\S+ echo@1\.0\.0 {2}completed after/);
    expect(code).toBe(0);
  });

  it('starts a workflow with --workflow, and tells what is none', async () => {
    const steps = '{"steps":[{"target":"echo","arguments":1},{"target":"echo","arguments":2}]}';
    const done = await arcp(['invoke', 'sequence', '--workflow', '--args', steps, '--json'], env);
    expect(jsonLines(done.stdout).at(-2)).toMatchObject({
      type: 'workflow.complete',
      payload: { value: [1, 2] },
    });
    expect(done.code).toBe(0);
    const refused = await arcp(['invoke', 'echo', '--workflow'], env);
    expect(refused.stderr).toContain('AGENT_NOT_AVAILABLE: echo@1.0.0 is no workflow');
    expect(refused.code).toBe(1);
  });

  it('prints one envelope a line with --json, from job.accepted to the terminal, and nothing else', async () => {
    const { code, stdout } = await arcp(
      ['invoke', 'ticker', '--arg', 'count=3', '--arg', 'intervalMs=1', '--json'],
      env,
    );
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => decodeFrame(line).ok)).toEqual(lines.map(() => true));
    expect(jsonLines(stdout).map(({ type }) => type)).toEqual([
      'job.accepted',
      'job.started',
      'job.progress',
      'job.progress',
      'job.progress',
      'job.completed',
    ]);
    expect(code).toBe(0);
  });

  it('shows what a job delegates, indented below it, and its envelopes with --json', async () => {
    const args = ['invoke', 'delegator', '--arg', 'target=echo', '--arg', 'task=say it'];
    const plain = await arcp(args, env);
    expect(plain.stderr).toMatch(/^ {2}job_\S+ echo@1\.0\.0: say it {2}completed/m);
    const { stdout } = await arcp([...args, '--json'], env);
    const jobs = new Set(jsonLines(stdout).map((envelope) => envelope['job_id']));
    expect(jobs.size).toBe(2);
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'job.completed' });
  });

  it('exits 1 with the code and what to do next when the job fails', async () => {
    const { code, stdout, stderr } = await arcp(['invoke', 'fail'], env);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^arcp: INTERNAL: deliberate failure$/m);
    expect(stderr).toMatch(/^ {2}next: /m);
  });

  it.each([
    ['nobody', 'AGENT_NOT_AVAILABLE', ['job.accepted', 'job.failed']],
    ['versioned@9', 'AGENT_VERSION_NOT_AVAILABLE', ['job.accepted', 'job.failed']],
    ['Bad@', 'INVALID_ARGUMENT', ['job.failed']],
    ['out-of-order', 'OUT_OF_RANGE', ['job.accepted', 'job.started', 'job.result_chunk', 'job.failed']],
    [
      'stream-then-inline',
      'FAILED_PRECONDITION',
      ['job.accepted', 'job.started', 'job.result_chunk', 'job.failed'],
    ],
  ])('%s ends with %s, each envelope once (decision 2)', async (agent, error, types) => {
    const { code, stdout } = await arcp(['invoke', agent, '--json'], env);
    const envelopes = jsonLines(stdout);
    expect(envelopes.map(({ type }) => type)).toEqual(types);
    expect(envelopes.at(-1)).toMatchObject({ payload: { code: error } });
    expect(code).toBe(1);
  });

  it('shows the money that was spent, to the last digit, when the budget does not cover more', async () => {
    const args = ['--arg', 'iterations=5', '--arg', 'perCallUSD=0.30', '--budget', 'USD:1.00'];
    const { code, stderr } = await arcp(['invoke', 'charger', ...args], env);
    expect(stderr).toMatch(/^spent {2}charger@1\.0\.0 {2}0\.9 USD$/m);
    expect(stderr).toMatch(/BUDGET_EXHAUSTED/);
    expect(stderr).toMatch(/next: allow more with --budget/);
    expect(code).toBe(1);
  });

  it('writes five million streamed bytes to --out with the hash that the agent says', async () => {
    const out = join(folder, 'five-million.bin');
    const args = ['invoke', 'binary-report', '--arg', 'bytes=5000000', '--arg', 'seed=7', '--out', out];
    const { code, stdout, stderr } = await arcp(args, env);
    const bytes = readFileSync(out);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(sha256).toBe('b41e450a32e12c170e37e10071000ab556b183a6c5545861c1d2d382a4ec35ab');
    expect(stderr).toContain(`5000000 bytes, sha256 ${sha256}`);
    expect([code, stdout]).toEqual([0, '']);
  });

  it('streams a text to stdout as it is', async () => {
    const { stdout } = await arcp(['invoke', 'report-builder'], env);
    expect(stdout).toBe('Section 1: hello Section 2: world Section 3: end');
  });

  it('writes an inline value to --out as JSON', async () => {
    const out = join(folder, 'value.json');
    await arcp(['invoke', 'versioned', '--out', out], env);
    expect(readFileSync(out, 'utf8')).toBe('"1.0.0"\n');
  });

  it('leaves the file of an earlier run alone, and no part of a new one, when the job fails (O1)', async () => {
    const out = join(folder, 'kept.txt');
    writeFileSync(out, 'from before');
    const { code } = await arcp(['invoke', 'out-of-order', '--out', out], env);
    expect(code).toBe(1);
    expect(readFileSync(out, 'utf8')).toBe('from before');
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('writes through a link to the file that it names, and leaves it a link, and the file as private as it was', async () => {
    const [file, link] = [join(folder, 'linked.json'), join(folder, 'link')];
    writeFileSync(file, 'from before', { mode: 0o600 });
    symlinkSync(file, link);
    expect((await arcp(['invoke', 'versioned', '--out', link], env)).code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('"1.0.0"\n');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(lstatSync(file).mode & 0o777).toBe(0o600);
  });

  it('writes to what is no file as it is, and never replaces it (O1)', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = promisify(execFile)('cat', [pipe]);
    expect((await arcp(['invoke', 'report-builder', '--out', pipe], env)).code).toBe(0);
    expect((await reader).stdout).toBe('Section 1: hello Section 2: world Section 3: end');
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  });

  it('passes --args null on as null', async () => {
    const { stdout } = await arcp(['invoke', 'echo', '--args', 'null'], env);
    expect(stdout).toBe('null\n');
  });

  it.runIf(process.platform === 'linux')('exits 1 and says so when stdout cannot be written', async () => {
    const full = openSync('/dev/full', 'w');
    const invoked = spawn(process.execPath, [ARCP, 'invoke', 'echo'], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    let stderr = '';
    invoked.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    expect(await once(invoked, 'close')).toEqual([1, null]);
    expect(stderr).toMatch(/^arcp: stdout cannot be written: .*ENOSPC/m);
  });

  it('gets the same job for the same --idempotency-key (decision 11)', async () => {
    const args = ['invoke', 'echo', '--arg', 'n=1', '--idempotency-key', 'once', '--json'];
    const ids = await Promise.all([arcp(args, env), arcp(args, env)]).then((both) =>
      both.map(({ stdout }) => jsonLines(stdout)[0]?.['job_id']),
    );
    expect(ids[0]).toMatch(/^job_/);
    expect(ids[1]).toBe(ids[0]);
  });
});

describe('arcp invoke after Ctrl-C', () => {
  it('cancels the job, waits for its end, and exits 130', async () => {
    const invoked = new Arcp(['invoke', 'sleep', '--json'], env);
    await invoked.until('stdout', /"job\.started"/);
    invoked.signal('SIGINT');
    const { code, stdout } = await invoked.ended();
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'job.cancelled' });
    expect(code).toBe(130);
  });

  it('leaves at once after a second one, though the job does not end, and leaves no part of a file', async () => {
    const out = join(folder, 'never.txt');
    const invoked = new Arcp(['invoke', 'deaf', '--out', out], env);
    await invoked.until('stderr', /deaf@1\.0\.0 {2}accepted/);
    invoked.signal('SIGINT');
    await invoked.until('stderr', /Ctrl-C again leaves at once/);
    invoked.signal('SIGINT');
    expect((await invoked.ended()).code).toBe(130);
    expect(readdirSync(folder).filter((name) => name.startsWith('never.txt'))).toEqual([]);
  });

  it('is not hurried by SIGTERM, which asks for the same orderly end', async () => {
    const invoked = new Arcp(['invoke', 'sleep', '--json'], env);
    await invoked.until('stdout', /"job\.started"/);
    invoked.signal('SIGINT');
    invoked.signal('SIGTERM');
    const { code, stdout } = await invoked.ended();
    expect(jsonLines(stdout).at(-1)).toMatchObject({ type: 'job.cancelled' });
    expect(code).toBe(130);
  });
});

describe('a command line that makes no sense', () => {
  it.each([
    [[], 'Usage'],
    [['invoke'], "missing required argument 'agent'"],
    [['invoke', 'echo', '--budget', 'USD:abc'], 'not an amount'],
    [['invoke', 'echo', '--budget', 'USD:1', '--budget', 'USD:2'], 'twice'],
    [['invoke', 'echo', '--arg', 'novalue'], 'name=value'],
    [['invoke', 'echo', '--args', '{'], 'not JSON'],
    [['invoke', 'echo', '--args', '[1]', '--arg', 'a=1'], '--args is not one'],
    [['invoke', 'echo', '--url', 'http://127.0.0.1'], 'ws://'],
    [['invoke', 'echo', '--detach', '--out', 'x'], '--out'],
    [['invoke', 'echo', '--out', '/nowhere/at/all'], 'cannot be written'],
    [['invoke', 'echo', '--out', tmpdir()], 'it is a folder'],
    [['agents', '--url', 'ws://me:hunter2@127.0.0.1'], 'arcp: a URL carries no secrets here\n'],
    [['invoke', 'echo', '--nonsense'], 'unknown option'],
    [['nonsense'], 'unknown command'],
    [['serve', '--port', '70000'], '0 to 65535'],
    [['serve', '--store', 'paper'], 'memory'],
    [['serve', '--drain', 'soon'], 'duration'],
    [['serve', '--port', '0', '--token', ''], 'no secret'],
  ])('%j exits 2 and says why, without a word on stdout', async (args, message) => {
    const { code, stdout, stderr } = await arcp(args, env);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, '']);
  });
});

describe('without a session', () => {
  it('exits 3 and says how to start a runtime when nobody listens', async () => {
    const { code, stdout, stderr } = await arcp(
      ['invoke', 'echo', '--url', 'ws://127.0.0.1:1', '--json'],
      env,
    );
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/ECONNREFUSED[^]*next: .*arcp serve/);
  });

  it.each([
    ['a wrong token', { ARCP_TOKEN: 'wrong' }],
    ['no token', { ARCP_TOKEN: '' }],
  ])(
    'exits 3 with %s, prints the refusal with --json, and says where a token comes from',
    async (_, token) => {
      const { code, stdout, stderr } = await arcp(['invoke', 'echo', '--json'], { ...env, ...token });
      expect(code).toBe(3);
      expect(jsonLines(stdout)).toMatchObject([
        { type: 'session.rejected', payload: { code: 'UNAUTHENTICATED' } },
      ]);
      expect(stderr).toMatch(/next: .*--token-file/);
    },
  );

  it('exits 3 when the runtime is lost while the job runs, and says how to stop the job', async () => {
    const first = await serve(['--conformance'], env);
    const invoked = new Arcp(['invoke', 'sleep', '--arg', 'ms=600000', '--url', first.url], env);
    await invoked.until('stderr', /accepted/);
    first.arcp.signal('SIGKILL');
    await invoked.until('stderr', /connection lost .*reconnecting/);
    // One that comes back on the same port without its jobs: the session cannot be resumed.
    const second = await serve(['--conformance', '--port', new URL(first.url).port], env);
    const { code, stderr } = await invoked.ended();
    second.arcp.signal('SIGTERM');
    await second.arcp.ended();
    expect(stderr.match(/connection lost/g), 'said once').toHaveLength(1);
    expect(stderr).toMatch(/can no longer be followed: RESUME_WINDOW_EXPIRED[^]*next: .*`arcp cancel job_/);
    expect(code).toBe(3);
  });
});

describe('arcp agents', () => {
  it('lists names, versions and defaults', async () => {
    const { code, stdout } = await arcp(['agents'], env);
    expect(stdout).toMatch(/^echo +1\.0\.0$/m);
    expect(stdout).toMatch(/^versioned +1\.0\.0 \(default\), 2\.0\.0$/m);
    expect(code).toBe(0);
  });

  it('prints one agent a line with --json', async () => {
    const { stdout } = await arcp(['agents', '--json'], env);
    expect(jsonLines(stdout)).toContainEqual({
      name: 'versioned',
      versions: ['1.0.0', '2.0.0'],
      default: '1.0.0',
    });
  });
});

describe('arcp cancel', () => {
  it('stops a job that was left to itself, once', async () => {
    const detached = await arcp(['invoke', 'sleep', '--arg', 'ms=600000', '--detach'], env);
    expect(detached.code).toBe(0);
    const id = detached.stdout.trim();
    expect(id).toMatch(/^job_\S+$/);

    expect(await arcp(['cancel', id, '--reason', 'enough'], env)).toMatchObject({
      code: 0,
      stderr: `${id} is being cancelled\n`,
    });
    const again = await arcp(['cancel', id], env);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/next: there is nothing to do: it has ended/);
  });

  it('exits 1 for a job that nobody knows', async () => {
    const { code, stderr } = await arcp(['cancel', 'job_nobody'], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/NOT_FOUND[^]*next: check the id/);
  });
});
