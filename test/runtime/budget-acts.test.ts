/** Budgets that count acts, and warnings before a budget is used up (Y1, Y2, A3). */
import { describe, expect, it } from 'vitest';
import { defineAgent, defineTool, type ArcpError, type JobContext } from '../../src/index.js';
import { bench } from './bench.js';
import { DATA, lives } from './lives.js';
import type { RawClient } from './raw-client.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

const echo = agentNamed('echo', (_ctx, input) => input);

/** Delegates as often as it is asked to, and returns how each went. */
const launcher = agentNamed('launcher', async (ctx, input) => {
  const outcomes: string[] = [];
  for (let n = 0; n < (input as number); n += 1) {
    const child = await ctx.delegate('echo').catch((error: unknown) => (error as ArcpError).code);
    outcomes.push(typeof child === 'string' ? child : (await child.outcome).status);
  }
  return { outcomes, left: await ctx.lease.remaining() };
});

/** Charges each amount, here or in a child. */
const spender = agentNamed('spender', async (ctx, input) => {
  for (const [where, amount, currency] of input as ['here' | 'below', string, string][]) {
    if (where === 'here') await ctx.charge('cost.test', amount, currency);
    else await (await ctx.delegate('spender', { arguments: [['here', amount, currency]] })).outcome;
  }
});

function warnings(client: RawClient, jobId: string): [string, string | undefined][] {
  return client
    .seen('metric')
    .flatMap((frame) =>
      frame.type === 'metric' && frame.job_id === jobId && frame.payload.name === 'cost.budget.warning'
        ? [[frame.payload.unit, frame.payload.amount] as [string, string | undefined]]
        : [],
    );
}

describe('launches', () => {
  it('are charged one for each delegation, told as a metric of the parent, and refused when there are none left', async () => {
    await using test = bench({ agents: [launcher, echo] });
    const client = await test.open();
    const jobId = await client.accepted('launcher', 3, { payload: { cost_budget: ['launches:2', 'USD:1'] } });
    expect(await client.terminal(jobId)).toMatchObject({
      payload: {
        value: {
          outcomes: ['completed', 'completed', 'BUDGET_EXHAUSTED'],
          left: { launches: '0', USD: '1' },
        },
      },
    });
    expect(client.seen('job.accepted')).toHaveLength(3);
    const charged = client
      .seen('metric')
      .filter((frame) => frame.type === 'metric' && frame.payload.name === 'cost.launch');
    expect(charged).toMatchObject([
      { job_id: jobId, payload: { amount: '1', unit: 'launches' } },
      { job_id: jobId, payload: { amount: '1', unit: 'launches' } },
    ]);
  });

  it('that no budget bounds are not counted', async () => {
    await using test = bench({ agents: [launcher, echo] });
    const client = await test.open();
    await client.terminal(await client.accepted('launcher', 2, { payload: { cost_budget: ['USD:1'] } }));
    expect(client.seen('metric')).toEqual([]);
  });

  it('of a client below a job count like those of the job; the one too many holds nothing back', async () => {
    const waiter = agentNamed('waiter', async (ctx) => {
      await ctx.ask('how much is left?', { schema: { type: 'string' } });
      return ctx.lease.remaining();
    });
    await using test = bench({ agents: [waiter, echo] });
    const client = await test.open('ada', { extensions: ['arcpx.arcp.human.v1'] });
    const jobId = await client.accepted('waiter', {}, { payload: { cost_budget: ['launches:1', 'USD:1'] } });
    const { id: question } = await client.next('human.input.request');
    const send = (key: string) =>
      client.send(
        'agent.delegate',
        { target: 'echo', task: 't', cost_budget: ['USD:0.5'] },
        { job_id: jobId, idempotency_key: key },
      );
    const first = send('a');
    expect(await client.next('job.completed')).toMatchObject({ correlation_id: first });
    for (const key of ['b', 'b']) {
      const refused = send(key);
      expect(await client.next('job.failed')).toMatchObject({
        correlation_id: refused,
        payload: { code: 'BUDGET_EXHAUSTED' },
      });
    }
    client.send(
      'human.input.response',
      { value: 'tell', responded_by: 'ada', responded_at: '2026-01-01T00:00:00Z' },
      { correlation_id: question, job_id: jobId },
    );
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { value: { launches: '0', USD: '1' } },
    });
  });
});

