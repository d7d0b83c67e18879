/** One job from its acceptance to its one terminal event (law L1), as its client sees it. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext, type Progress } from '../../src/index.js';
import { bench } from './bench.js';

const agentThat = (run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name: 'it', version: '1.0.0', run: (input, ctx) => run(ctx, input) });

describe('the events of a job', () => {
  it('are accepted, started, what it says, and one terminal; numbered from 1 without a gap (L1)', async () => {
    const agent = agentThat((ctx) => {
      ctx.log('info', 'a', { b: 1 });
      ctx.metric('m', 1.5, { unit: 'ms', dims: { d: 'e' } });
      ctx.progress({ percent: 50 });
      ctx.summarize('all well');
      return { v: 1 };
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const invoke = client.invoke('it');
    const accepted = await client.next('job.accepted');
    const jobId = accepted.payload.job_id;
    await client.terminal(jobId);
    expect(client.events().map(({ type, event_seq }) => [event_seq, type])).toEqual([
      [1, 'job.accepted'],
      [2, 'job.started'],
      [3, 'log'],
      [4, 'metric'],
      [5, 'job.progress'],
      [6, 'job.completed'],
    ]);
    expect(client.events().map(({ payload }) => payload)).toMatchObject([
      { job_id: jobId, agent: 'it@1.0.0', accepted_at: '2026-01-01T00:00:00.000Z' },
      { job_id: jobId, started_at: '2026-01-01T00:00:00.000Z' },
      { level: 'info', message: 'a', attributes: { b: 1 } },
      { name: 'm', value: 1.5, unit: 'ms', dims: { d: 'e' } },
      { percent: 50, current: 50 },
      { value: { v: 1 }, summary: 'all well' },
    ]);
    for (const event of client.events()) {
      expect(event).toMatchObject({
        arcp: '1.1',
        session_id: client.sessionId,
        job_id: jobId,
        correlation_id: invoke,
        trace_id: accepted.payload.trace_id,
      });
    }
  });

  it('of several jobs share one numbering in the order of their commits (decision 22)', async () => {
    await using test = bench({ agents: [agentThat(() => 1)] });
    const client = await test.open();
    for (let n = 0; n < 20; n += 1) client.invoke('it');
    await test.clock.settle();
    expect(client.events().map(({ event_seq }) => event_seq)).toEqual(
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    const ids = client.seen('job.accepted').map(({ job_id }) => job_id ?? '');
    for (const id of ids) expect(client.story(id)).toEqual(['job.accepted', 'job.started', 'job.completed']);
  });

  it('go to the session that asked and to no other', async () => {
    await using test = bench({ agents: [agentThat(() => 1)] });
    const [one, other] = [await test.open(), await test.open()];
    await one.terminal(await one.accepted('it'));
    expect(other.events()).toEqual([]);
  });

  it('carry the trace of the request, else a fresh one of 32 hex digits', async () => {
    await using test = bench({ agents: [agentThat((ctx) => ctx.traceId)] });
    const client = await test.open();
    const given = await client.terminal(await client.accepted('it', {}, { trace_id: 'trace-of-mine' }));
    expect(given).toMatchObject({ trace_id: 'trace-of-mine', payload: { value: 'trace-of-mine' } });
    const fresh = await client.terminal(await client.accepted('it'));
    expect(fresh.trace_id).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('which agent is meant (decision 3)', () => {
  const versioned = (version: string, isDefault = false) =>
    defineAgent({ name: 'v', version, default: isDefault, run: (_in, ctx) => ctx.agent });

  it('a bare name is the default version, else the highest; a pinned one is itself', async () => {
    await using test = bench({ agents: [versioned('1.0.0', true), versioned('2.0.0')] });
    const client = await test.open();
    const ran = async (ref: string) => client.terminal(await client.accepted(ref));
    expect(await ran('v')).toMatchObject({ payload: { value: 'v@1.0.0' } });
    expect(await ran('v@2.0.0')).toMatchObject({ payload: { value: 'v@2.0.0' } });
    await using other = bench({ agents: [versioned('9.0.0'), versioned('10.0.0')] });
    const second = await other.open();
    expect(await second.terminal(await second.accepted('v'))).toMatchObject({
      payload: { value: 'v@10.0.0' },
    });
  });

  it.each([
    ['nobody', 'AGENT_NOT_AVAILABLE'],
    ['constructor', 'AGENT_NOT_AVAILABLE'],
    ['v@3.0.0', 'AGENT_VERSION_NOT_AVAILABLE'],
  ])('%s is accepted and then fails with %s, not retryable (decision 2)', async (ref, code) => {
    await using test = bench({ agents: [versioned('1.0.0')] });
    const client = await test.open();
    const jobId = await client.accepted(ref);
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.failed',
      payload: { code, retryable: false },
    });
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.failed']);
  });
});

describe('a request that is wrong as such fails without an accept (decision 2)', () => {
  it.each<[string, object, string]>([
    ['a malformed reference', { tool: 'Bad@' }, 'INVALID_ARGUMENT'],
    ['an empty reference', { tool: '' }, 'INVALID_ARGUMENT'],
    ['a malformed budget', { tool: 'it', cost_budget: ['USD:-1'] }, 'INVALID_ARGUMENT'],
    [
      'a budget in exponents',
      { tool: 'it', lease_request: { cost_budget: ['USD:1e3'] } },
      'INVALID_ARGUMENT',
    ],
    ['an expiry that is no time', { tool: 'it', lease_request: { expires_at: 'soon' } }, 'INVALID_ARGUMENT'],
    [
      'an expiry that has passed',
      { tool: 'it', lease_request: { expires_at: '2025-12-31T23:59:59Z' } },
      'INVALID_REQUEST',
    ],
    [
      'an expiry that is now',
      { tool: 'it', lease_request: { expires_at: '2026-01-01T00:00:00Z' } },
      'INVALID_REQUEST',
    ],
  ])('%s', async (_what, payload, code) => {
    await using test = bench({ agents: [agentThat(() => 1)] });
    const client = await test.open();
    const id = client.invoke('it', {}, { payload });
    const refusal = await client.next('job.failed');
    expect(refusal).toMatchObject({ correlation_id: id, event_seq: 1, payload: { code, retryable: false } });
    expect(refusal.job_id).toBeUndefined();
    await test.clock.settle();
    expect(client.seen('job.accepted')).toEqual([]);
  });
});

describe('progress (decision 9)', () => {
  it.each<[Progress, object]>([
    [{ percent: 40 }, { percent: 40, current: 40 }],
    [
      { current: 1, total: 4 },
      { percent: 25, current: 1, total: 4 },
    ],
    [{ current: 7 }, { current: 7 }],
    [{ message: 'hm' }, { current: 0, message: 'hm' }],
    [
      { percent: 50, total: 8, units: 'files' },
      { percent: 50, current: 4, total: 8, units: 'files' },
    ],
    [
      { current: 0, total: 0 },
      { current: 0, total: 0 },
    ],
    [
      { current: 0.07, total: 0.07 },
      { percent: 100, current: 0.07, total: 0.07 },
    ],
  ])('%j is told as %j', async (progress, payload) => {
    await using test = bench({
      agents: [
        agentThat((ctx) => {
          ctx.progress(progress);
        }),
      ],
    });
    const client = await test.open();
    client.invoke('it');
    expect((await client.next('job.progress')).payload).toEqual(payload);
  });

  it('that is whole is never over 100 percent, whatever the division makes of it', async () => {
    const totals = Array.from({ length: 2_000 }, (_, n) => (n + 1) / 300);
    const agent = agentThat((ctx) => {
      for (const total of totals) ctx.progress({ current: total, total });
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('it'))).toMatchObject({ type: 'job.completed' });
    expect(client.seen('job.progress')).toHaveLength(totals.length);
  });
});

it('an agent that tells more than the store takes fails with BACKPRESSURE_OVERFLOW (L7)', async () => {
  const agent = agentThat((ctx) => {
    for (let n = 0; n < 11; n += 1) ctx.log('info', `${n}`);
  });
  await using test = bench({ agents: [agent], limits: { maxPendingEvents: 10 } });
  const client = await test.open();
  expect(await client.terminal(await client.accepted('it'))).toMatchObject({
    type: 'job.failed',
    payload: { code: 'BACKPRESSURE_OVERFLOW', retryable: false },
  });
});

it('an agent that waits for ctx.flushed() may tell as much as it likes', async () => {
  const agent = agentThat(async (ctx) => {
    for (let n = 0; n < 100; n += 1) {
      ctx.log('info', `${n}`);
      await ctx.flushed();
    }
  });
  await using test = bench({ agents: [agent], limits: { maxPendingEvents: 10 } });
  const client = await test.open();
  expect(await client.terminal(await client.accepted('it'))).toMatchObject({ type: 'job.completed' });
});

it('an agent that tells many megabytes in one turn fails with BACKPRESSURE_OVERFLOW, however few its events (L7)', async () => {
  const agent = agentThat((ctx) => {
    for (let n = 0; n < 200; n += 1) ctx.log('info', 'x'.repeat(1_000_000));
  });
  await using test = bench({ agents: [agent] });
  const client = await test.open();
  const jobId = await client.accepted('it');
  expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'BACKPRESSURE_OVERFLOW' } });
  expect(client.seen('log').length).toBeLessThan(70);
});

it('an agent that pauses may tell more megabytes than may wait for the store', async () => {
  const agent = agentThat(async (ctx) => {
    for (let n = 0; n < 20; n += 1) {
      ctx.log('info', 'x'.repeat(1_000));
      await ctx.flushed();
    }
  });
  await using test = bench({ agents: [agent], limits: { maxPendingBytes: 5_000 } });
  const client = await test.open();
  expect(await client.terminal(await client.accepted('it'))).toMatchObject({ type: 'job.completed' });
});
