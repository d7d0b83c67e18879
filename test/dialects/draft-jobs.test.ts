/** Jobs in draft-1.1: submitted, told of, ended; what is refused, and how that is answered (D1, D3). */
import { describe, expect, it } from 'vitest';
import { conformanceAgents } from '../../src/conformance/agents/index.js';
import { ArcpError, defineAgent } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { draftBench } from './draft-bench.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

const talker = defineAgent({
  name: 'talker',
  version: '1.0.0',
  run: (input, ctx) => {
    ctx.log('info', 'hi', { deep: [1] });
    ctx.progress({ percent: 50, message: 'half' });
    ctx.progress({ current: 3, total: 10, units: 'files' });
    ctx.metric('latency', 0.5, { unit: 's', dims: { q: 'x' } });
    ctx.summarize('done');
    return { input };
  },
});
const heeding = defineAgent({
  name: 'heeding',
  version: '1.0.0',
  run: (_in, ctx) => untilAborted(ctx.signal),
});
const deaf = defineAgent({ name: 'deaf', version: '1.0.0', run: () => new Promise(() => undefined) });
const failing = defineAgent({
  name: 'failing',
  version: '1.0.0',
  run: (input) => {
    throw new ArcpError((input as { code: 'ABORTED' }).code, 'as told');
  },
});
const spender = defineAgent({
  name: 'spender',
  version: '1.0.0',
  run: async (_in, ctx) => {
    await ctx.charge('cost.search', '0.42', 'USD');
    await ctx.charge('cost.fetch', '0.70', 'USD');
    const refusals: string[] = [];
    for (const act of [() => ctx.charge('cost.more', '0', 'USD'), () => ctx.delegate('talker')]) {
      await act().catch((error: unknown) => refusals.push(ArcpError.from(error).code));
    }
    return { refusals, left: await ctx.lease.remaining() };
  },
});
const boss = defineAgent({
  name: 'boss',
  version: '1.0.0',
  run: async (_in, ctx) => {
    const child = await ctx.delegate('talker', { task: 'talk', arguments: { n: 1 }, budget: ['USD:0.50'] });
    const outcome = await child.outcome;
    await ctx.delegate('talker', { budget: ['USD:9'] }).catch(() => undefined);
    return outcome.status;
  },
});
const agents = [talker, heeding, deaf, failing, spender, boss, ...conformanceAgents()];

