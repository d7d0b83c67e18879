/** Permissions and budgets that people grant (RFC 0001 §15.4, L4): exactly what was asked, once, and never to anybody else. */
import { afterEach, describe, expect, it } from 'vitest';
import { ArcpError, defineAgent, type JobContext } from '../../../src/index.js';
import { JobBudget } from '../../../src/runtime/job-budget.js';
import { bench } from '../bench.js';
import { DATA, lives, type Lives } from '../lives.js';
import type { RawClient } from '../raw-client.js';
import { asked, CAN_ANSWER, doing, verdict } from './asking.js';

const WRITE = { permission: 'fs.write', resource: '/data/**', operation: 'write' } as const;

function grant(client: RawClient, id: string, what: object, more: object = { lease_seconds: 60 }): string {
  return client.send('permission.grant', { ...what, ...more }, { correlation_id: id });
}

function deny(client: RawClient, id: string, reason: string, what: object = WRITE): string {
  return client.send('permission.deny', { ...what, reason }, { correlation_id: id });
}

/** Asks for a permission, and returns what came of it. */
const wanting = (ask: Partial<Parameters<JobContext['requestPermission']>[0]> = {}) =>
  doing((ctx) => ctx.requestPermission({ ...WRITE, ...ask }));

describe('a permission', () => {
  it('is asked for while the job is blocked, and granted as a lease', async () => {
    await using test = bench({ agents: [wanting({ reason: 'to save', leaseSeconds: 120 })] });
    // Who cannot read questions can grant permissions: they are core messages.
    const client = await test.open('ada');
    const job = await client.accepted('doing');
    const { id, payload, priority } = await asked(client, 'permission.request');
    expect(priority).toBe('critical');
    expect(payload).toMatchObject({ ...WRITE, reason: 'to save', requested_lease_seconds: 120 });
    expect((await client.next('job.heartbeat')).payload.state).toBe('blocked');
    const sent = grant(client, id, WRITE);
    const lease = await client.next('lease.granted');
    expect(lease).toMatchObject({
      correlation_id: id,
      causation_id: sent,
      job_id: job,
      payload: { ...WRITE, expires_at: '2026-01-01T00:01:00.000Z' },
    });
    expect(await verdict(client, sent)).toBe('ack');
    expect((await client.next('permission.grant')).payload).toEqual({
      ...WRITE,
      lease_id: lease.payload.lease_id,
      lease_seconds: 60,
      granted_by: 'ada',
      expires_at: '2026-01-01T00:01:00.000Z',
    });
    expect(await client.terminal(job)).toMatchObject({
      payload: {
        value: { ...WRITE, leaseId: lease.payload.lease_id, expiresAt: '2026-01-01T00:01:00.000Z' },
      },
    });
  });

  it.each([
    ['as long as was asked', { leaseSeconds: 30 }, {}, '2026-01-01T00:00:30.000Z'],
    ['an hour when nobody says', {}, {}, '2026-01-01T01:00:00.000Z'],
    ['until an instant', {}, { expires_at: '2026-01-01T00:00:10Z' }, '2026-01-01T00:00:10.000Z'],
  ])('is granted for %s', async (_what, ask, more, until) => {
    await using test = bench({ agents: [wanting(ask)] });
    const client = await test.open('ada');
    await client.accepted('doing');
    const { id } = await asked(client, 'permission.request');
    grant(client, id, WRITE, more);
    expect((await client.next('lease.granted')).payload.expires_at).toBe(until);
  });

  it('ends with the job’s own lease at the latest (L4)', async () => {
    await using test = bench({ agents: [wanting()] });
    const client = await test.open('ada');
    client.invoke('doing', {}, { payload: { lease_request: { expires_at: '2026-01-01T00:00:20Z' } } });
    const { id } = await asked(client, 'permission.request');
    grant(client, id, WRITE);
    expect((await client.next('lease.granted')).payload.expires_at).toBe('2026-01-01T00:00:20.000Z');
  });

  it('is denied with a reason, which the agent gets', async () => {
    await using test = bench({ agents: [wanting()] });
    const client = await test.open('ada');
    const job = await client.accepted('doing');
    const { id } = await asked(client, 'permission.request');
    expect(await verdict(client, deny(client, id, 'not there'))).toBe('ack');
    expect(await client.terminal(job)).toMatchObject({
      payload: { code: 'PERMISSION_DENIED', message: 'not there', details: WRITE },
    });
    expect(client.seen('lease.granted')).toEqual([]);
  });

  it('is not granted by silence: the agent gets DEADLINE_EXCEEDED', async () => {
    await using test = bench({ agents: [wanting({ expiresInMs: 1_000 })] });
    const client = await test.open('ada');
    const job = await client.accepted('doing');
    await test.clock.advance(1_000);
    expect((await client.next('permission.deny')).payload).toMatchObject({
      ...WRITE,
      code: 'DEADLINE_EXCEEDED',
    });
    expect(await client.terminal(job)).toMatchObject({ payload: { code: 'DEADLINE_EXCEEDED' } });
  });

  it('is granted once, by its principal, and for exactly what was asked (P1, P2)', async () => {
    await using test = bench({ agents: [wanting()] });
    const ada = await test.open('ada', CAN_ANSWER);
    const bob = await test.open('bob', CAN_ANSWER);
    const job = await ada.accepted('doing');
    const { id } = await asked(ada, 'permission.request');
    expect(await verdict(bob, grant(bob, id, WRITE))).toBe('PERMISSION_DENIED');
    expect(await verdict(bob, deny(bob, id, 'no'))).toBe('PERMISSION_DENIED');
    for (const wider of [{ permission: 'net.fetch' }, { resource: '/**' }, { operation: 'delete' }]) {
      expect(await verdict(ada, grant(ada, id, { ...WRITE, ...wider }))).toBe('INVALID_ARGUMENT');
    }
    expect(await verdict(ada, grant(ada, id, WRITE, { lease_seconds: 0 }))).toBe('INVALID_ARGUMENT');
    expect(await verdict(ada, grant(ada, id, WRITE, { expires_at: '2025-01-01T00:00:00Z' }))).toBe(
      'INVALID_ARGUMENT',
    );
    expect(
      await verdict(
        ada,
        ada.send(
          'human.input.response',
          { value: 1, responded_by: 'a', responded_at: '2026-01-01T00:00:00Z' },
          { correlation_id: id },
        ),
      ),
    ).toBe('INVALID_ARGUMENT');
    expect(ada.seen('lease.granted')).toEqual([]);
    expect(await verdict(ada, grant(ada, id, WRITE))).toBe('ack');
    expect(await verdict(ada, grant(ada, id, WRITE))).toBe('FAILED_PRECONDITION');
    expect(await verdict(ada, deny(ada, id, 'too late'))).toBe('FAILED_PRECONDITION');
    expect((await ada.terminal(job)).type).toBe('job.completed');
    expect(ada.seen('lease.granted')).toHaveLength(1);
  });

  it.each([
    ['no permission', { permission: '' }],
    ['seconds that are none', { leaseSeconds: 0.5 }],
    ['a budget, which has a way of its own', { permission: 'cost.budget' }],
    ['a key that is taken', { key: '#1' }],
    ['a reason larger than a question may be', { reason: 'x'.repeat(20_000) }],
  ])('cannot be asked for with %s', async (_what, ask) => {
    await using test = bench({ agents: [wanting(ask)] });
    const client = await test.open('ada');
    const job = await client.accepted('doing');
    expect((await client.terminal(job)).type).toBe('job.failed');
    expect(client.seen('permission.request')).toEqual([]);
  });
});

