/**
 * Runs of fleets under `kill -9` (M1, M2): a real `arcp serve --fleet` dies at random while its tasks run, and so do the
 * processes of the workers that host some of them. `FLEET_KILLS=20` is the long version: 200 tasks on 8 workers.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Arcp, arcp, jsonLines } from '../cli/arcp.js';
import { FleetWatcher } from './fleet-watcher.js';

const KILLS = Number(process.env['FLEET_KILLS'] ?? 3);
const TASKS = KILLS * 10;
/** Places for tasks. */
const WORKERS = KILLS > 3 ? 8 : 4;
/** Processes that host the agent `step`. */
const HOSTS = WORKERS / 2;
const SECRETS = { host: 'a-token-of-the-hosts', ada: 'a-token-of-ada' };
/** As many as a task that is meant to pass can lose to kills, to its own failures, and one. */
const ATTEMPTS = KILLS + 3;
/** Without an attempt that a kill cut off, the test would say nothing. */
const ENOUGH_AGAIN = 2;

type Kind = 'command' | 'hosted' | 'flaky' | 'doomed';
const KINDS: readonly Kind[] = ['command', 'hosted', 'command', 'flaky', 'doomed'];
const kindOf = (index: number): Kind => KINDS[index % KINDS.length] ?? 'command';
const mostAttempts = (kind: Kind): number => (kind === 'doomed' ? 2 : ATTEMPTS);

/** Each in a folder of its own: they all may write there, and run together. */
function taskOf(index: number): object {
  const id = `t${index}`;
  const kind = kindOf(index);
  const common = {
    id,
    name: `Task ${index}`,
    instructions: 'do it',
    workspace: { root: id },
    // Those who do it may be a while in coming back.
    retry_policy: {
      max_attempts: mostAttempts(kind),
      initial_backoff_seconds: 'flaky hosted'.includes(kind) ? 1 : 0,
    },
  };
  const wait = `0.${1 + (index % 4)}`;
  const command = (script: string): object => ({ command: ['sh', '-c', script] });
  switch (kind) {
    case 'command':
      return {
        ...common,
        metadata: command(`echo working; sleep ${wait}; echo done > made`),
        scorer: { kind: 'file_exists', path: 'made' },
      };
    case 'doomed':
      return { ...common, metadata: command(`sleep ${wait}; exit 3`), scorer: { kind: 'exit_code' } };
    case 'hosted':
      return { ...common, metadata: { agent: 'step' }, scorer: { kind: 'exit_code' } };
    case 'flaky':
      return { ...common, metadata: { agent: 'step', fails: 1 }, scorer: { kind: 'exit_code' } };
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let patience = 0; !isSo() && patience < 6_000; patience += 1) await sleep(20);
  if (!isSo()) throw new Error(`${what}: waited for in vain`);
}

