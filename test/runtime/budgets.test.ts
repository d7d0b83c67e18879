/** Budgets (decision 15): exact, refused above the remainder, reserved for children, and never spent twice (L4). */
import { describe, expect, it } from 'vitest';
import { defineAgent, type ArcpError, type JobContext } from '../../src/index.js';
import { bench, type Bench } from './bench.js';
import type { RawClient } from './raw-client.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

/** Charges each amount in turn and returns how each went: `ok`, or a code. */
const spender = agentNamed('spender', async (ctx, input) => {
  const outcomes: string[] = [];
  for (const [currency, amount] of input as [string, string][]) {
    const refused = (error: unknown): string => (error as ArcpError).code;
    outcomes.push(await ctx.charge('cost.test', amount, currency).then(() => 'ok', refused));
  }
  return { outcomes, left: await ctx.lease.remaining() };
});

async function spend(test: Bench, budget: string[] | undefined, charges: [string, string][]) {
  const client = await test.open();
  const payload = budget === undefined ? {} : { cost_budget: budget };
  const terminal = await client.terminal(await client.accepted('spender', charges, { payload }));
  return { client, value: (terminal.payload as { value: unknown }).value };
}

function metrics(client: RawClient): [string, string | undefined, string][] {
  return client
    .seen('metric')
    .flatMap((frame) =>
      frame.type === 'metric' ? [[frame.payload.name, frame.payload.amount, frame.payload.unit]] : [],
    );
}

describe('charges', () => {
  it('are exact, and exhausting a budget exactly is allowed', async () => {
    await using test = bench({ agents: [spender] });
    const tenths = Array.from({ length: 10 }, (): [string, string] => ['USD', '0.1']);
    const { value } = await spend(test, ['USD:1.00'], [...tenths, ['USD', '0.000000000000000001']]);
    expect(value).toEqual({ outcomes: [...tenths.map(() => 'ok'), 'BUDGET_EXHAUSTED'], left: { USD: '0' } });
  });

  it('above the remainder are refused and leave it as it was', async () => {
    await using test = bench({ agents: [spender] });
    const { value } = await spend(
      test,
      ['USD:1'],
      [
        ['USD', '0.6'],
        ['USD', '0.6'],
        ['USD', '0.4'],
      ],
    );
    expect(value).toEqual({ outcomes: ['ok', 'BUDGET_EXHAUSTED', 'ok'], left: { USD: '0' } });
  });

  it('are each followed by cost.budget.remaining, with exact amounts', async () => {
    await using test = bench({ agents: [spender] });
    const { client } = await spend(
      test,
      ['USD:5.00', 'tokens:1000'],
      [
        ['USD', '1.10'],
        ['tokens', '999'],
        ['USD', '9'],
      ],
    );
    expect(metrics(client)).toEqual([
      ['cost.test', '1.1', 'USD'],
      ['cost.budget.remaining', '3.9', 'USD'],
      ['cost.test', '999', 'tokens'],
      ['cost.budget.remaining', '1', 'tokens'],
      ['cost.budget.warning', '1', 'tokens'],
    ]);
  });

  it('are never called what only the runtime tells, which nobody counts as spent; no metric is called a cost', async () => {
    const codes: unknown[] = [];
    const note = (error: unknown): void => void codes.push((error as { code?: string }).code);
    const liar = defineAgent({
      name: 'liar',
      version: '1.0.0',
      async run(_input, ctx) {
        for (const name of ['cost.budget.remaining', 'cost.budget.warning', 'cost.budget.x'])
          await ctx.charge(name, '1', 'USD').catch(note);
        try {
          ctx.metric('cost.search', 1, { unit: 'USD' });
        } catch (error) {
          note(error);
        }
        return ctx.lease.remaining();
      },
    });
    await using test = bench({ agents: [liar] });
    const client = await test.open();
    const jobId = await client.accepted('liar', {}, { payload: { cost_budget: ['USD:5'] } });
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: { USD: '5' } } });
    expect(codes).toEqual(Array.from({ length: 4 }, () => 'INVALID_ARGUMENT'));
    expect(metrics(client)).toEqual([]);
  });

  it('in a currency without a budget are unlimited, and told', async () => {
    await using test = bench({ agents: [spender] });
    const { client, value } = await spend(test, ['USD:1'], [['EUR', '1000000']]);
    expect(value).toEqual({ outcomes: ['ok'], left: { USD: '1' } });
    expect(metrics(client)).toEqual([['cost.test', '1000000', 'EUR']]);
  });

  it.each([
    '-1',
    '+1',
    '1e3',
    '',
    ' 1',
    '1.',
    '.5',
    '0x1',
    'NaN',
    'Infinity',
    `1${'0'.repeat(18)}`,
    '0.1234567890123456789',
  ])('of %j are INVALID_ARGUMENT', async (amount) => {
    await using test = bench({ agents: [spender] });
    const { value } = await spend(test, ['USD:1'], [['USD', amount]]);
    expect(value).toEqual({ outcomes: ['INVALID_ARGUMENT'], left: { USD: '1' } });
  });

  it('that the agent does not catch fail its job with BUDGET_EXHAUSTED, not retryable', async () => {
    const careless = agentNamed('careless', (ctx) => ctx.charge('cost.test', '2', 'USD'));
    await using test = bench({ agents: [careless] });
    const client = await test.open();
    const jobId = await client.accepted(
      'careless',
      {},
      { payload: { lease_request: { cost_budget: ['USD:1'] } } },
    );
    expect(await client.terminal(jobId)).toMatchObject({
      payload: {
        code: 'BUDGET_EXHAUSTED',
        retryable: false,
        details: { currency: 'USD', remaining: '1', requested: '2' },
      },
    });
  });

  it('of a budget in lease_request count rather than those of cost_budget', async () => {
    await using test = bench({ agents: [spender] });
    const client = await test.open();
    const payload = { cost_budget: ['USD:9'], lease_request: { cost_budget: ['USD:1'] } };
    const terminal = await client.terminal(await client.accepted('spender', [['USD', '2']], { payload }));
    expect(terminal.payload).toMatchObject({ value: { outcomes: ['BUDGET_EXHAUSTED'] } });
  });
});

