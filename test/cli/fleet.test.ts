/** `arcp fleet …` as it is used: runs in the command's own process and in a runtime beside it, looked at and spoken to. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arcp, Arcp, jsonLines, serve, type Serving } from './arcp.js';

const TOKEN = 'for this test only';
/** The machine may be busy with other tests. */
const timeout = 120_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arcp-fleet-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const task = (id: string, script: string, more: object = {}): object => ({
  id,
  name: `Task ${id}`,
  instructions: 'do it',
  metadata: { command: ['sh', '-c', script] },
  workspace: { root: folder },
  retry_policy: { max_attempts: 1 },
  scorer: { kind: 'exit_code' },
  ...more,
});

function specFile(name: string, tasks: readonly object[]): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify({ name, security_policy: { default_trust_level: 'local' }, tasks }));
  return path;
}

describe('a run in the process of the command', () => {
  it(
    'tells how each task ended, by its exit code too, and is looked at afterwards',
    { timeout },
    async () => {
      const data = join(folder, 'own');
      const spec = specFile('mixed', [task('good', 'echo hello; echo aside >&2'), task('bad', 'exit 3')]);
      const ran = await arcp(['fleet', 'run', spec, '--data', data, '--trust', 'local']);
      expect(ran.code).toBe(1);
      expect(ran.stdout).toMatch(/^good +pass /m);
      expect(ran.stdout).toMatch(/^bad +fail +task /m);
      expect(ran.stderr).toMatch(/^run job_/m);

      const look = async (...args: string[]): Promise<Record<string, unknown>[]> => {
        const { code, stdout, stderr } = await arcp(['fleet', ...args, '--data', data, '--json']);
        expect(stderr).toBe('');
        expect(code).toBe(0);
        return jsonLines(stdout);
      };
      expect(await look('list')).toMatchObject([{ name: 'mixed', status: 'failed' }]);
      expect(await look('status', 'latest')).toMatchObject([
        { tasks: { total: 2, completed: 1, failed: 1 } },
      ]);
      expect(await look('receipts', 'latest')).toMatchObject([{ task_id: 'good' }, { task_id: 'bad' }]);
      expect(await look('inspect', 'latest', 'bad')).toMatchObject([{ status: 'failed', attempt: 1 }]);
      expect(await look('artifacts', 'latest', 'good')).toMatchObject([{ size_bytes: 6 }, { size_bytes: 6 }]);
      const told = await look('logs', 'latest', 'good');
      expect(
        told.some(({ type, payload }) => type === 'log' && JSON.stringify(payload).includes('aside')),
      ).toBe(true);
    },
  );

  it(
    'is stopped by Ctrl-C: what is not over is cancelled, and the exit code is 130',
    { timeout },
    async () => {
      const data = join(folder, 'stopped');
      const spec = specFile('long', [task('long', 'sleep 60'), task('next', 'true')]);
      const run = new Arcp(['fleet', 'run', spec, '--data', data, '--trust', 'local', '--json']);
      await run.until('stdout', /"state":"running"/);
      run.signal('SIGINT');
      expect((await run.ended()).code).toBe(130);
      const { stdout } = await arcp(['fleet', 'receipts', 'latest', '--data', data, '--json']);
      expect(jsonLines(stdout).map(({ result }) => result)).toEqual(['skip', 'skip']);
      // Nothing tells others of a runtime that is gone.
      expect(readdirSync(join(data, 'fleet'))).not.toContain('endpoint.json');
    },
  );
});

describe('a run in a runtime beside', () => {
  let server: Serving;
  beforeAll(async () => {
    server = await serve(['--fleet', '--log-level', 'error'], { ARCP_TOKEN: TOKEN });
  }, timeout);
  afterAll(async () => {
    server.arcp.signal('SIGKILL');
    await server.arcp.ended();
  });
  const fleet = (...args: string[]): ReturnType<typeof arcp> =>
    arcp(['fleet', ...args, '--url', server.url], { ARCP_TOKEN: TOKEN });

  it('is paused, resumed, interrupted and restarted by other commands', { timeout }, async () => {
    const spec = specFile('told', [task('a', 'sleep 60'), task('b', 'true')]);
    const started = await fleet('run', spec, '--trust', 'local', '--detach', '--json');
    expect(started.code).toBe(0);
    const id = String(jsonLines(started.stdout)[0]?.['run_id']);
    let running: unknown;
    for (let turn = 0; running !== 1 && turn < 20; turn += 1) {
      const [view] = jsonLines((await fleet('status', id, '--json')).stdout);
      running = (view?.['tasks'] as { readonly running: number } | undefined)?.running;
    }
    expect(await fleet('pause', id)).toMatchObject({ code: 0 });
    expect((await fleet('status', id)).stdout).toMatch(/^status +paused$/m);
    expect(await fleet('restart', id, 'a', '--attempt', '1')).toMatchObject({ code: 0 });
    expect(await fleet('interrupt', id, 'a')).toMatchObject({ code: 0 });
    expect(await fleet('drain', id, 'local-1')).toMatchObject({ code: 0 });
    expect(await fleet('undrain', id, 'local-1')).toMatchObject({ code: 0 });
    expect(await fleet('resume', id)).toMatchObject({ code: 0 });
    expect(await fleet('logs', id)).toMatchObject({ code: 0 });
    const receipts = jsonLines((await fleet('receipts', id, '--json')).stdout);
    expect(receipts.map(({ result }) => result)).toEqual(['skip', 'pass']);
  });

  it('says what to do next where something is wrong', { timeout }, async () => {
    const missing = await fleet('status', 'job_nowhere');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/NOT_FOUND.*\n +next: `arcp fleet list`/);
    const nowhere = await arcp(['fleet', 'list', '--data', join(folder, 'none')]);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toContain('next: start one with `arcp fleet run FILE`');
  });
});
