/** What agents tell under names of their own, what they find under keys that went wrong, and who listens in process. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext, type ObservedEvent } from '../../src/index.js';
import { bench } from './bench.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

describe('ctx.emit', () => {
  it('tells whoever watches under a name of the agent, as event.emit', async () => {
    await using test = bench({
      agents: [
        agentNamed('teller', (ctx) => {
          ctx.emit('acme.built', { files: 3 });
          ctx.emit('acme.done');
        }),
      ],
    });
    const client = await test.open();
    client.invoke('teller');
    await client.next('job.completed');
    expect(client.seen('event.emit').map(({ payload }) => payload)).toEqual([
      { name: 'acme.built', data: { files: 3 } },
      { name: 'acme.done' },
    ]);
  });

  it.each(['job.restarted', 'cost.tree.spent', 'credential_rotated', 'agent.delegate', ''])(
    'refuses the name %j, by which the runtime tells of its own',
    async (name) => {
      await using test = bench({ agents: [agentNamed('liar', (ctx) => ctx.emit(name, {}))] });
      const client = await test.open();
      client.invoke('liar');
      expect((await client.next('job.failed')).payload).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(client.seen('event.emit')).toEqual([]);
    },
  );
});

describe('a delegation under a key whose child failed', () => {
  it('begins it anew, and with again: false gives it as it ended', async () => {
    let times = 0;
    const failing = agentNamed('failing', () => {
      times += 1;
      throw new Error('no');
    });
    const boss = agentNamed('boss', async (ctx) => {
      const first = await ctx.delegate('failing', { key: 'k' });
      await first.outcome;
      const same = await ctx.delegate('failing', { key: 'k', again: false });
      const other = await ctx.delegate('failing', { key: 'k' });
      await other.outcome;
      return { same: same.jobId === first.jobId, other: other.jobId === first.jobId };
    });
    await using test = bench({ agents: [failing, boss] });
    const client = await test.open();
    client.invoke('boss');
    const ended = await client.next('job.completed');
    expect(ended.payload).toMatchObject({ value: { same: true, other: false } });
    expect(times).toBe(2);
  });
});

describe('runtime.observe', () => {
  it('tells of what is committed from then on, until it is told to stop, whatever its listener throws', async () => {
    const go: { on: () => void } = { on: () => undefined };
    const started = new Promise<void>((resolve) => (go.on = resolve));
    const agent = agentNamed('slow', async (ctx) => {
      await started;
      ctx.emit('acme.one');
      await ctx.flushed();
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    client.invoke('slow');
    const jobId = (await client.next('job.accepted')).payload.job_id;
    const heard: ObservedEvent[] = [];
    const stop = test.runtime.observe(jobId, (event) => {
      heard.push(event);
      if (event.type === 'event.emit') stop();
      throw new Error('the listener’s own affair');
    });
    go.on();
    await client.next('job.completed');
    expect(heard.at(-1)).toMatchObject({ type: 'event.emit', payload: { name: 'acme.one' } });
    expect(() => test.runtime.observe('job_nobody', () => undefined)).toThrow(/no such job/);
  });
});