describe('the budget of a child', () => {
  /** Delegates to `spender` with this budget and returns what it and the parent had left, before, during and after. */
  const parent = agentNamed('parent', async (ctx, input) => {
    const { budget, charges } = input as { budget?: string[]; charges: unknown };
    const child = await ctx.delegate('spender', {
      arguments: charges,
      ...(budget === undefined ? {} : { budget }),
    });
    const during = await ctx.lease.remaining();
    const outcome = await child.outcome;
    return {
      during,
      after: await ctx.lease.remaining(),
      child: outcome.status === 'completed' ? outcome.value : outcome,
    };
  });

  async function delegate(rootBudget: string[], input: object) {
    await using test = bench({ agents: [parent, spender] });
    const client = await test.open();
    const terminal = await client.terminal(
      await client.accepted('parent', input, { payload: { cost_budget: rootBudget } }),
    );
    return terminal.payload as { value?: unknown; code?: string };
  }

  it('is reserved out of the remainder of its parent, and what it did not spend comes back (L4)', async () => {
    const { value } = await delegate(['USD:5'], {
      budget: ['USD:2'],
      charges: [
        ['USD', '0.5'],
        ['USD', '9'],
      ],
    });
    expect(value).toEqual({
      during: { USD: '3' },
      after: { USD: '4.5' },
      child: { outcomes: ['ok', 'BUDGET_EXHAUSTED'], left: { USD: '1.5' } },
    });
  });

  it('that is not given is that of its parent: both draw on one counter (decision 26)', async () => {
    const { value } = await delegate(['USD:5'], {
      charges: [
        ['USD', '4'],
        ['USD', '2'],
      ],
    });
    expect(value).toMatchObject({
      after: { USD: '1' },
      child: { outcomes: ['ok', 'BUDGET_EXHAUSTED'], left: { USD: '1' } },
    });
  });

  it('in one currency leaves the others to those of the parent', async () => {
    const { value } = await delegate(['USD:5', 'tokens:10'], {
      budget: ['USD:1'],
      charges: [
        ['tokens', '7'],
        ['tokens', '7'],
      ],
    });
    expect(value).toMatchObject({
      after: { USD: '5', tokens: '3' },
      child: { outcomes: ['ok', 'BUDGET_EXHAUSTED'] },
    });
  });

  it.each([[['USD:5.01']], [['EUR:1']]])(
    'of %j is LEASE_SUBSET_VIOLATION where the parent has USD:5',
    async (budget) => {
      expect(await delegate(['USD:5'], { budget, charges: [] })).toMatchObject({
        code: 'LEASE_SUBSET_VIOLATION',
      });
    },
  );

  it('comes back however the child ends', async () => {
    const doomed = agentNamed('spender', async (ctx) => {
      await ctx.charge('cost.test', '1', 'USD');
      throw new Error('after spending');
    });
    await using test = bench({ agents: [parent, doomed] });
    const client = await test.open();
    const jobId = await client.accepted(
      'parent',
      { budget: ['USD:3'], charges: [] },
      { payload: { cost_budget: ['USD:3'] } },
    );
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { value: { after: { USD: '2' }, child: { status: 'failed' } } },
    });
  });

  it('that was reserved for a child that is not hosted comes back too', async () => {
    const asker = agentNamed('asker', async (ctx) => {
      const child = await ctx.delegate('nobody', { budget: ['USD:2'] });
      return [await child.outcome, await ctx.lease.remaining()];
    });
    await using test = bench({ agents: [asker] });
    const client = await test.open();
    const jobId = await client.accepted('asker', {}, { payload: { cost_budget: ['USD:2'] } });
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { value: [{ status: 'failed', code: 'AGENT_NOT_AVAILABLE' }, { USD: '2' }] },
    });
  });
});

it('a charge beyond what a number holds is exact as an amount, and every client can read it', async () => {
  await using test = bench({ agents: [spender] });
  const client = await test.connect();
  const job = await client.invoke('spender', [['credits', '100000000000000000']], {
    budget: ['credits:900000000000000000'],
  });
  const told: unknown[] = [];
  for await (const event of job) if (event.type === 'metric') told.push(event.payload);
  const value = Number.MAX_SAFE_INTEGER;
  expect(told).toMatchObject([
    { name: 'cost.test', value, amount: '100000000000000000' },
    { name: 'cost.budget.remaining', value, amount: '800000000000000000' },
  ]);
});