/** Spends `amount` at a time until `total`, asking for `more` whenever it runs out. */
const spending = (total: number, more: string) =>
  doing(
    async (ctx) => {
      for (let spent = 0; spent < total; spent += 1) {
        try {
          await ctx.charge('cost.step', '1', 'USD');
        } catch (error) {
          if (!(error instanceof ArcpError) || error.code !== 'BUDGET_EXHAUSTED') throw error;
          await ctx.requestBudget('USD', more, { reason: 'there is more to do' });
          spent -= 1;
        }
      }
      return ctx.lease.remaining();
    },
    { recovery: 'restart' },
  );

const RAISE = { permission: 'cost.budget', resource: 'USD:2.5', operation: 'raise' };

describe('a budget that is used up', () => {
  it('is raised by the owner, exactly, and the job goes on', async () => {
    await using test = bench({ agents: [spending(4, '2.50')] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing', {}, { payload: { cost_budget: ['USD:2'] } });
    const { id, payload } = await asked(client, 'permission.request');
    expect(payload).toMatchObject({ ...RAISE, reason: 'there is more to do' });
    expect(await verdict(client, grant(client, id, RAISE))).toBe('ack');
    expect((await client.next('permission.grant')).payload).toMatchObject({ ...RAISE, granted_by: 'ada' });
    expect(await client.terminal(job)).toMatchObject({ payload: { value: { USD: '0.5' } } });
    const left = client
      .seen('metric')
      .flatMap((frame) =>
        frame.type === 'metric' && frame.payload.name === 'cost.budget.remaining'
          ? [frame.payload.amount]
          : [],
      );
    expect(left).toEqual(['1', '0', '2.5', '1.5', '0.5']);
    expect(client.seen('lease.granted')).toEqual([]);
  });

  it('is not raised when the owner says no', async () => {
    await using test = bench({ agents: [spending(4, '2.50')] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing', {}, { payload: { cost_budget: ['USD:2'] } });
    const { id } = await asked(client, 'permission.request');
    await verdict(client, deny(client, id, 'enough', RAISE));
    expect(await client.terminal(job)).toMatchObject({
      payload: { code: 'PERMISSION_DENIED', message: 'enough' },
    });
  });

  it.each([
    ['a currency that nothing bounds', 'EUR', '1', 'FAILED_PRECONDITION'],
    ['nothing', 'USD', '0', 'INVALID_ARGUMENT'],
    ['less than nothing', 'USD', '-1', 'INVALID_ARGUMENT'],
    ['what is no currency', 'US D', '1', 'INVALID_ARGUMENT'],
  ])('cannot be raised by %s', async (_what, currency, amount, code) => {
    await using test = bench({ agents: [doing((ctx) => ctx.requestBudget(currency, amount))] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing', {}, { payload: { cost_budget: ['USD:2'] } });
    expect(await client.terminal(job)).toMatchObject({ payload: { code } });
  });

  it('of a child is raised through the whole tree: each parent has what its children have (P4)', async () => {
    const boss = defineAgent({
      name: 'boss',
      version: '1.0.0',
      async run(_input, ctx) {
        const child = await ctx.delegate('doing', { budget: ['USD:2'] });
        const outcome = await child.outcome;
        return [outcome, await ctx.lease.remaining()];
      },
    });
    await using test = bench({ agents: [boss, spending(4, '2.5')] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('boss', {}, { payload: { cost_budget: ['USD:10'] } });
    const { id } = await asked(client, 'permission.request');
    await verdict(client, grant(client, id, RAISE));
    // 10 and 2.5 were there, 4 were spent.
    expect(await client.terminal(job)).toMatchObject({
      payload: { value: [{ status: 'completed', value: { USD: '0.5' } }, { USD: '8.5' }] },
    });
  });
});

describe('a raise that comes when its job has ended', () => {
  it('is its parent’s: nothing is handed to who can no longer give it back', () => {
    const ten = 10n;
    const root = new JobBudget(new Map([['USD', ten]]), 'refuse-overspend');
    const child = new JobBudget(new Map([['USD', 4n]]), 'refuse-overspend', root);
    child.charge('USD', 1n);
    child.settle();
    child.raise('USD', 5n);
    expect(root.remainders().get('USD')).toBe(ten - 1n + 5n);
  });
});

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, when the process is killed', (_name, make) => {
  it('what was added to a budget stays added, and what was spent stays spent (V4)', async () => {
    const agent = doing(
      async (ctx) => {
        const remaining = await ctx.lease.remaining();
        if (remaining['USD'] !== '2') return remaining;
        await ctx.charge('cost.step', '2', 'USD');
        await ctx.requestBudget('USD', '2.5');
        await ctx.charge('cost.step', '1.25', 'USD');
        return new Promise(() => undefined);
      },
      { recovery: 'restart' },
    );
    const all = (current = lives(make(), { agents: [agent] }));
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing', {}, { payload: { cost_budget: ['USD:2'] } });
    const { id } = await asked(client, 'permission.request');
    await verdict(client, grant(client, id, RAISE));
    await client.next(
      'metric',
      ({ payload }) => payload.amount === '1.25' && payload.name === 'cost.budget.remaining',
    );
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    expect(await back.terminal(job)).toMatchObject({ payload: { value: { USD: '1.25' } } });
  });

  it('a request that was open is open, and its grant reaches the next attempt; one that was granted is not asked again', async () => {
    const agent = doing(
      async (ctx) => {
        const first = await ctx.requestPermission(WRITE);
        const second = await ctx.requestPermission({ ...WRITE, resource: '/other' });
        return [first.resource, second.resource];
      },
      { recovery: 'restart' },
    );
    const all = (current = lives(make(), { agents: [agent] }));
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const one = await asked(client, 'permission.request');
    await verdict(client, grant(client, one.id, WRITE));
    const two = await asked(client, 'permission.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    await verdict(back, grant(back, two.id, { ...WRITE, resource: '/other' }));
    expect(await back.terminal(job)).toMatchObject({ payload: { value: ['/data/**', '/other'] } });
    expect(back.seen('permission.request')).toEqual([]);
  });
});