describe('a job', () => {
  it('is accepted, told of in the draft’s kinds, and ends with job.result', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const id = client.submit('talker', { n: 1 }, {}, { trace_id: TRACE });
    const accepted = await client.next('job.accepted');
    const jobId = accepted.payload.job_id;
    expect(accepted).toMatchObject({
      job_id: jobId,
      session_id: client.sessionId,
      trace_id: TRACE,
      payload: { request_id: id, agent: 'talker@1.0.0', lease: {}, trace_id: TRACE },
    });
    expect(accepted.event_seq).toBeUndefined();
    const end = await client.terminal(jobId);
    expect(end).toMatchObject({
      type: 'job.result',
      trace_id: TRACE,
      payload: { final_status: 'success', result: { input: { n: 1 } }, summary: 'done' },
    });
    expect(client.story(jobId)).toEqual([
      'status pending',
      'status running',
      'log',
      'progress',
      'progress',
      'metric',
      'job.result',
    ]);
    expect(client.events().map(({ event_seq }) => event_seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(client.bodies('log')).toEqual([{ level: 'info', message: 'hi', attributes: { deep: [1] } }]);
    expect(client.bodies('progress')).toMatchObject([
      { current: 50, total: 100, units: 'percent', message: 'half' },
      { current: 3, total: 10, units: 'files' },
    ]);
    expect(client.bodies('metric')).toEqual([
      { name: 'latency', value: 0.5, unit: 's', dims: { q: 'x' }, dimensions: { q: 'x' } },
    ]);
  });

  it('has ids that are ULIDs, and no two the same', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    await client.terminal(await client.accepted('talker'));
    client.send('session.ping', { nonce: 'n' });
    await client.next('session.pong');
    const ids = client.frames.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^msg_[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  it('streams its result in chunks that the end names', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const jobId = await client.accepted('report-builder');
    const end = await client.terminal(jobId);
    const chunks = client.bodies('result_chunk') as { data: string; result_id: string; more: boolean }[];
    expect(chunks.map(({ data }) => data).join('')).toBe('Section 1: hello Section 2: world Section 3: end');
    expect(end.payload).toMatchObject({ final_status: 'success', result_id: chunks[0]?.result_id });
    expect(end.payload).not.toHaveProperty('result');
    expect(chunks.map(({ more }) => more)).toEqual([true, true, false]);
  });

  it.each([
    ['INVALID_ARGUMENT', 'error', 'INVALID_REQUEST', false],
    ['UNAVAILABLE', 'error', 'INTERNAL_ERROR', true],
    ['DEADLINE_EXCEEDED', 'timed_out', 'TIMEOUT', true],
    ['PERMISSION_DENIED', 'error', 'PERMISSION_DENIED', false],
  ])('that fails with %s ends as %s with %s', async (code, final_status, draftCode, retryable) => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const end = await client.terminal(await client.accepted('failing', { code }));
    expect(end).toMatchObject({
      type: 'job.error',
      payload: { final_status, code: draftCode, message: 'as told', retryable },
    });
  });

  it('that runs longer than max_runtime_sec is timed out', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const jobId = await client.accepted('heeding', {}, { max_runtime_sec: 2 });
    await test.clock.advance(2_000);
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { final_status: 'timed_out', code: 'TIMEOUT', retryable: false },
    });
  });

  it('that is cancelled is acknowledged before its end', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const jobId = await client.accepted('heeding');
    await test.clock.settle();
    const id = client.send('job.cancel', { reason: 'enough' }, { job_id: jobId });
    const end = await client.terminal(jobId);
    expect(end).toMatchObject({
      type: 'job.error',
      payload: { final_status: 'cancelled', code: 'CANCELLED', message: 'enough', retryable: false },
    });
    const [taken] = client.seen('job.cancelled');
    expect(taken).toMatchObject({ job_id: jobId, payload: { request_id: id } });
    expect(taken?.event_seq).toBeUndefined();
    expect(client.frames.indexOf(end)).toBeGreaterThan(client.frames.findIndex((frame) => frame === taken));
    client.send('job.cancel', { job_id: jobId });
    expect(await client.next('job.cancelled', (frame) => frame !== taken)).toMatchObject({
      payload: { reason: 'already_terminal' },
    });
  });

  it('that takes no notice of its cancel has 30 seconds, and ends as cancelled all the same', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const jobId = await client.accepted('deaf');
    await test.clock.settle();
    client.send('job.cancel', {}, { job_id: jobId });
    await test.clock.advance(29_999);
    expect(client.seen('job.error')).toEqual([]);
    await test.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { final_status: 'cancelled', code: 'CANCELLED', retryable: false },
    });
  });

  it('of an agent that is not here is accepted and fails', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    for (const [agent, code] of [
      ['nobody', 'AGENT_NOT_AVAILABLE'],
      ['talker@9.9.9', 'AGENT_VERSION_NOT_AVAILABLE'],
    ] as const) {
      const jobId = await client.accepted(agent);
      expect(await client.terminal(jobId)).toMatchObject({ payload: { final_status: 'error', code } });
    }
  });

  it('is the same job under the same key, and is refused for another request', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const first = await client.accepted('talker', { n: 1 }, { idempotency_key: 'k' });
    await client.terminal(first);
    expect(await client.accepted('talker', { n: 1 }, { idempotency_key: 'k' })).toBe(first);
    expect((await client.terminal(first)).payload).toMatchObject({ result: { input: { n: 1 } } });
    const id = client.submit('talker', { n: 2 }, { idempotency_key: 'k' });
    const refused = await client.next('job.error');
    expect(refused.payload).toMatchObject({
      code: 'DUPLICATE_KEY',
      details: { existing_job_id: first, request_id: id },
    });
    expect(refused.job_id).not.toBe(first);
  });
});

