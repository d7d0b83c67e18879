/** Runs whose workers are processes: real ones, here and behind a real `sshd`, which are killed and hung meanwhile. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type Client } from '../../../src/client/index.js';
import type { RunSummary } from '../../../src/fleet/manager/summary.js';
import { hostFleet, type Fleet } from '../../../src/host-fleet.js';
import { bearerTokens, createRuntime, memoryStore, type Runtime } from '../../../src/index.js';
import type { FleetWorkerEvent } from '../../../src/protocol/fleet/index.js';
import { memoryPair } from '../../../src/transport/memory.js';
import { ARCP } from '../../cli/arcp.js';
import { HAS_SSHD, NEEDS_SSHD, startSshd } from '../hosts/sshd.js';

let root: string;
let runtime: Runtime;
let fleet: Fleet;
let client: Client;

/** Short, so that a worker that hangs is noticed soon; long, so that one that is only slow is not. */
const HEARTBEAT_MS = 3_000;

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-workers-')));
  for (const name of ['one', 'two', 'far']) mkdirSync(join(root, 'work', name), { recursive: true });
  const { PATH = '' } = process.env;
  const store = memoryStore();
  runtime = createRuntime({
    store,
    authenticators: [bearerTokens([['ada', 'ada']])],
    limits: { heartbeatIntervalMs: HEARTBEAT_MS, minHeartbeatIntervalMs: 1_000 },
  });
  fleet = await hostFleet(runtime, {
    store,
    folder: join(root, 'fleet'),
    base: join(root, 'work'),
    env: { PATH, HOME: root },
    workerCommand: [process.execPath, ARCP, 'worker', '--commands'],
  });
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
  await fleet.close();
  rmSync(root, { recursive: true, force: true });
}, 60_000);

const local = (id: string, can: string): object => ({
  id,
  name: id,
  host: { kind: 'local' },
  trust_level: 'operator',
  capabilities: [can],
});

/** In a folder of its worker's name, which it may write: without walls, so that it sees the process of its worker. */
const task = (id: string, script: string, worker: string): object => ({
  id,
  name: `Task ${id}`,
  instructions: 'do it',
  scorer: { kind: 'exit_code' },
  worker: { role: 'implementer', capabilities: [worker] },
  workspace: { root: worker },
  retry_policy: { max_attempts: 2, initial_backoff_seconds: 0 },
  metadata: { command: ['sh', '-c', script], min_trust: 'operator' },
});

interface Told {
  readonly tasks: Readonly<Record<string, readonly FleetWorkerEvent[]>>;
  readonly workers: readonly string[];
  readonly receipts: readonly {
    readonly task_id: string;
    readonly result: string;
    readonly worker_id: string;
  }[];
  readonly summary: RunSummary;
}

async function runOf(spec: object): Promise<Told> {
  const job = await client.startWorkflow('fleet.run', spec);
  const tasks: Record<string, FleetWorkerEvent[]> = {};
  const workers: string[] = [];
  const receipts: Told['receipts'][number][] = [];
  for await (const event of job) {
    if (event.type !== 'event.emit') continue;
    const { name, data } = event.payload as { name: string; data: never };
    if (name === 'fleet.worker') {
      const { worker_id: id, status } = data as { worker_id: string; status: string };
      workers.push(`${id} ${status}`);
    }
    if (name !== 'fleet.task') continue;
    const { event: told, receipt } = data as { event: FleetWorkerEvent; receipt?: Told['receipts'][number] };
    (tasks[told.task_id] ??= []).push(told);
    if (receipt !== undefined) receipts.push(receipt);
  }
  return { tasks, workers, receipts, summary: (await job.result()).value as RunSummary };
}

const states = (events: readonly FleetWorkerEvent[] = []): string =>
  events
    .map(({ state }) => state)
    .filter((state) => state !== 'heartbeat' && state !== 'artifact')
    .join(' ');

