/**
 * Laws L1 to L3 under `kill -9`: a real `arcp serve` dies at random moments under 64 jobs at once, and is started again;
 * half of its clients watch the jobs of the others. `npm run test:crash` does 25 rounds; among the other tests it does a few.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Arcp } from '../cli/arcp.js';
import { Watcher } from './watcher.js';

const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 3);
const CLIENTS = 8;
const JOBS_EACH = 8;
/** Of the clients, those who watch what the others do. */
const CURIOUS = 4;
/** What has to be seen for the test to mean anything. */
const ENOUGH_EVENTS = 1_000;
const TOKEN = 'for this test only';

it(
  `nothing that a client was shown is lost when the runtime is killed ${ROUNDS} times (L1, L2, L3)`,
  { timeout: 30_000 + ROUNDS * 10_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'arcp-crash-'));
    let port = 0;
    const start = async (): Promise<Arcp> => {
      const data = ['--data', join(folder, 'data')];
      const agents = ['--agents', join(import.meta.dirname, 'agents.mjs')];
      const server = new Arcp(
        ['serve', '--json', '--log-level', 'error', '--port', String(port), ...data, ...agents],
        {
          ARCP_TOKEN: TOKEN,
        },
      );
      const [, found] = await server.until('stdout', /"url":"ws:\/\/[^"]*:(\d+)/);
      port = Number(found);
      return server;
    };
    let server = await start();
    const url = `ws://127.0.0.1:${port}`;
    const watchers = Array.from(
      { length: CLIENTS },
      (_, place) => new Watcher(url, TOKEN, JOBS_EACH, place < CURIOUS),
    );
    for (const watcher of watchers) {
      watcher.onJob((jobId) => {
        for (const other of watchers) other.hear(jobId);
      });
    }
    const seen = (): number => watchers.reduce((sum, { events }) => sum + events.length, 0);
    let stopped = false;
    const comings = watchers.map(async (watcher) => {
      while (!stopped) await watcher.connect().catch(() => sleep(20));
    });
    try {
      for (let round = 1; round <= ROUNDS; round += 1) {
        await sleep(200 + Math.random() * 600);
        server.signal('SIGKILL');
        await server.ended();
        server = await start();
        if (ROUNDS > 3) process.stderr.write(`round ${round}: ${seen()} events seen\n`);
      }
      // On a machine that is busy a life may end before anybody was shown anything: the last one goes on for long enough.
      for (let patience = 0; seen() <= ENOUGH_EVENTS && patience < 400; patience += 1) await sleep(50);
      for (const watcher of watchers) watcher.finish();
      for (let patience = 0; !watchers.every(({ isIdle }) => isIdle) && patience < 600; patience += 1)
        await sleep(50);
      stopped = true;
      for (const watcher of watchers) watcher.close();
      await Promise.all(comings);
      let checked = 0;
      for (const watcher of watchers) {
        expect(watcher.faults).toEqual([]);
        expect(watcher.unfinished).toEqual(new Set());
        expect(await watcher.everything()).toEqual(watcher.events);
        checked += watcher.events.length;
      }
      const ended = watchers.reduce((sum, watcher) => sum + watcher.ended.size, 0);
      const watched = watchers.reduce((sum, watcher) => sum + watcher.watched, 0);
      const figures = `${checked} events checked, ${watched} of them of watched jobs, ${ended} jobs ended once each`;
      if (ROUNDS > 3) process.stderr.write(`${figures}\n`);
      expect(checked).toBeGreaterThan(ENOUGH_EVENTS);
      expect(watched).toBeGreaterThan(300);
    } finally {
      stopped = true;
      server.signal('SIGKILL');
      await server.ended();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
