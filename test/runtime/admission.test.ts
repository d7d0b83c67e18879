/** How many jobs of a principal run at once, and in which order the others get their turn (decision 24, law L7). */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

function gate() {
  const started: unknown[] = [];
  const opens = new Map<unknown, () => void>();
  const agent = defineAgent({
    name: 'gate',
    version: '1.0.0',
    run: (input) =>
      new Promise<void>((resolve) => {
        started.push(input);
        opens.set(input, resolve);
      }),
  });
  return { agent, started, open: (input: unknown) => opens.get(input)?.() };
}

describe('jobs beyond what may run at once', () => {
  it('are queued: the state says so, and they start in the order of their priority, then of their coming', async () => {
    const { agent, started, open } = gate();
    await using test = bench({ agents: [agent], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    await client.accepted('gate', 'first');
    const queued = [
      ['low', 'l'],
      ['normal', 'n1'],
      ['critical', 'c'],
      ['normal', 'n2'],
      ['high', 'h'],
    ];
    for (const [priority, input] of queued) await client.accepted('gate', input, { priority });
    const jobId = client.seen('job.accepted')[1]?.job_id ?? '';
    await test.clock.settle();
    expect(client.seen((frame) => frame.job_id === jobId)[1]).toMatchObject({
      type: 'job.heartbeat',
      payload: { state: 'queued' },
    });
    for (const input of ['first', 'c', 'h', 'n1', 'n2', 'l']) {
      open(input);
      await test.clock.settle();
    }
    expect(started).toEqual(['first', 'c', 'h', 'n1', 'n2', 'l']);
    expect(client.seen('job.completed')).toHaveLength(6);
  });

  it('and beyond what may wait are refused with RESOURCE_EXHAUSTED, retryable, even when all come in one turn', async () => {
    const { agent } = gate();
    await using test = bench({
      agents: [agent],
      limits: { maxRunningJobsPerPrincipal: 2, maxQueuedJobsPerPrincipal: 3 },
    });
    const client = await test.open();
    for (let n = 0; n < 20; n += 1) client.invoke('gate', n);
    await test.clock.settle();
    expect(client.seen('job.accepted')).toHaveLength(5);
    expect(client.seen('job.started')).toHaveLength(2);
    const refused = client.seen('job.failed');
    expect(refused).toHaveLength(15);
    expect(refused[0]).toMatchObject({ payload: { code: 'RESOURCE_EXHAUSTED', retryable: true } });
  });

  it('count by principal: another one starts at once', async () => {
    const { agent, started } = gate();
    await using test = bench({ agents: [agent], limits: { maxRunningJobsPerPrincipal: 1 } });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    ada.invoke('gate', 'a1');
    ada.invoke('gate', 'a2');
    bob.invoke('gate', 'b1');
    await test.clock.settle();
    expect(started).toEqual(['a1', 'b1']);
  });

  it('of all anonymous sessions count together', async () => {
    const { agent, started } = gate();
    await using test = bench({ agents: [agent], limits: { maxRunningJobsPerPrincipal: 1 } });
    const [one, other] = [await test.open('nobody'), await test.open('nobody')];
    one.invoke('gate', 'o');
    other.invoke('gate', 'p');
    await test.clock.settle();
    expect(started).toEqual(['o']);
  });

  it('by a thousand that end as soon as they start do not exhaust the stack', async () => {
    const { agent, open } = gate();
    const quick = defineAgent({ name: 'quick', version: '1.0.0', run: () => 'done' });
    await using test = bench({ agents: [agent, quick], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    await client.accepted('gate', 'first');
    for (let n = 0; n < 1_000; n += 1) client.invoke('quick');
    await test.clock.settle();
    expect(client.seen('job.completed')).toEqual([]);
    open('first');
    await test.clock.settle();
    expect(client.seen('job.completed')).toHaveLength(1_001);
  });

  it('may delegate: children run in the place of their root, so that none waits for itself', async () => {
    const { agent, open, started } = gate();
    const parent = defineAgent({
      name: 'parent',
      version: '1.0.0',
      run: async (_in, ctx) => (await (await ctx.delegate('gate', { arguments: 'child' })).outcome).status,
    });
    await using test = bench({ agents: [agent, parent], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    const jobId = await client.accepted('parent');
    await test.clock.settle();
    expect(started).toEqual(['child']);
    open('child');
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'completed' } });
  });

  it('whose lease runs out while they wait fail with LEASE_EXPIRED and never start', async () => {
    const { agent, open, started } = gate();
    await using test = bench({ agents: [agent], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    await client.accepted('gate', 'first');
    const jobId = await client.accepted('gate', 'late', {
      payload: { lease_request: { expires_at: '2026-01-01T00:00:10Z' } },
    });
    await test.clock.advance(10_000);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'LEASE_EXPIRED' } });
    open('first');
    await test.clock.settle();
    expect(started).toEqual(['first']);
  });

  it('send no heartbeats while they wait (decision 7)', async () => {
    const forever = defineAgent({
      name: 'forever',
      version: '1.0.0',
      run: (_in, ctx) => untilAborted(ctx.signal),
    });
    await using test = bench({ agents: [forever], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    const running = await client.accepted('forever');
    const waiting = await client.accepted('forever');
    await test.clock.advance(95_000);
    expect(client.story(running).filter((type) => type === 'job.heartbeat')).toHaveLength(3);
    expect(client.story(waiting)).toEqual(['job.accepted', 'job.heartbeat']);
  });
});
