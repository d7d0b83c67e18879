/** Going away: nothing new is taken, running jobs get their time, then they end by the recovery rules. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

function held() {
  const opens: (() => void)[] = [];
  const agent = defineAgent({
    name: 'held',
    version: '1.0.0',
    run: () =>
      new Promise((resolve) => {
        opens.push(() => {
          resolve('in time');
        });
      }),
  });
  return { agent, open: () => opens.shift()?.() };
}

const forever = defineAgent({
  name: 'forever',
  version: '1.0.0',
  run: (_in, ctx) => untilAborted(ctx.signal),
});
const deaf = defineAgent({ name: 'deaf', version: '1.0.0', run: () => new Promise(() => undefined) });

describe('a runtime that drains', () => {
  it('takes nothing new: UNAVAILABLE, retryable, and not ready', async () => {
    const { agent, open } = held();
    const test = bench({ agents: [agent] });
    const client = await test.open();
    await client.accepted('held');
    const drained = test.runtime.drain(60_000);
    expect(test.runtime.ready).toBe(false);
    const id = client.invoke('held');
    expect(await client.next('job.failed')).toMatchObject({
      correlation_id: id,
      payload: { code: 'UNAVAILABLE', retryable: true },
    });
    open();
    await drained;
  });

  it('lets running and queued jobs end in their time, then closes their sessions with 1001', async () => {
    const { agent, open } = held();
    const test = bench({ agents: [agent], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    const [first, second] = [await client.accepted('held'), await client.accepted('held')];
    const drained = test.runtime.drain(60_000);
    await test.clock.advance(30_000);
    open();
    await test.clock.settle();
    open();
    expect(await client.terminal(first)).toMatchObject({ payload: { value: 'in time' } });
    expect(await client.terminal(second)).toMatchObject({ payload: { value: 'in time' } });
    expect(await client.closed()).toMatchObject({ code: 1001 });
    await drained;
    expect(test.clock.pending).toBe(0);
  });

  it('ends those that are not done with ABORTED, retryable; those that do not listen a deadline later', async () => {
    const test = bench({ agents: [forever, deaf] });
    const client = await test.open();
    const [heeding, not] = [await client.accepted('forever'), await client.accepted('deaf')];
    const drained = test.runtime.drain(10_000);
    await test.clock.advance(9_999);
    expect(client.story(heeding)).toEqual(['job.accepted', 'job.started']);
    await test.clock.advance(1);
    expect(await client.terminal(heeding)).toMatchObject({ payload: { code: 'ABORTED', retryable: true } });
    expect(client.story(not)).toEqual(['job.accepted', 'job.started']);
    await test.clock.advance(5_000);
    expect(await client.terminal(not)).toMatchObject({ payload: { code: 'ABORTED', retryable: true } });
    await drained;
  });

  it('without jobs is closed at once', async () => {
    const test = bench();
    const client = await test.open();
    await test.runtime.drain(60_000);
    expect(await client.closed()).toMatchObject({ code: 1001 });
  });

  it('twice drains once, and both calls wait for the end', async () => {
    const { agent, open } = held();
    const test = bench({ agents: [agent] });
    const client = await test.open();
    await client.accepted('held');
    let second = false;
    const drained = test.runtime.drain(60_000);
    const again = test.runtime.drain(60_000).then(() => {
      second = true;
    });
    await test.clock.settle();
    expect(second).toBe(false);
    open();
    await Promise.all([drained, again]);
  });

  it('opens no further sessions once it is closed', async () => {
    const test = bench();
    await test.runtime.drain(0);
    const raw = test.raw();
    raw.send('session.open', { auth: { scheme: 'none' }, client: { kind: 't', version: '0' } });
    expect(await raw.next('session.rejected')).toMatchObject({
      payload: { code: 'UNAVAILABLE', retryable: true },
    });
  });
});

describe('a runtime that is closed', () => {
  it('tells the agents of running jobs by their signals, and leaves no timer behind', async () => {
    let reason: unknown;
    const agent = defineAgent({
      name: 'it',
      version: '1.0.0',
      run: (_in, ctx) => {
        ctx.signal.addEventListener('abort', () => {
          reason = ctx.signal.reason;
          ctx.log('info', 'last words');
        });
        return new Promise(() => undefined);
      },
    });
    const test = bench({ agents: [agent, forever] });
    const client = await test.open();
    await client.accepted('it', {}, { idempotency_key: 'k' });
    client.send('cancel', { target: 'job', target_id: await client.accepted('forever') });
    await test.clock.settle();
    await test.runtime.close();
    expect(reason).toMatchObject({ code: 'ABORTED' });
    expect(await client.closed()).toMatchObject({ code: 1001 });
    expect(test.clock.pending).toBe(0);
    await test.runtime.close();
  });
});

it('a runtime that is closed while it drains has drained, and leaves no timer behind', async () => {
  const test = bench({ agents: [deaf] });
  const client = await test.open();
  await client.accepted('deaf');
  const drained = test.runtime.drain(60_000);
  await test.clock.settle();
  await test.runtime.close();
  await drained;
  expect(test.clock.pending).toBe(0);
});

describe('a client that has fallen behind while the runtime drains', () => {
  const talker = defineAgent({
    name: 'talker',
    version: '1.0.0',
    run: (_in, ctx) => {
      for (let n = 0; n < 100; n += 1) ctx.log('info', 'x'.repeat(1_000));
      return 'said';
    },
  });

  it('sees how its job ended before it is cut off', async () => {
    const test = bench({ agents: [talker], limits: { softBufferBytes: 10_000 } });
    const client = await test.open();
    const jobId = await client.accepted('talker');
    client.wire.pause();
    const drained = test.runtime.drain(60_000);
    await test.clock.advance(59_000);
    client.wire.resume();
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'said' } });
    expect(await client.closed()).toMatchObject({ code: 1001 });
    await drained;
    expect(test.clock.pending).toBe(0);
  });

  it('is waited for no longer than the time that was given', async () => {
    const test = bench({ agents: [talker], limits: { softBufferBytes: 10_000 } });
    const client = await test.open();
    client.wire.pause();
    client.invoke('talker');
    await test.clock.settle();
    let isOver = false;
    const drained = test.runtime.drain(60_000).then(() => (isOver = true));
    await test.clock.advance(59_999);
    expect(isOver).toBe(false);
    await test.clock.advance(1);
    await drained;
    expect(test.clock.pending).toBe(0);
  });
});
