/** Workers that are processes of this machine: real ones, which are started, killed, stopped and hung. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EVERYTHING, localWorker, scene, type Scene } from './scene.js';

let at: Scene;

beforeEach(async () => {
  at = await scene({ GREETING: 'hello', TOKEN_OF_OURS: 'not for workers', HANDED: 'on' });
});

afterEach(async () => {
  await at.close();
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has waited for yet is no process.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn += 1) {
    if (turn > 1_000) throw new Error('it did not come to that');
    await wait(10);
  }
}

const task = {
  id: 't',
  name: 'T',
  instructions: 'i',
  expected_artifacts: [],
  timeout_seconds: null,
  metadata: {},
  workspace: { environment: { required: ['HANDED'], allowlist: ['GREETING'] } },
};

describe('a local worker', () => {
  it('is started when it is first needed, does the work in a process of its own, and is gone with its run', async () => {
    const worker = localWorker();
    const run = await at.run({ workers: [worker], policy: undefined, tasks: [task] });
    expect(run.workers.pidOf('w1')).toBeUndefined();
    const outcome = await run.work({ worker, command: ['sh', '-c', 'echo $PPID > pid'] });
    expect(outcome).toMatchObject({ status: 'completed', value: { exit_code: 0 } });
    const pid = run.workers.pidOf('w1') ?? 0;
    expect(readFileSync(join(at.root, 'work/pid'), 'utf8').trim()).toBe(String(pid));
    await run.end();
    expect(isAlive(pid)).toBe(false);
    expect(at.runtime.inventory().map(({ name }) => name)).toEqual(['run']);
  });

  it('has nothing of our environment but the path, the locale and what tasks may be given', async () => {
    const worker = localWorker();
    const run = await at.run({ workers: [worker], policy: undefined, tasks: [task] });
    await run.work({ worker, command: ['sh', '-c', 'env > seen'], allowlist: ['GREETING', 'TOKEN_OF_OURS'] });
    const pid = run.workers.pidOf('w1') ?? 0;
    const own = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((line) => line.split('=')[0])
      .filter((name) => name !== '' && !['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ'].includes(name ?? ''));
    expect(own.toSorted()).toEqual(['ARCP_WORKER', 'PATH']);
    const seen = readFileSync(join(at.root, 'work/seen'), 'utf8');
    expect(seen).toContain('GREETING=hello\n');
    expect(seen).not.toContain('HANDED');
    expect(seen).not.toContain('not for workers');
    await run.end();
  });

  it('that is killed loses its work at once, takes what it had started with it, and is started again by the next attempt', async () => {
    const worker = localWorker();
    const run = await at.run({ workers: [worker], policy: undefined });
    const lost = run.work({ worker, command: ['sh', '-c', 'echo $$ > started; sleep 60'] });
    await until(
      () =>
        existsSync(join(at.root, 'work/started')) && readFileSync(join(at.root, 'work/started')).length > 1,
    );
    const child = Number(readFileSync(join(at.root, 'work/started'), 'utf8'));
    const first = run.workers.pidOf('w1') ?? 0;
    process.kill(first, 'SIGKILL');
    expect(await lost).toMatchObject({ status: 'failed', code: 'ABORTED' });
    await until(() => !isAlive(child));
    expect(await run.work({ worker, command: ['true'] })).toMatchObject({ status: 'completed' });
    expect(run.workers.pidOf('w1')).not.toBe(first);
    expect(at.changes.map(({ worker: id, state }) => `${id} ${state}`)).toEqual([
      'w1 connected',
      'w1 lost',
      'w1 connected',
    ]);
    await run.end();
  });

  it('that hangs is ended, TERM or not, and started again', async () => {
    const worker = localWorker();
    const run = await at.run({ workers: [worker], policy: undefined });
    await run.work({ worker, command: ['true'] });
    const first = run.workers.pidOf('w1') ?? 0;
    process.kill(first, 'SIGSTOP');
    run.workers.stale('w1');
    await until(() => !isAlive(first));
    expect(await run.work({ worker, command: ['true'] })).toMatchObject({ status: 'completed' });
    await run.end();
  });

  it('ends its work when it is stopped, also what does not listen to TERM', async () => {
    const worker = localWorker();
    const run = await at.run({ workers: [worker], policy: undefined });
    const stopped = run.work({
      worker,
      command: ['sh', '-c', 'trap "" TERM; echo $$ > deaf; while :; do sleep 1; done'],
    });
    await until(
      () => existsSync(join(at.root, 'work/deaf')) && readFileSync(join(at.root, 'work/deaf')).length > 1,
    );
    const child = Number(readFileSync(join(at.root, 'work/deaf'), 'utf8'));
    await run.end();
    expect((await stopped).status).toBe('failed');
    expect(isAlive(child)).toBe(false);
  });

  it('that cannot come up says why, and is not started again and again at once', async () => {
    const bad = await scene();
    try {
      const worker = localWorker({ auth: { method: 'token', token_ref: { key: 'NOT_THERE' } } });
      const run = await bad.run({ workers: [worker], policy: undefined });
      const asked = () => expect(run.workers.agentOn(worker, 'command')).rejects;
      await asked().toThrow(/<secret:NOT_THERE> is not in env, keyring, file/);
      await asked().toThrow(/<secret:NOT_THERE>/);
      await asked().toThrow(/ended soon 2 times/);
      await run.end();
    } finally {
      await bad.close();
    }
  });

  it('does the tasks of its run and no others: another job of the same principal is refused', async () => {
    const worker = localWorker();
    const run = await at.run({ workers: [worker], policy: undefined });
    const agent = await run.workers.agentOn(worker, 'command');
    const order = {
      ...task,
      metadata: { command: ['true'] },
      fleet: { run_id: run.id, worker_id: 'w1', attempt: 1, workspace: at.root, folder: at.root },
    };
    const job = await at.client.invoke(agent, order, { leaseRequest: EVERYTHING });
    await expect(job.result()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await run.end();
  });

  it('shows a token where its spec has one, which the runtime checks', async () => {
    writeFileSync(join(at.root, 'secrets/WORKER'), 'the-token-of-w1', { mode: 0o600 });
    const worker = localWorker({ auth: { method: 'token', token_ref: { key: 'WORKER', source: 'file' } } });
    const run = await at.run({ workers: [worker], policy: undefined });
    expect(await run.work({ worker, command: ['true'] })).toMatchObject({ status: 'completed' });
    await run.end();
    expect(at.logged()).not.toContain('the-token-of-w1');
  });
});
