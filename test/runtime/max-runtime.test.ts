/** How long a job may run (`max_runtime_ms`, draft-1.1 §7.1): its own time, counted from its start, and then TIMEOUT. */
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { OPT_IN } from '../../src/protocol/extensions.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';
import { DATA, lives, type Lives } from './lives.js';

const heeding = defineAgent({
  name: 'heeding',
  version: '1.0.0',
  run: (_in, ctx) => untilAborted(ctx.signal),
});
const deaf = defineAgent({ name: 'deaf', version: '1.0.0', run: () => new Promise(() => undefined) });
const fast = defineAgent({ name: 'fast', version: '1.0.0', run: () => 'done' });
const boss = defineAgent({
  name: 'boss',
  version: '1.0.0',
  run: async (_in, ctx) => (await ctx.delegate('deaf')).outcome,
});
const agents = [heeding, deaf, fast, boss];
const within = (max_runtime_ms: number) => ({ payload: { max_runtime_ms } });

describe('a job that may run so long', () => {
  it('fails with TIMEOUT, not retryable, when its agent takes longer, and the agent is told why', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('heeding', {}, within(1_500));
    await test.clock.advance(1_499);
    expect(client.story(jobId)).not.toContain('job.failed');
    await test.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'TIMEOUT', message: 'heeding@1.0.0 ran longer than 1500 ms', retryable: false },
    });
  });

  it('fails with TIMEOUT even when its agent takes no notice: it has the time of a cancel to end by itself', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('deaf', {}, within(1_000));
    await test.clock.advance(5_999);
    expect(client.story(jobId)).not.toContain('job.failed');
    await test.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'TIMEOUT' } });
  });

  it('takes its children with it', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('boss', {}, within(1_000));
    await test.clock.advance(6_000);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'TIMEOUT' } });
    expect(client.seen('job.failed')).toHaveLength(2);
  });

  it('leaves nothing behind when it ends in time', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const before = test.clock.pending;
    await client.terminal(await client.accepted('fast', {}, within(2 ** 40)));
    await test.clock.settle();
    expect(test.clock.pending).toBeLessThanOrEqual(before + 1);
    await test.clock.advance(60_000);
    expect(client.seen('job.failed')).toEqual([]);
  });

  it('has its time from its start on: waiting for room does not count', async () => {
    await using test = bench({ agents, limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    const first = await client.accepted('heeding', {}, within(3_000));
    const second = await client.accepted('heeding', {}, within(2_000));
    await test.clock.advance(3_000);
    await client.terminal(first);
    expect(client.story(second)).not.toContain('job.failed');
    await test.clock.advance(2_000);
    expect(await client.terminal(second)).toMatchObject({ payload: { code: 'TIMEOUT' } });
  });

  it('is listed as timed_out, and is another request under an idempotency key than one without', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const jobId = await client.accepted('heeding', {}, { ...within(1_000), idempotency_key: 'k' });
    await test.clock.advance(1_000);
    await client.terminal(jobId);
    client.send('session.list_jobs', { filter: { status: ['timed_out'] } });
    expect((await client.next('session.jobs')).payload.jobs).toMatchObject([{ job_id: jobId }]);
    client.invoke('heeding', {}, { idempotency_key: 'k' });
    expect(await client.next('job.failed')).toMatchObject({ payload: { code: 'DUPLICATE_KEY' } });
  });
});

describe.each(DATA)('a job that is begun again, on %s', (_name, make) => {
  const again = defineAgent({
    name: 'again',
    version: '1.0.0',
    recovery: 'resume',
    run: async (_in, ctx) => {
      if (ctx.attempt === 1) await ctx.checkpoint('here');
      return untilAborted(ctx.signal);
    },
  });
  const START = Date.UTC(2026, 0, 1);
  let current: Lives | undefined;

  afterEach(async () => {
    await current?.end();
  });

  const begun = async () => {
    const all = (current = lives(make(), { agents: [again], limits: { restartBackoffMs: 100 } }));
    const life = await all.next();
    const client = await life.open('ada', { extensions: [OPT_IN.checkpoint] });
    const jobId = await client.accepted('again', {}, within(10_000));
    return { all, life, client, jobId };
  };

  it('has the time that is left: what an attempt before it had, and the time between them, is gone', async () => {
    const { all, life, client, jobId } = await begun();
    await client.next('job.checkpoint');
    await life.clock.advance(4_000);
    const next = await all.next({}, START + 6_000);
    const back = next.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await next.clock.advance(3_999);
    expect(back.seen('job.failed')).toEqual([]);
    await next.clock.advance(1);
    expect(await back.terminal(jobId)).toMatchObject({
      payload: { code: 'TIMEOUT', message: 'again@1.0.0 ran longer than 10000 ms' },
    });
  });

  it('is not begun again at all when its time was over meanwhile', async () => {
    const { all, client, jobId } = await begun();
    await client.next('job.checkpoint');
    const next = await all.next({}, START + 60_000);
    const back = next.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await next.clock.advance(1);
    expect(await back.terminal(jobId)).toMatchObject({ payload: { code: 'TIMEOUT' } });
    expect(back.seen('job.started')).toEqual([]);
  });

  it('has no more of it when a client has it go on from a checkpoint', async () => {
    const { life, client, jobId } = await begun();
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload as { checkpoint_id: string };
    await life.clock.advance(7_000);
    client.send('checkpoint.restore', { checkpoint_id });
    await client.next('job.started');
    await life.clock.advance(2_999);
    expect(client.seen('job.failed')).toEqual([]);
    await life.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'TIMEOUT' } });
  });
});
