/**
 * Workers that are killed at random (`arcp worker`, `kill -9`) and started again, under many jobs. `CHAOS_JOBS=500` is the
 * long version; among the other tests there are fewer jobs.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connect, type Job } from '../../src/client/index.js';
import { Arcp } from '../cli/arcp.js';

const JOBS = Number(process.env['CHAOS_JOBS'] ?? 120);
const WORKERS = 4;
const JOBS_EACH = 8;
/** Without a worker that was killed while it worked, the test would say nothing. */
const ENOUGH_MOVES = 3;
const SECRETS = { worker: 'a-token-of-the-worker', ada: 'a-token-of-ada' };
const TERMINAL: ReadonlySet<string> = new Set(['job.completed', 'job.failed', 'job.cancelled']);

/** How often the job was told to have ended, with what value. */
async function endOf(job: Job): Promise<{ ends: number; value: unknown }> {
  let ends = 0;
  for await (const { type } of job) if (TERMINAL.has(type)) ends += 1;
  return { ends, value: (await job.result()).value };
}

it(
  `${JOBS} jobs end exactly once while ${WORKERS} workers are killed and started again, and none runs twice at one attempt`,
  { timeout: 60_000 + JOBS * 1_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'arcp-chaos-'));
    const file = join(folder, 'begun');
    const token = join(folder, 'worker.token');
    const config = join(folder, 'arcp.config.json');
    writeFileSync(file, '');
    writeFileSync(token, SECRETS.worker, { mode: 0o600 });
    const limits = { providerReturnMs: '700ms', maxRunningJobsPerPrincipal: 1_000, maxAttempts: 100 };
    writeFileSync(config, JSON.stringify({ hosts: ['worker'], limits }));
    const tokens = [`${SECRETS.worker}=worker`, `${SECRETS.ada}=ada`].flatMap((one) => ['--token', one]);
    const quiet = ['--log-level', 'error', '--store', 'memory'];
    const serve = new Arcp(['serve', '--config', config, '--port', '0', ...quiet, ...tokens]);
    const all: Arcp[] = [serve];
    try {
      const [, url = ''] = await serve.until('stdout', /listening on (ws:\S+)/);
      const start = async (): Promise<Arcp> => {
        const hosting = [
          '--agents',
          join(import.meta.dirname, 'chaos-agent.mjs'),
          '--max-jobs',
          String(JOBS_EACH),
        ];
        const worker = new Arcp(['worker', '--url', url, '--token-file', token, ...hosting], {
          CHAOS_FILE: file,
        });
        all.push(worker);
        await worker.until('stderr', /hosting chaos@1\.0\.0/);
        return worker;
      };
      const workers = await Promise.all(Array.from({ length: WORKERS }, start));
      const client = await connect(url, { token: SECRETS.ada });
      const began = Date.now();
      let left = JOBS;
      const ended = Promise.all(
        Array.from({ length: JOBS }, async (_, n) => {
          const end = await endOf(await client.invoke('chaos', n));
          left -= 1;
          return end;
        }),
      );
      let kills = 0;
      const unrest = async (first: Arcp): Promise<void> => {
        for (let worker = first; left > 0; worker = await start()) {
          await sleep(100 + Math.random() * 600);
          worker.signal('SIGKILL');
          await worker.ended();
          kills += 1;
        }
      };
      const [ends] = await Promise.all([ended, ...workers.map(unrest)]);
      await client.close();
      const attempts = readFileSync(file, 'utf8').trim().split('\n');
      const moved = ends.filter(({ value }) => (value as { attempt: number }).attempt > 1).length;
      process.stdout.write(
        `${JOBS} jobs, ${kills} kills, ${attempts.length} attempts begun, ${moved} jobs moved, ${Date.now() - began} ms\n`,
      );
      expect(ends.map((end) => end.ends)).toEqual(ends.map(() => 1));
      expect(ends.map(({ value }) => (value as { input: number }).input)).toEqual(ends.map((_, n) => n));
      const places = attempts.map((line) => line.split(' ').slice(0, 2).join(' '));
      expect(new Set(places).size).toBe(places.length);
      expect(new Set(places.map((place) => place.split(' ')[0])).size).toBe(JOBS);
      expect(moved).toBeGreaterThanOrEqual(ENOUGH_MOVES);
    } finally {
      for (const one of all) if (!one.hasEnded) one.signal('SIGKILL');
      await Promise.all(all.map((one) => one.ended()));
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