describe('a stream', () => {
  it('of thoughts is told as thoughts, any other in a kind of our own', async () => {
    const thinker = defineAgent({
      name: 'thinker',
      version: '1.0.0',
      run: (_in, ctx) => {
        ctx.openStream({ kind: 'thought', streamId: 'str_t' }).end({ content: 'hm', role: 'assistant' });
        ctx.openStream({ kind: 'text', streamId: 'str_x' }).end('some text');
      },
    });
    await using test = draftBench({ agents: [thinker] });
    const client = await test.hello();
    await client.terminal(await client.accepted('thinker'));
    expect(client.bodies('thought')).toEqual([
      { text: 'hm', role: 'assistant', stream_id: 'str_t', sequence: 0 },
    ]);
    expect(client.bodies('x-vendor.arcp.stream_chunk')).toMatchObject([
      { stream_id: 'str_x', data: 'some text' },
    ]);
  });
});

describe('a lease', () => {
  it('is echoed with its constraints and the budget that it begins with', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const lease_request = { 'fs.read': ['/w/**'], 'cost.budget': ['USD:5.00', 'credits:1000'] };
    client.submit(
      'talker',
      {},
      {
        lease_request,
        lease_constraints: { expires_at: '2026-01-01T01:00:00Z' },
      },
    );
    expect((await client.next('job.accepted')).payload).toMatchObject({
      lease: lease_request,
      lease_constraints: { expires_at: '2026-01-01T01:00:00.000Z' },
      budget: { USD: 5, credits: 1000 },
    });
  });

  it('that has run out ends the job with LEASE_EXPIRED', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const jobId = await client.accepted(
      'heeding',
      {},
      { lease_constraints: { expires_at: '2026-01-01T00:00:10Z' } },
    );
    await test.clock.advance(10_000);
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { final_status: 'error', code: 'LEASE_EXPIRED', retryable: false },
    });
  });

  it('lets the charge through that crosses its budget, and then nothing more (decision 15)', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const jobId = await client.accepted('spender', {}, { lease_request: { 'cost.budget': ['USD:1.00'] } });
    expect((await client.terminal(jobId)).payload).toMatchObject({
      result: { refusals: ['BUDGET_EXHAUSTED', 'BUDGET_EXHAUSTED'], left: { USD: '-0.12' } },
    });
    const left = (client.bodies('metric') as { name: string; value: number }[]).filter(
      ({ name }) => name === 'cost.budget.remaining',
    );
    expect(left.map(({ value }) => value)).toEqual([0.58, -0.12]);
  });

  it('of a classic job refuses the charge that crosses its budget, as ever', async () => {
    await using test = draftBench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('spender', {}, { payload: { cost_budget: ['USD:1.00'] } });
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'BUDGET_EXHAUSTED', details: { remaining: '0.58' } },
    });
  });
});