it(
  `each of ${TASKS} tasks ends once, with one receipt and no event lost, while the runtime is killed ${KILLS} times, its workers too`,
  { timeout: 90_000 + KILLS * 30_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'arcp-fleet-crash-'));
    const [file, token, config, work] = ['begun', 'host.token', 'arcp.config.json', 'work'].map((name) =>
      join(folder, name),
    ) as [string, string, string, string];
    writeFileSync(file, '');
    writeFileSync(token, SECRETS.host, { mode: 0o600 });
    // A worker that comes back late is none that is lost.
    const limits = {
      providerReturnMs: '30s',
      restartBackoffMs: '20ms',
      maxRestartBackoffMs: '100ms',
      maxAttempts: 100,
    };
    writeFileSync(config, JSON.stringify({ hosts: ['host'], limits }));
    const tasks = Array.from({ length: TASKS }, (_, index) => taskOf(index));
    for (let index = 0; index < TASKS; index += 1) mkdirSync(join(work, `t${index}`), { recursive: true });

    let port = 0;
    let stopped = false;
    const isStopped = (): boolean => stopped;
    const all: Arcp[] = [];
    const started = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Arcp => {
      const process = new Arcp(args, env);
      all.push(process);
      return process;
    };
    const start = async (): Promise<Arcp> => {
      const tokens = [`${SECRETS.host}=host`, `${SECRETS.ada}=ada`].flatMap((one) => ['--token', one]);
      const where = ['--port', String(port), '--data', join(folder, 'data'), '--config', config];
      const server = started(['serve', '--fleet', '--json', '--log-level', 'error', ...where, ...tokens]);
      const [, found] = await server.until('stdout', /"url":"ws:\/\/[^"]*:(\d+)/);
      port = Number(found);
      return server;
    };
    let server = await start();
    const url = `ws://127.0.0.1:${port}`;
    const startHost = async (): Promise<Arcp> => {
      const agents = ['--agents', join(import.meta.dirname, 'fleet-agent.mjs'), '--max-jobs', '2'];
      for (let patience = 0; ; patience += 1) {
        const args = ['worker', '--url', url, '--token-file', token, ...agents];
        const host = started(args, { FLEET_FILE: file });
        try {
          await host.until('stderr', /hosting step@1\.0\.0/);
          return host;
        } catch (error) {
          // There is no runtime at the moment.
          if (isStopped() || patience === 20) throw error;
        }
      }
    };
    const watcher = new FleetWatcher(url, SECRETS.ada, {
      name: 'crash',
      security_policy: { default_trust_level: 'local' },
      tasks: tasks.map((task) => ({ ...task, workspace: { root: join(work, (task as { id: string }).id) } })),
      options: { workers: WORKERS, trust: 'local' },
    });
    let hostKills = 0;
    const unrest = async (): Promise<void> => {
      for (let kills = 0; kills < KILLS && !isStopped(); kills += 1) {
        const host = await startHost();
        const due = Date.now() + 200 + Math.random() * 1_500;
        await until('a moment', () => isStopped() || Date.now() >= due);
        if (isStopped()) return;
        host.signal('SIGKILL');
        await host.ended();
        hostKills += 1;
      }
      if (!isStopped()) await startHost();
    };
    const began = Date.now();
    const coming = (async () => {
      while (!isStopped()) await watcher.connect().catch(() => sleep(20));
    })();
    const hosts = Array.from({ length: HOSTS }, unrest);
    const troubles = Promise.allSettled(hosts);
    try {
      let kills = 0;
      for (; kills < KILLS; kills += 1) {
        // What is killed has begun to do something, and has not ended.
        const before = watcher.told;
        await until('something new', () => watcher.told > before || watcher.isOver);
        await sleep(Math.random() * 500);
        expect(watcher.isOver, 'the run was over before the kills were').toBe(false);
        server.signal('SIGKILL');
        await server.ended();
        server = await start();
        if (KILLS > 3) process.stderr.write(`kill ${kills + 1}: ${watcher.settled} tasks have ended\n`);
      }
      await until('the end of the run', () => watcher.isOver);
      const took = Date.now() - began;
      stopped = true;
      watcher.close();
      await Promise.all([coming, troubles]);

      expect(watcher.faults).toEqual([]);
      expect(await watcher.everything()).toEqual(watcher.events);
      expect(watcher.ends).toEqual(['job.completed']);
      const { tasks: stories, summary } = watcher;
      expect(stories.size).toBe(TASKS);
      let attempts = 0;
      for (let index = 0; index < TASKS; index += 1) {
        const story = stories.get(`t${index}`);
        const { attempts: leased = [], receipts = [], reasons = [] } = story ?? {};
        const kind = kindOf(index);
        const told = `t${index}, ${kind}: ${reasons.join('; ')}`;
        expect(
          receipts.map(({ result }) => result),
          told,
        ).toEqual([kind === 'doomed' ? 'fail' : 'pass']);
        expect(leased).toEqual(leased.map((_, at) => at + 1));
        expect(leased.length).toBeLessThanOrEqual(mostAttempts(kind));
        if (kind === 'doomed' || kind === 'flaky') expect(leased.length).toBeGreaterThanOrEqual(2);
        attempts += leased.length;
      }
      expect(summary?.receipts).toEqual(
        Array.from({ length: TASKS }, (_, index) => stories.get(`t${index}`)?.receipts[0]),
      );

      // Each attempt was one job, however often the manager was taken up, and no job's attempt was begun twice.
      const begun = readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string, string, string]);
      const jobs = new Map(begun.map(([task, attempt, job]) => [`${task} ${attempt}`, job]));
      expect(
        begun.map(([task, attempt, job]) => (jobs.get(`${task} ${attempt}`) === job ? '' : job)),
      ).toEqual(begun.map(() => ''));
      expect(new Set(begun.map(([, , job, attempt]) => `${job} ${attempt}`)).size).toBe(begun.length);

      // What is shown is what happened.
      const at = ['--url', url, '--json'];
      const status = await arcp(['fleet', 'status', watcher.runId ?? '', ...at], { ARCP_TOKEN: SECRETS.ada });
      const doomed = Array.from({ length: TASKS }, (_, index) => kindOf(index)).filter(
        (kind) => kind === 'doomed',
      );
      expect(jsonLines(status.stdout)).toMatchObject([
        { status: 'failed', tasks: { total: TASKS, failed: doomed.length, queued: 0, running: 0 } },
      ]);
      const least =
        TASKS + doomed.length + KINDS.filter((kind) => kind === 'flaky').length * (TASKS / KINDS.length);
      process.stdout.write(
        `${TASKS} tasks on ${WORKERS} workers, ${kills} kills of the manager, ${hostKills} of workers: ` +
          `${attempts} attempts (${attempts - least} lost to kills), ${watcher.told} worker events, ` +
          `${watcher.events.length} events checked, ${took} ms\n`,
      );
      expect(attempts - least).toBeGreaterThanOrEqual(ENOUGH_AGAIN);
      expect(hostKills).toBeGreaterThanOrEqual(1);
    } finally {
      stopped = true;
      watcher.close();
      for (const one of all) if (!one.hasEnded) one.signal('SIGKILL');
      await Promise.all(all.map((one) => one.ended()));
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
