/** The agents that take their time. A cancel ends each of them at once, whatever it waits for. */
import { z } from 'zod';
import type { Agent } from '../../agents/agent.js';
import { defineAgent } from '../../agents/define-agent.js';
import { untilAborted, type Wait } from './wait.js';

const milliseconds = z.int().min(0);

/** What `slow-echo` waits before it answers. */
const SLOW_ECHO_MS = 200;

export function waitingAgents(wait: Wait): Agent[] {
  const sleeper = (name: string, defaultMs: number): Agent =>
    defineAgent({
      name,
      version: '1.0.0',
      description: `Waits {ms=${defaultMs}} milliseconds, then returns {ms}.`,
      input: z.object({ ms: milliseconds.default(defaultMs) }),
      run: async ({ ms }, ctx) => {
        await wait(ms, ctx.signal);
        return { ms };
      },
    });

  const slowEcho = defineAgent({
    name: 'slow-echo',
    version: '1.0.0',
    description: `Returns its arguments after ${SLOW_ECHO_MS} ms.`,
    run: async (input, ctx) => {
      await wait(SLOW_ECHO_MS, ctx.signal);
      return input;
    },
  });

  const ticker = defineAgent({
    name: 'ticker',
    version: '1.0.0',
    description:
      'Reports progress {count=5} times, every {intervalMs=100} milliseconds, then returns {count}.',
    input: z.object({ count: z.int().min(1).default(5), intervalMs: milliseconds.default(100) }),
    run: async ({ count, intervalMs }, ctx) => {
      for (let tick = 1; tick <= count; tick++) {
        await wait(intervalMs, ctx.signal);
        ctx.progress({ current: tick, total: count, units: 'ticks', message: `tick ${tick} of ${count}` });
        await ctx.flushed();
      }
      return { count };
    },
  });

  const stall = defineAgent({
    name: 'stall',
    version: '1.0.0',
    description: 'Sends two heartbeats of its own and falls silent.',
    heartbeat: 'manual',
    run: async (_input, ctx) => {
      ctx.heartbeat();
      ctx.heartbeat();
      await untilAborted(ctx.signal);
    },
  });

  return [sleeper('sleep', 5_000), sleeper('slow', 10_000), slowEcho, ticker, stall];
}
