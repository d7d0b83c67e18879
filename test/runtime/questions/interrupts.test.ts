/** Interrupts (RFC 0001 §10.5): a job pauses, somebody is asked, and the agent goes on with what they said. */
import { afterEach, describe, expect, it } from 'vitest';
import { bench } from '../bench.js';
import { DATA, lives, type Lives } from '../lives.js';
import type { RawClient } from '../raw-client.js';
import { answer, asked, CAN_ANSWER, decline, doing, verdict } from './asking.js';

function interrupt(client: RawClient, target_id: string, prompt = 'Why?', target = 'job'): string {
  return client.send('interrupt', { target, target_id, prompt });
}

/** Takes steps until it is told to stop, and says what it was told. */
function stepping() {
  const steps = { taken: 0, next: (): void => undefined };
  const agent = doing(async (ctx) => {
    for (;;) {
      const said = await ctx.guidance();
      if (said.length > 0) return { said, steps: steps.taken };
      steps.taken += 1;
      await new Promise<void>((resolve) => (steps.next = resolve));
    }
  });
  return { agent, steps };
}

describe('an interrupt', () => {
  it('blocks the job, asks with its cause, and the agent goes on with the answer', async () => {
    const { agent, steps } = stepping();
    await using test = bench({ agents: [agent] });
    const client = await test.open('ada', CAN_ANSWER);
    const invokeId = client.invoke('doing');
    const { job_id: job = '' } = await client.next('job.started');
    const sent = interrupt(client, job);
    expect(await verdict(client, sent)).toBe('ack');
    const { id, payload, causation_id, correlation_id } = await asked(client, 'human.input.request');
    expect({ causation_id, correlation_id }).toEqual({ causation_id: sent, correlation_id: invokeId });
    expect(payload).toMatchObject({ prompt: 'Why?', response_schema: {} });
    expect((await client.next('job.heartbeat')).payload.state).toBe('blocked');
    steps.next();
    await test.clock.settle();
    expect(steps.taken, 'it is held at its next act').toBe(1);
    expect(await verdict(client, answer(client, id, 'because'))).toBe('ack');
    expect(await client.terminal(job)).toMatchObject({
      payload: { value: { said: [{ prompt: 'Why?', value: 'because' }], steps: 1 } },
    });
    expect((await client.next('job.heartbeat')).payload.state).toBe('running');
  });

  it.each([
    ['charge', 'metric', (ctx) => ctx.charge('cost.a', '1', 'USD')],
    ['delegate', 'agent.delegate', (ctx) => ctx.delegate('nobody').catch(() => undefined)],
    ['ask', undefined, (ctx) => ctx.ask('?', { default: 1, expiresInMs: 1 })],
    ['flushed', undefined, (ctx) => ctx.flushed()],
  ] as [string, 'metric' | 'agent.delegate' | undefined, Parameters<typeof doing>[0]][])(
    'holds %s until it is answered, declined or expired',
    async (_what, type, act) => {
      let go: () => void = () => undefined;
      let isDone = false;
      await using test = bench({
        agents: [
          doing(async (ctx) => {
            await new Promise<void>((resolve) => (go = resolve));
            await act(ctx, {});
            isDone = true;
          }),
        ],
      });
      const client = await test.open('ada', CAN_ANSWER);
      const job = await client.accepted('doing');
      await test.clock.settle();
      const sent = interrupt(client, job);
      await verdict(client, sent);
      const { id } = await asked(client, 'human.input.request');
      go();
      await test.clock.settle();
      expect(isDone).toBe(false);
      if (type !== undefined) expect(client.seen(type)).toEqual([]);
      await verdict(client, decline(client, id));
      await test.clock.advance(1);
      expect((await client.terminal(job)).type).toBe('job.completed');
      expect(isDone).toBe(true);
    },
  );

  it('lets the job go on when nobody speaks in time', async () => {
    const { agent, steps } = stepping();
    await using test = bench({ agents: [agent] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    await test.clock.settle();
    await verdict(client, interrupt(client, job, ''));
    expect((await asked(client, 'human.input.request')).payload.prompt).toContain('interrupted');
    steps.next();
    await test.clock.advance(600_000);
    expect((await client.next('human.input.cancelled')).payload.code).toBe('DEADLINE_EXCEEDED');
    expect(steps.taken).toBe(2);
    expect(client.seen('job.failed')).toEqual([]);
  });

  it('does not outlive its job: a cancel ends both', async () => {
    const { agent, steps } = stepping();
    await using test = bench({ agents: [agent] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    await test.clock.settle();
    await verdict(client, interrupt(client, job));
    steps.next();
    client.send('cancel', { target: 'job', target_id: job, deadline_ms: 1 });
    await client.next('human.input.cancelled');
    await test.clock.advance(1);
    expect((await client.terminal(job)).type).toBe('job.failed');
  });

  it('is refused where it makes no sense, and changes nothing', async () => {
    await using test = bench({
      agents: [doing(() => new Promise(() => undefined))],
      limits: { maxRunningJobsPerPrincipal: 1 },
    });
    const client = await test.open('ada', CAN_ANSWER);
    const bob = await test.open('bob', CAN_ANSWER);
    const plain = await test.open('bob');
    const job = await client.accepted('doing');
    const queued = await client.accepted('doing');
    const bobs = await plain.accepted('doing');
    await test.clock.settle();
    expect(await verdict(client, interrupt(client, 'job_none'))).toBe('NOT_FOUND');
    expect(await verdict(bob, interrupt(bob, job))).toBe('PERMISSION_DENIED');
    expect(await verdict(client, interrupt(client, queued))).toBe('FAILED_PRECONDITION');
    expect(await verdict(client, interrupt(client, client.sessionId, '', 'session'))).toBe('UNIMPLEMENTED');
    expect(await verdict(client, interrupt(client, job))).toBe('ack');
    expect(await verdict(client, interrupt(client, job))).toBe('FAILED_PRECONDITION');
    bob.send('session.close', {});
    await bob.closed();
    await test.clock.settle();
    expect(await verdict(plain, interrupt(plain, bobs)), 'nobody could answer').toBe('FAILED_PRECONDITION');
    expect(plain.seen('job.heartbeat')).toEqual([]);
  });
});

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, an interrupt outlives the process', (_name, make) => {
  it('the next attempt waits for it, and is told what was said, and what was said before', async () => {
    const agent = doing(
      async (ctx) => {
        const said = await ctx.guidance();
        if (said.length < 2) await new Promise(() => undefined);
        return said.map(({ value }) => value);
      },
      { recovery: 'restart' },
    );
    const all = (current = lives(make(), { agents: [agent] }));
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    await client.next('job.started');
    await verdict(client, interrupt(client, job, 'one?'));
    const one = await asked(client, 'human.input.request');
    await verdict(client, answer(client, one.id, 1));
    await verdict(client, interrupt(client, job, 'two?'));
    const two = await asked(client, 'human.input.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    await back.next('job.heartbeat', ({ payload }) => payload.state === 'blocked');
    await verdict(back, answer(back, two.id, 2));
    expect(await back.terminal(job)).toMatchObject({ payload: { value: [1, 2] } });
  });
});
