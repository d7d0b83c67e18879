// An agent of fleet tasks in a process of its own, which may be killed at any time. Each attempt is written down as it
// begins, so that fleet.test.ts can count them.
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArcpError, defineAgent } from '../../dist/host/index.js';

const begun = process.env['FLEET_FILE'];
if (begun === undefined) throw new Error('FLEET_FILE names the file of attempts');

/** @typedef {{ id: string, metadata: { fails?: number }, fleet: { attempt: number } }} Order */

export default defineAgent({
  name: 'step',
  version: '1.0.0',
  recovery: 'restart',
  run: async (input, ctx) => {
    const { id, metadata, fleet } = /** @type {Order} */ (input);
    appendFileSync(begun, `${id} ${fleet.attempt} ${ctx.jobId} ${ctx.attempt}\n`);
    ctx.progress({ percent: 50 });
    ctx.emit('tool_call', { tool: 'grep', call_id: 'c1' });
    await sleep(100 + Math.random() * 300, undefined, { signal: ctx.signal });
    if (fleet.attempt <= (metadata.fails ?? 0)) {
      throw new ArcpError('UNAVAILABLE', 'not this time', { retryable: true });
    }
    return { exit_code: 0 };
  },
});
