/** What we give to those who test their own agents. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { testRuntime } from '../../src/testing/index.js';
import type { MemoryTransport } from '../../src/transport/memory.js';

const greeter = defineAgent({
  name: 'greeter',
  version: '1.0.0',
  run: (input, ctx) => [ctx.principal, input],
});

describe('testRuntime', () => {
  it('runs an agent for a client in memory', async () => {
    await using test = testRuntime({ agents: [greeter] });
    const client = await test.connect({ principal: 'ada' });
    const job = await client.invoke('greeter', { name: 'Ada' });
    expect((await job.result()).value).toEqual(['ada', { name: 'Ada' }]);
  });

  it('gives each connection without a principal one of its own', async () => {
    await using test = testRuntime({ agents: [greeter] });
    const run = async (): Promise<unknown> => {
      const client = await test.connect();
      return (await (await client.invoke('greeter')).result()).value;
    };
    const [one, other] = [await run(), await run()];
    expect(one).not.toEqual(other);
  });

  it('tells of each connection, so that a test can break it', async () => {
    await using test = testRuntime({ agents: [greeter] });
    const dials: MemoryTransport[] = [];
    const client = await test.connect({ principal: 'ada', onDial: (transport) => dials.push(transport) });
    dials[0]?.destroy();
    const job = client.invoke('greeter', 1);
    await test.clock.advance(60_000);
    expect((await (await job).result()).value).toEqual(['ada', 1]);
    expect(dials).toHaveLength(2);
  });
});