it('calls of tools are charged one each where a budget bounds them, and refused when there are none left', async () => {
  let ran = 0;
  const add = defineTool({
    name: 'add',
    run: () => {
      ran += 1;
      return ran;
    },
  });
  const caller = agentNamed('caller', async (ctx) => {
    const outcomes: unknown[] = [];
    for (let n = 0; n < 3; n += 1) {
      outcomes.push(await ctx.tools.call('add').catch((error: unknown) => (error as ArcpError).code));
    }
    return outcomes;
  });
  await using test = bench({ agents: [caller], tools: [add] });
  const client = await test.open();
  const jobId = await client.accepted('caller', {}, { payload: { cost_budget: ['tool_calls:2'] } });
  expect(await client.terminal(jobId)).toMatchObject({ payload: { value: [1, 2, 'BUDGET_EXHAUSTED'] } });
  expect(ran).toBe(2);
});

describe('a warning', () => {
  it('comes once per currency, to the job whose budget it is, when it and those below it have spent most of it (A3)', async () => {
    await using test = bench({ agents: [spender] });
    const client = await test.open();
    const jobId = await client.accepted(
      'spender',
      [
        ['here', '0.5', 'USD'],
        ['below', '0.29', 'USD'],
        ['here', '70', 'tokens'],
        ['below', '0.01', 'USD'],
        ['here', '0.1', 'USD'],
        ['below', '0.05', 'USD'],
        ['here', '25', 'tokens'],
      ],
      { payload: { cost_budget: ['USD:1', 'tokens:100'] } },
    );
    await client.terminal(jobId);
    expect(warnings(client, jobId)).toEqual([
      ['USD', '0.2'],
      ['tokens', '5'],
    ]);
    expect(client.seen('log')).toMatchObject([
      {
        job_id: jobId,
        payload: {
          level: 'warn',
          message: '0.8 of 1 USD are spent',
          attributes: { currency: 'USD', spent: '0.8', limit: '1' },
        },
      },
      { job_id: jobId, payload: { level: 'warn', attributes: { currency: 'tokens', spent: '95' } } },
    ]);
  });

  it.each([
    [50, [['USD', '0.5']]],
    [Infinity, []],
  ])('at %s percent is the operator’s choice', async (budgetWarningPercent, expected) => {
    await using test = bench({ agents: [spender], limits: { budgetWarningPercent } });
    const client = await test.open();
    const charges = [
      ['here', '0.5', 'USD'],
      ['here', '0.5', 'USD'],
    ];
    const jobId = await client.accepted('spender', charges, { payload: { cost_budget: ['USD:1'] } });
    await client.terminal(jobId);
    expect(warnings(client, jobId)).toEqual(expected);
  });

  it.each(DATA)('is not said again after a restart (V4), on %s', async (_name, data) => {
    let attempt = 0;
    const again = defineAgent({
      name: 'again',
      version: '1.0.0',
      recovery: 'restart',
      run: async (_input, ctx) => {
        attempt += 1;
        await ctx.charge('cost.test', attempt === 1 ? '0.9' : '0.05', 'USD');
        if (attempt === 1) await new Promise(() => undefined);
        return ctx.lease.remaining();
      },
    });
    const all = lives(data(), { agents: [again] });
    try {
      const client = await (await all.next()).open();
      const jobId = await client.accepted('again', {}, { payload: { cost_budget: ['USD:1'] } });
      await client.next('metric', ({ payload }) => payload.name === 'cost.budget.warning');
      const second = await all.next();
      const resumed = second.raw();
      await resumed.resume(client.resumeToken, 0);
      await second.clock.advance(1_000);
      expect(await resumed.terminal(jobId)).toMatchObject({ payload: { value: { USD: '0.05' } } });
      expect(warnings(resumed, jobId)).toEqual([['USD', '0.1']]);
    } finally {
      await all.end();
    }
  });
});
