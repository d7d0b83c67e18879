/** What a client asks a job to run under, and what it does with the leases that were granted to it. */
import { expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { bearerTokens } from '../../src/runtime/authenticator.js';
import { connect, type Client } from '../../src/client/index.js';
import { testRuntime, type TestRuntime } from '../../src/testing/index.js';

/** A client of this principal, whom the authenticator of the test knows. */
const enter = (test: TestRuntime, token: string): Promise<Client> =>
  connect('memory:', { token, clock: test.clock, dial: () => Promise.resolve(test.dial()) });

const worker = defineAgent({
  name: 'worker',
  version: '1.0.0',
  async run(_input, ctx) {
    const { shell } = ctx.profile;
    const first = await ctx.authorize('fs.write', '/data/a');
    ctx.progress({ percent: 50 });
    await ctx.ask('Go on?');
    const second = await ctx
      .authorize('fs.write', '/data/a')
      .catch((error: unknown) => (error as { code: string }).code);
    return { shell, first, second };
  },
});

it('a job runs under the profile and the terms that it is invoked with; its lease is extended and taken back', async () => {
  await using test = testRuntime({
    agents: [worker],
    authenticators: [
      bearerTokens([
        ['ada', 'ada'],
        ['bob', 'bob'],
        ['root', 'root', 'privileged'],
      ]),
    ],
  });
  const client = await enter(test, 'ada');
  const bob = await enter(test, 'bob');
  const root = await enter(test, 'root');
  const job = await client.invoke(
    'worker',
    {},
    { profile: { shell: 'none' }, uncoveredActs: 'ask', leaseRequest: { 'fs.read': ['/data/**'] } },
  );
  const leases: string[] = [];
  const told: string[] = [];
  const followed = (async () => {
    for await (const event of job) {
      if (event.type === 'lease.granted') leases.push(event.payload.lease_id);
      if (event.type.startsWith('lease.')) told.push(event.type);
    }
  })();
  for await (const question of job.questions()) {
    if (question.request.type === 'permission.request') {
      await question.grant({ leaseSeconds: 60 });
      continue;
    }
    const lease = leases[0] ?? '';
    await expect(bob.extendLease(lease, 30)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await client.extendLease(lease, 30)).toBe('2026-01-01T00:01:30.000Z');
    expect(await root.extendLease(lease, 30)).toBe('2026-01-01T00:02:00.000Z');
    await root.revokeLease(lease, 'enough');
    await expect(client.extendLease(lease, 30)).rejects.toMatchObject({ code: 'LEASE_REVOKED' });
    await expect(client.extendLease('lease_none', 30)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await question.answer('yes');
  }
  expect((await job.result()).value).toEqual({ shell: 'none', first: '/data/a', second: 'LEASE_REVOKED' });
  await followed;
  expect(told).toEqual(['lease.granted', 'lease.extended', 'lease.extended', 'lease.revoked']);
});

it('a job is warned about its budget when it was asked to be', async () => {
  const spender = defineAgent({
    name: 'spender',
    version: '1.0.0',
    run: async (_input, ctx) => {
      for (let count = 0; count < 4; count += 1) await ctx.charge('cost.x', '0.25', 'USD');
    },
  });
  await using test = testRuntime({ agents: [spender], authenticators: [bearerTokens([['ada', 'ada']])] });
  const client = await enter(test, 'ada');
  const warnedAt = async (budgetWarningPercent?: number): Promise<unknown> => {
    const options = budgetWarningPercent === undefined ? {} : { budgetWarningPercent };
    const job = await client.invoke('spender', {}, { budget: ['USD:1.00'], ...options });
    for await (const event of job)
      if (event.type === 'log') return (event.payload.attributes as { spent: string }).spent;
    return undefined;
  };
  expect([await warnedAt(), await warnedAt(50), await warnedAt(25)]).toEqual(['1', '0.5', '0.25']);
});
