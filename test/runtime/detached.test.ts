/** Children that outlive their parent (H1, B3, T3, G1): their account, their lineage, their place and their next life. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type DelegateOptions, type JobContext } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';
import { DATA, lives } from './lives.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', recovery: 'restart', run: (input, ctx) => run(ctx, input) });

const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

/** Begins one child that lives on and one that does not, and ends as it is told. */
const father = agentNamed('father', async (ctx, input) => {
  const { how = 'returns', ...options } = input as DelegateOptions & { how?: string };
  await ctx.delegate('forever', { ...options, onParentEnd: 'detach' });
  await ctx.delegate('forever');
  if (how === 'throws') throw new Error('as it was planned');
  return how === 'returns' ? 'gone' : untilAborted(ctx.signal);
});

describe('a child that is to be detached', () => {
  it.each(['returns', 'throws', 'is cancelled'])(
    'lives on when its parent %s; one that is not is cancelled before that (H1)',
    async (how) => {
      await using test = bench({ agents: [father, forever] });
      const client = await test.open();
      const parent = await client.accepted('father', { how });
      await test.clock.settle();
      if (how === 'is cancelled') client.send('cancel', { target: 'job', target_id: parent });
      await client.terminal(parent);
      const [detached = '', attached = ''] = client
        .seen('job.accepted')
        .flatMap((frame) => (frame.type === 'job.accepted' ? [frame.payload.job_id] : []))
        .filter((id) => id !== parent);
      expect(client.story(attached).at(-1)).toBe('job.cancelled');
      expect(client.story(detached)).toEqual(['job.accepted', 'job.started']);
      client.send('session.list_jobs', {});
      const { payload } = await client.next('session.jobs');
      expect(payload.jobs).toContainEqual(
        expect.objectContaining({ job_id: detached, parent_job_id: parent, root_job_id: parent, depth: 1 }),
      );
      client.send('cancel', { target: 'job', target_id: detached });
      expect((await client.terminal(detached)).type).toBe('job.cancelled');
    },
  );

  it('is asked for by clients too (on_parent_end)', async () => {
    await using test = bench({ agents: [forever] });
    const client = await test.open();
    const parent = await client.accepted('forever');
    client.send(
      'agent.delegate',
      { target: 'forever', task: 't', on_parent_end: 'detach' },
      { job_id: parent },
    );
    const { payload } = await client.next('job.accepted');
    client.send('cancel', { target: 'job', target_id: parent });
    await client.terminal(parent);
    expect(client.story(payload.job_id)).toEqual(['job.accepted', 'job.started']);
  });

  it("ends with its parent's lease all the same, and no later than its parent's running time (L4)", async () => {
    for (const [payload, code] of [
      [{ lease_request: { expires_at: '2026-01-01T00:00:01Z' } }, 'LEASE_EXPIRED'],
      [{ max_runtime_ms: 1_000 }, 'TIMEOUT'],
    ] as const) {
      await using test = bench({ agents: [father, forever] });
      const client = await test.open();
      const parent = await client.accepted('father', { maxRuntimeMs: 5_000 }, { payload });
      await client.terminal(parent);
      await test.clock.advance(999);
      expect(client.seen('job.failed')).toEqual([]);
      await test.clock.advance(1);
      expect(await client.next('job.failed')).toMatchObject({ payload: { code } });
    }
  });

  it("keeps its root's place among the running jobs of its principal (L7)", async () => {
    await using test = bench({ agents: [father, forever], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    const parent = await client.accepted('father');
    await client.terminal(parent);
    const next = await client.accepted('forever');
    await test.clock.settle();
    expect(client.story(next)).toEqual(['job.accepted', 'job.heartbeat']);
    const detached = client
      .seen('job.started')
      .map(({ job_id }) => job_id)
      .find((id) => id !== parent && client.story(id ?? '').at(-1) === 'job.started');
    client.send('cancel', { target: 'job', target_id: detached ?? '' });
    await client.terminal(detached ?? '');
    expect(client.story(next)).toContain('job.started');
  });

  it('is stopped with the session that its jobs are cancelled with', async () => {
    await using test = bench({ agents: [father, forever] });
    const [client, other] = [await test.open(), await test.open()];
    await client.terminal(await client.accepted('father'));
    client.send('session.close', { dispose_jobs: 'cancel' });
    await test.clock.settle();
    other.send('session.list_jobs', {});
    const { payload } = await other.next('session.jobs');
    expect(payload.jobs.map(({ status }) => status).sort()).toEqual(['cancelled', 'cancelled', 'completed']);
  });
});

describe.each(DATA)('on %s, after the process is killed', (_name, data) => {
  it('a child that outlived its parent goes on by itself, with what is left of the account of its tree (G1, T3)', async () => {
    const left: unknown[] = [];
    const spender = agentNamed('spender', async (ctx) => {
      await ctx.charge('cost.test', '1', 'USD').catch(() => undefined);
      left.push(await ctx.lease.remaining());
      return untilAborted(ctx.signal);
    });
    const payer = agentNamed('payer', (ctx) => ctx.charge('cost.test', '2', 'USD'));
    const root = agentNamed('root', async (ctx) => {
      await (
        await ctx.delegate('payer', { budget: ['USD:3'] })
      ).outcome;
      await ctx.delegate('spender', { onParentEnd: 'detach' });
      await ctx.charge('cost.test', '1', 'USD');
    });
    const all = lives(data(), {
      agents: [root, payer, spender],
      limits: { restartBackoffMs: 1, maxFinishedJobs: 1, maxAttempts: 10 },
    });
    try {
      const first = await all.next();
      const client = await first.open();
      await client.terminal(await client.accepted('root', {}, { payload: { cost_budget: ['USD:10'] } }));
      await first.clock.settle();
      // Others push out what may be forgotten.
      for (let n = 0; n < 3; n += 1) await client.terminal(await client.accepted('payer'));
      await first.clock.advance(2_000);
      expect(left).toEqual([{ USD: expect.stringMatching(/^[67]$/) as string }]);
      for (const usd of ['5', '4']) {
        const life = await all.next();
        await life.clock.advance(2_000);
        expect(left.at(-1)).toEqual({ USD: usd });
      }
      const last = await all.next();
      const late = await last.open();
      late.send('session.list_jobs', { filter: { agent: 'spender' } });
      const { payload } = await late.next('session.jobs');
      expect(payload.jobs).toMatchObject([{ depth: 1, status: 'running' }]);
    } finally {
      await all.end();
    }
  });

  it('a child goes on whose parent cannot, if it was to outlive it, and not if it was not', async () => {
    const mortal = defineAgent({
      name: 'mortal',
      version: '1.0.0',
      run: async (_input, ctx) => {
        await ctx.delegate('forever', { onParentEnd: 'detach' });
        await ctx.delegate('forever', { key: 'k' });
        return untilAborted(ctx.signal);
      },
    });
    const all = lives(data(), { agents: [mortal, forever], limits: { restartBackoffMs: 1 } });
    try {
      const first = await all.next();
      await (await first.open()).accepted('mortal');
      await first.clock.settle();
      const second = await all.next();
      await second.clock.advance(2_000);
      const client = await second.open();
      client.send('session.list_jobs', {});
      const { payload } = await client.next('session.jobs');
      expect(payload.jobs.filter(({ agent }) => agent === 'mortal@1.0.0')).toMatchObject([
        { status: 'failed' },
      ]);
      expect(payload.jobs.map(({ status }) => status).sort()).toEqual(['failed', 'failed', 'running']);
    } finally {
      await all.end();
    }
  });
});
