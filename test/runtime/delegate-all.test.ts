/** `ctx.delegateAll`: so many at a time, outcomes in order, and whatever happens to one is a value. */
import { expect, it } from 'vitest';
import { defineAgent, type ChildOutcome, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

it('runs no more children at once than it may, and gives their outcomes in the order of the items', async () => {
  let running = 0;
  let most = 0;
  const finish: (() => void)[] = [];
  const child = agentNamed('child', async (_ctx, input) => {
    most = Math.max(most, (running += 1));
    await new Promise<void>((resolve) => finish.push(resolve));
    running -= 1;
    if (input === 3) throw new Error('three');
    return input;
  });
  const fan = agentNamed('fan', (ctx) =>
    ctx.delegateAll(
      [0, 1, 2, 3, 4].map((n) => ({
        target: 'child',
        arguments: n,
        ...(n === 1 ? { budget: ['USD:5'] } : {}),
      })),
      { concurrency: 2 },
    ),
  );
  await using test = bench({ agents: [fan, child] });
  const client = await test.open();
  const job = await client.accepted('fan', {}, { payload: { cost_budget: ['USD:1'] } });
  for (let n = 0; n < 4; n += 1) {
    await test.clock.settle();
    finish.pop()?.(); // the latest first
  }
  await test.clock.settle();
  for (const end of finish) end();
  const { payload } = await client.terminal(job);
  expect(most).toBe(2);
  expect((payload as { value: ChildOutcome[] }).value).toMatchObject([
    { status: 'completed', value: 0 },
    { status: 'failed', code: 'LEASE_SUBSET_VIOLATION' },
    { status: 'completed', value: 2 },
    { status: 'failed', code: 'INTERNAL' },
    { status: 'completed', value: 4 },
  ]);
});

it('cancels what runs and begins nothing more when its signal is aborted', async () => {
  const fan = agentNamed('fan', async (ctx) => {
    const controller = new AbortController();
    const items = Array.from({ length: 4 }, () => ({ target: 'forever' }));
    const all = ctx.delegateAll(items, { concurrency: 2, signal: controller.signal });
    await ctx.delegate('forever'); // by then the two have begun
    controller.abort();
    return (await all).map(({ status }) => status);
  });
  await using test = bench({ agents: [fan, forever] });
  const client = await test.open();
  const { payload } = await client.terminal(await client.accepted('fan'));
  expect(payload).toMatchObject({ value: Array(4).fill('cancelled') });
  expect(client.seen('job.accepted')).toHaveLength(4);
});

it('refuses a concurrency that is none', async () => {
  const fan = agentNamed('fan', (ctx) => ctx.delegateAll([], { concurrency: 0 }));
  await using test = bench({ agents: [fan] });
  const client = await test.open();
  expect(await client.terminal(await client.accepted('fan'))).toMatchObject({
    payload: { code: 'INVALID_ARGUMENT' },
  });
});
