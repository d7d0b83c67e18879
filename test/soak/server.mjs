/** A runtime to be worn: it talks as fast as it is told to, and says how much memory it holds. */
import { bearerTokens, createRuntime, defineAgent, listen, memoryStore, sqliteStore } from 'arcp-runtime';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from '../../bench/ipc.mjs';

/** Events a tick: with a tick of 10 ms, a hundredth of the rate. */
const TICK_MS = 10;

const talker = defineAgent({
  name: 'talker',
  version: '1.0.0',
  async run(/** @type {{ perSecond: number; seconds: number }} */ { perSecond, seconds }, ctx) {
    const total = perSecond * seconds;
    const started = performance.now();
    for (let said = 0; said < total;) {
      const due = Math.min(total, Math.ceil(((performance.now() - started) / 1_000) * perSecond));
      for (; said < due; said++) ctx.log('info', `line ${said} of ${total}`);
      await ctx.flushed();
      await sleep(TICK_MS, undefined, { signal: ctx.signal });
    }
    return total;
  },
});

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });

const [, , folder] = process.argv;
const runtime = createRuntime({
  agents: [talker, echo],
  store: folder === undefined ? memoryStore() : sqliteStore({ folder }),
  authenticators: [bearerTokens([['soak', 'soak']])],
  limits: { maxReplayEvents: 1_000_000 },
});
const server = await listen(runtime, { port: 0 });

answer({
  port: () => server.port,
  /** Bytes in use after a collection, and the most that were held at any time. */
  async heap() {
    for (let turn = 0; turn < 3; turn++) {
      globalThis.gc?.();
      await sleep(100);
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
});
