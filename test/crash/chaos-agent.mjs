// Writes down each attempt that it begins, so that chaos.test.ts can count them. Its worker may be killed at any time.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineAgent } from '../../dist/host/index.js';

const begun = process.env['CHAOS_FILE'];
if (begun === undefined) throw new Error('CHAOS_FILE names the file of attempts');

export default defineAgent({
  name: 'chaos',
  version: '1.0.0',
  recovery: 'restart',
  run: async (input, ctx) => {
    appendFileSync(begun, `${ctx.jobId} ${ctx.attempt} ${process.pid}\n`);
    ctx.progress({ percent: 50 });
    await sleep(50 + Math.random() * 150, undefined, { signal: ctx.signal });
    return { input, attempt: ctx.attempt };
  },
});
