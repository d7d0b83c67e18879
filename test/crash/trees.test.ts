/**
 * Laws L1 to L4 under `kill -9`: trees of jobs that delegate and spend while a real `arcp serve` dies at random moments.
 * Each round grows two trees, one that waits for all below it and one whose root ends at once, kills the runtime, and
 * then counts everything. `npm run test:crash` does 25 rounds.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { formatAmount, parseAmount } from '../../src/index.js';
import { Arcp } from '../cli/arcp.js';
import { TreeWatcher } from './tree-watcher.js';

const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 3);
/** The trees of every other round see two of them. */
const KILLS = [1, 2];
const TOKEN = 'for this test only';
const BUDGET = { USD: '60.00', tokens: '400' };
const DEPTH = 3;
/** The sibling that lives on: nobody stops it. */
const DETACHED = 1;
/** What has to be seen for the test to mean anything. */
const ENOUGH_ATTEMPTS = 2;

interface Begun {
  readonly job: string;
  readonly parent?: string;
  readonly attempt: number;
  readonly name: string;
  /** Among its siblings; the first two are delegated under a key. */
  readonly index?: number;
}

/** What was charged in a tree. */
function spentIn(watcher: TreeWatcher, root: string, currency: string): bigint {
  let spent = 0n;
  for (const { type, payload, job_id: job = '' } of watcher.events) {
    if (type !== 'metric' || watcher.roots.get(job) !== root) continue;
    if (payload.name === 'cost.step' && payload.unit === currency) spent += parseAmount(payload.amount ?? '');
  }
  return spent;
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let patience = 0; !isSo() && patience < 1_500; patience += 1) await sleep(20);
  if (!isSo()) throw new Error(`${what}: waited for in vain`);
}

