/** `client.checkpoint` and `client.restore`. */
import { expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { testRuntime } from '../../src/testing/index.js';

it('a client has a job’s state kept, and the job go on from it', async () => {
  const counter = defineAgent({
    name: 'counter',
    version: '1.0.0',
    recovery: 'resume',
    run: (_input, ctx) => {
      ctx.onCheckpointRequest(() => 41);
      return ctx.resumedFrom === undefined
        ? new Promise(() => undefined)
        : [ctx.attempt, ctx.resumedFrom.data];
    },
  });
  await using test = testRuntime({ agents: [counter] });
  const client = await test.connect();
  const job = await client.invoke('counter');
  await test.clock.settle();
  const asked = await client.checkpoint(job.id);
  const given = await client.checkpoint(job.id, { mine: true });
  expect(given).not.toBe(asked);
  await client.restore(asked);
  expect((await job.result()).value).toEqual([2, 41]);
  await expect(client.restore(given)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await expect(client.checkpoint('sess_1')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});