async function pidIn(file: string): Promise<number> {
  for (let turn = 0; turn < 6_000; turn += 1) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (text.endsWith('\n')) {
      const pid = Number(text);
      if (pid > 1 && pid !== process.pid) return pid;
      throw new Error(`${pid} is no worker`);
    }
    await wait(10);
  }
  throw new Error(`nobody wrote ${file}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The first time it leaves the number of its worker and waits to be disturbed; the second time it is done at once. */
const DISTURBED = 'test -e pid || { echo $PPID > pid; sleep 120; }; echo $PPID > again';

describe('a run with workers that are processes', { timeout: 120_000 }, () => {
  it('tries the task of a killed worker again, by its policy, on a process that is started anew; one receipt each', async () => {
    const ended = runOf({
      workers: [local('w1', 'one'), local('w2', 'two')],
      tasks: [task('killed', DISTURBED, 'one'), task('calm', 'echo $PPID > pid', 'two')],
    });
    const pid = await pidIn(join(root, 'work/one/pid'));
    process.kill(pid, 'SIGKILL');
    const { tasks, receipts, workers, summary } = await ended;
    expect(states(tasks['killed'])).toBe(
      'leased starting running failed restarted leased starting running completed',
    );
    expect(states(tasks['calm'])).toBe('leased starting running completed');
    expect(receipts.map(({ task_id, result }) => `${task_id} ${result}`).toSorted()).toEqual([
      'calm pass',
      'killed pass',
    ]);
    expect(summary.status).toBe('completed');
    const pids = [pid, await pidIn(join(root, 'work/one/again')), await pidIn(join(root, 'work/two/pid'))];
    expect(new Set([...pids, process.pid]).size).toBe(4);
    expect(workers.filter((line) => line.startsWith('w1')).slice(0, 4)).toEqual([
      'w1 online',
      'w1 busy',
      'w1 offline',
      expect.stringMatching(/^w1 (online|busy)$/),
    ]);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('notices by its heartbeats a worker that hangs, ends it, and restarts its task; heartbeats are measured', async () => {
    const ended = runOf({ workers: [local('w1', 'one')], tasks: [task('hung', DISTURBED, 'one')] });
    const pid = await pidIn(join(root, 'work/one/pid'));
    // Until a heartbeat of the work has been told.
    await wait(2 * HEARTBEAT_MS);
    process.kill(pid, 'SIGSTOP');
    const { tasks, receipts, workers } = await ended;
    expect(states(tasks['hung'])).toBe(
      'leased starting running stale restarted leased starting running completed',
    );
    const beats = (tasks['hung'] ?? []).filter(({ state }) => state === 'heartbeat');
    expect(beats[0]).toMatchObject({
      cpu_percent: expect.any(Number) as number,
      memory_mb: expect.any(Number) as number,
    });
    expect(beats[0]?.state === 'heartbeat' && (beats[0].memory_mb ?? 0) > 0).toBe(true);
    expect(receipts.map(({ result }) => result)).toEqual(['pass']);
    expect(workers).toContain('w1 unhealthy');
    expect(isAlive(pid)).toBe(false);
  });

  it.skipIf(!HAS_SSHD)(
    `has local workers and one behind ssh do its tasks together${NEEDS_SSHD}`,
    async () => {
      const sshd = await startSshd(root);
      try {
        const arcp = join(root, 'arcp');
        writeFileSync(arcp, `#!/bin/sh\nexec '${process.execPath}' '${ARCP}' "$@"\n`);
        chmodSync(arcp, 0o755);
        const { port, user, identity, fingerprint } = sshd;
        const host = { kind: 'ssh', host: '127.0.0.1', port, user, identity, codewhale_binary: arcp };
        const { receipts, workers } = await runOf({
          security_policy: { require_identity_verification: true },
          workers: [
            local('w1', 'one'),
            local('w2', 'two'),
            { ...local('far', 'far'), host: { ...host, host_key_fingerprint: fingerprint } },
          ],
          tasks: [
            task('a', 'tr "\\0" "\\n" < /proc/$PPID/environ | grep -q SSH_CONNECTION; test $? -ne 0', 'one'),
            task('b', 'echo here', 'two'),
            task('c', 'tr "\\0" "\\n" < /proc/$PPID/environ | grep SSH_CONNECTION', 'far'),
          ],
        });
        expect(receipts.map(({ task_id, result }) => `${task_id} ${result}`).toSorted()).toEqual([
          'a pass',
          'b pass',
          'c pass',
        ]);
        expect(receipts.find(({ task_id }) => task_id === 'c')?.worker_id).toBe('far');
        expect(sshd.log()).toContain(`Accepted publickey for ${user}`);
        expect(workers.filter((line) => line.startsWith('far'))).toContain('far busy');
      } finally {
        await sshd.stop();
      }
    },
  );
});