it(
  `trees of jobs keep their accounts to the cent when the runtime is killed in ${ROUNDS} rounds (L1 to L4)`,
  { timeout: 60_000 + ROUNDS * 30_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'arcp-trees-'));
    const [file, config] = [join(folder, 'begun'), join(folder, 'arcp.config.json')];
    writeFileSync(file, '');
    const limits = { restartBackoffMs: '20ms', maxAttempts: 10 };
    writeFileSync(config, JSON.stringify({ limits }));
    let port = 0;
    const start = async (): Promise<Arcp> => {
      const agents = join(import.meta.dirname, 'tree-agents.mjs');
      const server = new Arcp(
        [
          ...['serve', '--json', '--log-level', 'error', '--config', config, '--port', String(port)],
          ...['--data', join(folder, 'data'), '--agents', agents],
        ],
        { ARCP_TOKEN: TOKEN, TREE_FILE: file },
      );
      const [, found] = await server.until('stdout', /"url":"ws:\/\/[^"]*:(\d+)/);
      port = Number(found);
      return server;
    };
    let server = await start();
    const url = `ws://127.0.0.1:${port}`;
    const [owner, spectator] = [new TreeWatcher(url, TOKEN), new TreeWatcher(url, TOKEN)];
    const watchers = [owner, spectator];
    owner.onRoot((jobId, key) => {
      if (key.startsWith('waits')) spectator.watch(jobId);
    });
    let stopped = false;
    const comings = watchers.map(async (watcher) => {
      while (!stopped) await watcher.connect().catch(() => sleep(20));
    });
    let kills = 0;
    const kill = async (): Promise<void> => {
      kills += 1;
      server.signal('SIGKILL');
      await server.ended();
      server = await start();
    };
    const waiting: string[] = [];
    try {
      for (let round = 1; round <= ROUNDS; round += 1) {
        const gate = join(folder, `gate-${round}`);
        const budget = Object.entries(BUDGET).map(([currency, amount]) => `${currency}:${amount}`);
        owner.grow(`waits ${round}`, { depth: DEPTH, gate }, budget);
        owner.grow(`hurries ${round}`, { depth: DEPTH }, budget);
        for (let left = KILLS[round % 2] ?? 1; left > 0; left -= 1) {
          await sleep(100 + Math.random() * 500);
          await kill();
        }
        const rootOf = (kind: string): string => owner.rootOf(`${kind} ${round}`) ?? '';
        await until('the roots', () => rootOf('waits') !== '' && rootOf('hurries') !== '');
        const [root, hurried] = [rootOf('waits'), rootOf('hurries')];
        // Whatever an attempt began was told before it said that it waits: nothing new can come then.
        await until('the end of the root', () => {
          const attempt = owner.waits(root);
          if (attempt !== undefined && owner.hasEnded(owner.jobsBelow(root)))
            writeFileSync(`${gate}-${attempt}`, '');
          return owner.ends.has(root);
        });
        await until('the ends of all below the other', () =>
          owner.hasEnded([hurried, ...owner.jobsBelow(hurried)]),
        );
        await until('the end as it is watched', () => spectator.ends.has(root));
        waiting.push(root);
        if (ROUNDS > 3) process.stderr.write(`round ${round}: ${owner.events.length} events seen\n`);
      }
      stopped = true;
      for (const watcher of watchers) watcher.close();
      await Promise.all(comings);

      for (const watcher of watchers) {
        expect(watcher.faults).toEqual([]);
        expect(await watcher.everything()).toEqual(watcher.events);
        expect(watcher.hasEnded([...watcher.roots.keys()])).toBe(true);
      }
      for (const root of waiting) {
        const story = (watcher: TreeWatcher): string[] =>
          watcher.events
            // A request that is repeated is answered by one more `job.accepted`, which is told to who repeats it.
            .filter(
              ({ type, job_id: job = '' }) => type !== 'job.accepted' && watcher.roots.get(job) === root,
            )
            .map(({ id }) => id);
        expect(new Set(story(spectator))).toEqual(new Set(story(owner)));
        expect(new Set(spectator.jobsBelow(root))).toEqual(new Set(owner.jobsBelow(root)));
        const end = owner.ends.get(root);
        expect(end?.type).toBe('job.completed');
        const left = (end?.payload as { readonly value: Readonly<Record<string, string>> }).value;
        for (const [currency, given] of Object.entries(BUDGET)) {
          const sum = spentIn(owner, root, currency) + parseAmount(left[currency] ?? '');
          expect(formatAmount(sum)).toBe(formatAmount(parseAmount(given)));
        }
      }
      expect(owner.misplaced()).toEqual([]);
      for (const root of new Set(owner.roots.values()))
        for (const [currency, given] of Object.entries(BUDGET))
          expect(spentIn(owner, root, currency)).toBeLessThanOrEqual(parseAmount(given));

      const begun = readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Begun);
      const attempts = begun.map(({ job, attempt }) => `${job} ${attempt}`);
      expect(new Set(attempts).size).toBe(attempts.length);
      const leaves = begun.filter(({ name }) => name === 'leaf').map(({ job }) => job);
      expect(new Set(leaves).size).toBe(leaves.length);
      const cancelled = begun.filter(
        ({ job, index }) => index === DETACHED && owner.ends.get(job)?.type === 'job.cancelled',
      );
      expect(cancelled).toEqual([]);
      const keyed = begun.filter(({ index }) => index === 0 || index === DETACHED);
      const byKey = new Map(keyed.map(({ job, parent, index }) => [`${parent} ${index}`, job]));
      expect(keyed.map(({ parent, index }) => byKey.get(`${parent} ${index}`))).toEqual(
        keyed.map(({ job }) => job),
      );
      const again = begun.filter(({ attempt }) => attempt > 1).length;
      process.stdout.write(
        `${owner.events.length} events, ${owner.roots.size} jobs, ${again} further attempts, ${kills} kills\n`,
      );
      expect(again).toBeGreaterThanOrEqual(ENOUGH_ATTEMPTS);
    } finally {
      stopped = true;
      for (const watcher of watchers) watcher.close();
      server.signal('SIGKILL');
      await server.ended();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
