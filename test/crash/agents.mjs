// Agents that work for a while: one fails with the runtime, one is started again.
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent } from 'arcp-runtime';

/** @param {'fail' | 'restart'} recovery */
const worker = (recovery) =>
  defineAgent({
    name: recovery === 'fail' ? 'worker' : 'phoenix',
    version: '1.0.0',
    recovery,
    async run(_input, ctx) {
      const total = 5 + Math.floor(Math.random() * 20);
      for (let current = 1; current <= total; current += 1) {
        ctx.progress({ current, total });
        await ctx.charge('cost.step', '0.01', 'credits');
        await sleep(Math.random() * 20, undefined, { signal: ctx.signal });
      }
      return total;
    },
  });

export default [worker('fail'), worker('restart')];
