/** Cancelling (decision 8): who may, what is answered, in which order, and what becomes of those who do not listen. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

const heeding = defineAgent({
  name: 'heeding',
  version: '1.0.0',
  run: (_in, ctx) => untilAborted(ctx.signal),
});
const deaf = defineAgent({ name: 'deaf', version: '1.0.0', run: () => new Promise(() => undefined) });
const stubborn = defineAgent({
  name: 'stubborn',
  version: '1.0.0',
  run: (_in, ctx) =>
    new Promise((resolve) => {
      ctx.signal.addEventListener('abort', () => {
        ctx.log('info', 'finishing anyway');
        resolve('done in spite of it');
      });
    }),
});
const fast = defineAgent({ name: 'fast', version: '1.0.0', run: () => 'done' });
const agents = [heeding, deaf, stubborn, fast];

describe('a cancel of a running job', () => {
  it('is accepted strictly before the terminal job.cancelled, which names the reason', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('heeding');
    const id = client.send('cancel', { target: 'job', target_id: jobId, reason: 'changed my mind' });
    const terminal = await client.terminal(jobId);
    expect(terminal).toMatchObject({ type: 'job.cancelled', payload: { reason: 'changed my mind' } });
    const [accepted] = client.seen('cancel.accepted');
    expect(accepted).toMatchObject({
      correlation_id: id,
      session_id: client.sessionId,
      payload: { target: 'job', target_id: jobId },
    });
    expect(accepted?.event_seq).toBeUndefined();
    const order = client.frames.map(({ type }) => type);
    expect(order.indexOf('cancel.accepted')).toBeLessThan(order.indexOf('job.cancelled'));
  });

  it('ends as job.cancelled whatever the agent makes of it, and its last words are told', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('stubborn');
    await test.clock.settle();
    client.send('cancel', { target: 'job', target_id: jobId });
    expect(await client.terminal(jobId)).toMatchObject({ type: 'job.cancelled', payload: {} });
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'log', 'job.cancelled']);
  });

  it.each([
    [undefined, 5_000],
    [1_500, 1_500],
    [9_999_999, 600_000],
  ])(
    'with deadline_ms %s waits %i ms and then fails the job with ABORTED, retryable',
    async (deadline, ms) => {
      await using test = bench({ agents });
      const client = await test.open();
      const jobId = await client.accepted('deaf');
      client.send('cancel', {
        target: 'job',
        target_id: jobId,
        ...(deadline === undefined ? {} : { deadline_ms: deadline }),
      });
      await test.clock.advance(ms - 1);
      expect(client.story(jobId)).not.toContain('job.failed');
      await test.clock.advance(1);
      expect(await client.terminal(jobId)).toMatchObject({
        type: 'job.failed',
        payload: { code: 'ABORTED', retryable: true },
      });
    },
  );

  it('with a deadline of 0 leaves an agent that heeds its signal no less than its turn', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('heeding');
    client.send('cancel', { target: 'job', target_id: jobId, deadline_ms: 0 });
    await test.clock.advance(0);
    expect((await client.terminal(jobId)).type).toBe('job.cancelled');
  });

  it('twice is accepted twice and ends once', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('deaf');
    client.send('cancel', { target: 'job', target_id: jobId, reason: 'first' });
    client.send('cancel', { target: 'job', target_id: jobId, reason: 'second' });
    await test.clock.advance(5_000);
    expect(client.seen('cancel.accepted')).toHaveLength(2);
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'job.failed']);
  });

  it('in the very turn of its acceptance ends it before its agent starts', async () => {
    await using test = bench({ agents, newId: predictable() });
    const client = await test.open();
    client.invoke('deaf');
    client.send('cancel', { target: 'job', target_id: 'job_p' });
    await test.clock.settle();
    const story = client.story('job_p');
    expect(story[0]).toBe('job.accepted');
    expect(story.filter((type) => type === 'job.cancelled')).toHaveLength(1);
    expect(story).not.toContain('job.failed');
  });

  it('may come from another session of the same principal', async () => {
    await using test = bench({ agents });
    const [one, other] = [await test.open(), await test.open()];
    const jobId = await one.accepted('heeding');
    other.send('cancel', { target: 'job', target_id: jobId });
    await other.next('cancel.accepted');
    expect((await one.terminal(jobId)).type).toBe('job.cancelled');
  });

  it('with a reason of many kilobytes ends with as much of it as an event should carry (L7)', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('heeding');
    client.send('cancel', { target: 'job', target_id: jobId, reason: 'r'.repeat(1_500_000) });
    const terminal = await client.terminal(jobId);
    expect(JSON.stringify(terminal).length).toBeLessThan(10_000);
  });
});

function predictable() {
  let count = 0;
  return ((kind: string) => {
    count += 1;
    return kind === 'job' ? 'job_p' : `${{ message: 'msg', session: 'sess' }[kind] ?? 'x'}_${count}`;
  }) as never;
}

describe('a cancel of a queued job', () => {
  it('ends it at once, and the agent never runs', async () => {
    await using test = bench({ agents, limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    await client.accepted('heeding');
    const jobId = await client.accepted('fast');
    client.send('cancel', { target: 'job', target_id: jobId });
    expect((await client.terminal(jobId)).type).toBe('job.cancelled');
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.heartbeat', 'job.cancelled']);
  });
});

describe('a cancel is refused', () => {
  it('already_terminal when the job is over', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('fast');
    await client.terminal(jobId);
    const id = client.send('cancel', { target: 'job', target_id: jobId });
    expect(await client.next('cancel.refused')).toMatchObject({
      correlation_id: id,
      payload: { target: 'job', target_id: jobId, reason: 'already_terminal' },
    });
  });

  it.each(['job_none', 'job___proto__', '__proto__', 'constructor', 'toString', 'sess_1', 'job_', 'x'])(
    'not_found for %j',
    async (target_id) => {
      await using test = bench({ agents });
      const client = await test.open();
      client.send('cancel', { target: 'job', target_id });
      expect(await client.next('cancel.refused')).toMatchObject({
        payload: { target_id, reason: 'not_found' },
      });
    },
  );

  it('permission_denied for the job of another principal, over or not', async () => {
    await using test = bench({ agents });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const running = await ada.accepted('heeding');
    const over = await ada.accepted('fast');
    await ada.terminal(over);
    for (const target_id of [running, over]) {
      bob.send('cancel', { target: 'job', target_id });
      expect(await bob.next('cancel.refused')).toMatchObject({ payload: { reason: 'permission_denied' } });
    }
    expect(ada.story(running)).not.toContain('job.cancelled');
  });

  it('not_found for streams, since there are none', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    client.send('cancel', { target: 'stream', target_id: 'str_1' });
    expect(await client.next('cancel.refused')).toMatchObject({
      payload: { target: 'stream', reason: 'not_found' },
    });
  });
});

describe('a cancel of a session', () => {
  it('of its own is accepted, cancels its jobs, evicts it and closes the connection', async () => {
    await using test = bench({ agents });
    const [client, other] = [await test.open(), await test.open()];
    const jobId = await client.accepted('heeding');
    const id = client.send('cancel', { target: 'session', target_id: client.sessionId, reason: 'enough' });
    expect(await client.next('cancel.accepted')).toMatchObject({ correlation_id: id });
    expect(await client.next('session.evicted')).toMatchObject({
      payload: { code: 'CANCELLED', message: 'enough' },
    });
    expect(await client.closed()).toMatchObject({ code: 1000 });
    await test.clock.settle();
    other.send('cancel', { target: 'job', target_id: jobId });
    expect(await other.next('cancel.refused')).toMatchObject({ payload: { reason: 'already_terminal' } });
  });

  it('of another is refused, and that one goes on', async () => {
    await using test = bench({ agents });
    const [one, other] = [await test.open(), await test.open('bob')];
    one.send('cancel', { target: 'session', target_id: other.sessionId });
    expect(await one.next('cancel.refused')).toMatchObject({ payload: { reason: 'permission_denied' } });
    one.send('cancel', { target: 'session', target_id: 'sess_none' });
    expect(await one.next('cancel.refused')).toMatchObject({ payload: { reason: 'not_found' } });
    other.send('ping', {});
    await other.next('pong');
  });
});

it('an agent that awaits each of its acts and nothing else can be cancelled, also by another session (J4)', async () => {
  const busy = defineAgent({
    name: 'busy',
    version: '1.0.0',
    // Bounded, so that a runtime that never gets its turn fails this test and does not hang it.
    run: async (_in, ctx) => {
      for (let n = 0; n < 20_000 && !ctx.signal.aborted; n += 1) await ctx.charge('x', '1', 'credits');
    },
  });
  await using test = bench({ agents: [busy] });
  const [one, other] = [await test.open(), await test.open()];
  const jobId = await one.accepted('busy');
  // As a frame from a socket comes: in a turn of its own.
  setImmediate(() => other.send('cancel', { target: 'job', target_id: jobId }));
  expect(await one.terminal(jobId)).toMatchObject({ type: 'job.cancelled' });
});