describe('delegation', () => {
  it('is an event of the parent, then the acceptance of the child; one that is refused is a tool_result', async () => {
    await using test = draftBench({ agents });
    const client = await test.hello();
    const parent = await client.accepted('boss', {}, { lease_request: { 'cost.budget': ['USD:1.00'] } });
    await client.terminal(parent);
    const [first, second] = client.bodies('delegate') as { delegate_id: string }[];
    expect(first).toMatchObject({
      agent: 'talker',
      input: { n: 1 },
      task: 'talk',
      lease_request: { 'cost.budget': ['USD:0.50'] },
    });
    const accepted = client.seen('job.accepted')[1];
    expect(accepted?.payload).toMatchObject({
      parent_job_id: parent,
      delegate_id: first?.delegate_id,
      agent: 'talker@1.0.0',
      lease: { 'cost.budget': ['USD:0.50'] },
      budget: { USD: 0.5 },
    });
    expect(accepted?.payload.request_id).toBeUndefined();
    expect(accepted?.payload.trace_id).toBe(client.seen('job.accepted')[0]?.payload.trace_id);
    const child = accepted?.job_id ?? '';
    expect(client.story(child).at(-1)).toBe('job.result');
    expect(client.bodies('tool_result')).toMatchObject([
      { call_id: second?.delegate_id, error: { code: 'LEASE_SUBSET_VIOLATION', retryable: false } },
    ]);
  });

  it('takes what a child spent beyond its reservation out of its parent’s budget', async () => {
    const spawner = defineAgent({
      name: 'spawner',
      version: '1.0.0',
      run: async (_in, ctx) => {
        const { outcome } = await ctx.delegate('overspender', { budget: ['USD:0.10'] });
        await outcome;
        return ctx.lease.remaining();
      },
    });
    const overspender = defineAgent({
      name: 'overspender',
      version: '1.0.0',
      run: (_in, ctx) => ctx.charge('cost.big', '0.25', 'USD'),
    });
    await using test = draftBench({ agents: [spawner, overspender] });
    const client = await test.hello();
    const jobId = await client.accepted('spawner', {}, { lease_request: { 'cost.budget': ['USD:1.00'] } });
    expect((await client.terminal(jobId)).payload).toMatchObject({ result: { USD: '0.75' } });
  });
});

describe('a submission that is refused', () => {
  it.each([
    ['without an agent', { agent: undefined }, 'payload.agent: missing'],
    ['with a malformed reference', { agent: 'Bad Agent' }, ''],
    ['with a malformed budget', { lease_request: { 'cost.budget': ['five dollars'] } }, ''],
    [
      'with a lease that has run out',
      { lease_constraints: { expires_at: '2020-01-01T00:00:00Z' } },
      'future',
    ],
    [
      'with an offset',
      { lease_constraints: { expires_at: '2030-01-01T00:00:00+01:00' } },
      'payload.lease_con',
    ],
    ['with no time to run', { max_runtime_sec: 0 }, 'payload.max_runtime_sec'],
  ])(
    '%s is answered with a job.error of its own, and nobody else’s job is touched',
    async (_how, payload, says) => {
      await using test = draftBench({ agents });
      const client = await test.hello();
      const other = await client.accepted('heeding');
      const id = client.submit('talker', {}, payload, { trace_id: TRACE });
      const refused = await client.next('job.error');
      expect(refused).toMatchObject({
        trace_id: TRACE,
        payload: { final_status: 'error', code: 'INVALID_REQUEST', details: { request_id: id } },
      });
      expect(refused.payload.message).toContain(says);
      expect(refused.job_id).not.toBe(other);
      expect(refused.event_seq).toBe(client.lastSeq);
      expect(client.seen('session.error')).toEqual([]);
      client.send('job.cancel', {}, { job_id: other });
      await client.terminal(other);
    },
  );

  it('is told again at a resume, as it was told', async () => {
    await using test = draftBench({ agents });
    const first = await test.hello();
    first.submit('talker', {}, { max_runtime_sec: 0 });
    first.submit('Bad Agent');
    await first.next('job.error');
    await first.next('job.error');
    const second = test.draft();
    await second.resume(first, 0);
    await test.clock.settle();
    expect(second.texts.slice(1)).toEqual(first.texts.slice(1));
  });

  it.each([
    ['a version', { agent: 'talker@1.0.0' }, 'agent_versions'],
    ['an expiry', { lease_constraints: { expires_at: '2030-01-01T00:00:00Z' } }, 'lease_expires_at'],
    ['a budget', { lease_request: { 'cost.budget': ['USD:1'] } }, 'cost.budget'],
    ['models', { lease_request: { 'model.use': ['gpt-*'] } }, 'model.use'],
  ])('names the feature when %s is asked for without it', async (_what, payload, feature) => {
    await using test = draftBench({ agents });
    const client = await test.hello('ada', null);
    client.submit('talker', {}, payload);
    expect((await client.next('job.error')).payload.message).toContain(
      `the feature ${feature} was not agreed on`,
    );
  });
});
