/** Runs one agent in a runtime of its own. */
import { expect } from 'vitest';
import type { z } from 'zod';
import { defineAgent, type JobContext } from '../../src/index.js';
import { bench } from './bench.js';

/** Runs one agent and gives its terminal event, after which the runtime must still serve others. */
export async function endOf(run: (ctx: JobContext) => unknown, args: unknown = {}, input?: z.ZodType) {
  await using test = bench({
    agents: [
      defineAgent({
        name: 'hostile',
        version: '1.0.0',
        ...(input === undefined ? {} : { input }),
        run: (_input, ctx) => run(ctx),
      }),
      defineAgent({ name: 'good', version: '1.0.0', run: () => 'well' }),
    ],
  });
  const client = await test.open();
  const jobId = await client.accepted('hostile', args);
  const terminal = await client.terminal(jobId);
  await test.clock.settle();
  const next = await client.terminal(await client.accepted('good'));
  expect(next).toMatchObject({ type: 'job.completed', payload: { value: 'well' } });
  return {
    type: terminal.type,
    ...(terminal.payload as { code?: string; message?: string; value?: unknown }),
  };
}
