/** What a lease says about a job, and when it ends it (L4, decision 24). */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { bench } from './bench.js';

const agentThat = (run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name: 'it', version: '1.0.0', run: (input, ctx) => run(ctx, input) });

describe('the lease of a job', () => {
  it('is echoed as it was asked for, and shown to the agent', async () => {
    const lease = { cost_budget: ['USD:5.00'], expires_at: '2026-01-01T01:00:00Z', x_note: { a: [1] } };
    const agent = agentThat(async (ctx) => [ctx.lease.expiresAt, await ctx.lease.remaining()]);
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const id = client.invoke('it', {}, { payload: { lease_request: lease } });
    const accepted = await client.next('job.accepted', (frame) => frame.correlation_id === id);
    expect(accepted.payload.lease).toEqual(lease);
    expect(await client.terminal(accepted.payload.job_id)).toMatchObject({
      payload: { value: ['2026-01-01T01:00:00.000Z', { USD: '5' }] },
    });
  });

  it('ends a running job with LEASE_EXPIRED, not retryable, when it runs out', async () => {
    let reason: unknown;
    const agent = agentThat(
      (ctx) =>
        new Promise((resolve) => {
          ctx.signal.addEventListener('abort', () => {
            reason = ctx.signal.reason;
            resolve('too late');
          });
        }),
    );
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted(
      'it',
      {},
      {
        payload: { lease_request: { expires_at: '2026-01-01T00:01:00Z' } },
      },
    );
    await test.clock.advance(59_999);
    expect(client.story(jobId)).not.toContain('job.failed');
    await test.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { code: 'LEASE_EXPIRED', retryable: false },
    });
    expect(reason).toMatchObject({ code: 'LEASE_EXPIRED' });
  });

  it('that has run out lets the agent neither spend nor delegate, be it slow to end (L4)', async () => {
    const codes: unknown[] = [];
    const agent = agentThat(async (ctx) => {
      await new Promise((resolve) => {
        ctx.signal.addEventListener('abort', resolve);
      });
      const note = (error: { code: string }): void => void codes.push(error.code);
      await ctx.charge('cost.x', '1', 'USD').catch(note);
      await ctx.delegate('it').catch(note);
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted(
      'it',
      {},
      {
        payload: { lease_request: { expires_at: '2026-01-01T00:01:00Z', cost_budget: ['USD:5'] } },
      },
    );
    await test.clock.advance(60_000);
    await client.terminal(jobId);
    expect(codes).toEqual(['LEASE_EXPIRED', 'LEASE_EXPIRED']);
  });

  it('of sixty days ends after sixty days: timers are safe beyond 2^31 ms (decision 24)', async () => {
    await using test = bench({
      agents: [
        agentThat(
          (ctx) =>
            new Promise((_, no) => {
              ctx.signal.addEventListener('abort', () => {
                no(new Error('x'));
              });
            }),
        ),
      ],
      limits: { heartbeatIntervalMs: 86_400_000 },
    });
    const client = await test.open();
    const jobId = await client.accepted(
      'it',
      {},
      {
        payload: { lease_request: { expires_at: '2026-03-02T00:00:00Z' } },
      },
    );
    await test.clock.advance(59 * 86_400_000);
    expect(client.story(jobId)).not.toContain('job.failed');
    await test.clock.advance(86_400_000);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'LEASE_EXPIRED' } });
  });
});
