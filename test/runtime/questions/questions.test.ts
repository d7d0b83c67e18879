/** A person in the loop (RFC 0001 §12): asking, answering, refusing, expiring, and who may. */
import { describe, expect, it } from 'vitest';
import { ArcpError } from '../../../src/index.js';
import { bench } from '../bench.js';
import { answer, asked, asker, CAN_ANSWER, choose, decline, doing, verdict } from './asking.js';

const NUMBER = { type: 'integer', minimum: 1, maximum: 5 } as const;

describe('a question to a person', () => {
  it('blocks the job, is answered by an acknowledged response, and the job goes on with the answer', async () => {
    await using test = bench({ agents: [asker('How many?', { schema: NUMBER, destination: 'ops' })] });
    const client = await test.open('ada', CAN_ANSWER);
    const invokeId = client.invoke('asker');
    const { id, payload, job_id, correlation_id } = await asked(client, 'human.input.request');
    expect(payload).toEqual({
      prompt: 'How many?',
      response_schema: NUMBER,
      destination: 'ops',
      expires_at: '2026-01-01T00:10:00.000Z',
      key: '#1',
    });
    expect(correlation_id).toBe(invokeId);
    expect((await client.next('job.heartbeat')).payload.state).toBe('blocked');
    const answerId = answer(client, id, 3);
    expect(await verdict(client, answerId)).toBe('ack');
    const taken = await client.next('human.input.response');
    expect(taken).toMatchObject({ correlation_id: id, causation_id: answerId, job_id });
    expect(await client.terminal(job_id ?? '')).toMatchObject({ payload: { value: 3 } });
    expect(client.story(job_id ?? '')).toEqual([
      'job.accepted',
      'job.started',
      'human.input.request',
      'job.heartbeat',
      'human.input.response',
      'human.input.cancelled',
      'job.heartbeat',
      'job.completed',
    ]);
  });

  it('is answered in the name of the principal, whatever the client says, at the runtime’s time', async () => {
    await using test = bench({ agents: [asker('?')] });
    const client = await test.open('ada', CAN_ANSWER);
    client.invoke('asker');
    const { id } = await asked(client, 'human.input.request');
    answer(client, id, 'x');
    expect((await client.next('human.input.response')).payload).toEqual({
      value: 'x',
      responded_by: 'ada',
      responded_at: '2026-01-01T00:00:00.000Z',
    });
  });

  it('refuses an answer that does not fit, says why, and stays open', async () => {
    await using test = bench({ agents: [asker('How many?', { schema: NUMBER })] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    const { id } = await asked(client, 'human.input.request');
    for (const wrong of [0, 6, 2.5, '3', null, [3]]) {
      const sent = answer(client, id, wrong);
      const { payload } = await client.next('nack', (frame) => frame.correlation_id === sent);
      expect(payload.code).toBe('INVALID_ARGUMENT');
      expect(payload.message).toContain('the answer does not fit');
      expect(payload.details).toHaveProperty('complaints');
    }
    expect(await verdict(client, answer(client, id, 5))).toBe('ack');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 5 } });
  });

  it.each([
    ['null', null],
    ['a deep one', { a: [{ b: 'c' }] }],
    ['an own __proto__', JSON.parse('{"__proto__":1}') as unknown],
  ])('takes any answer where it has no schema: %s', async (_what, value) => {
    await using test = bench({ agents: [asker('?')] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    const { id } = await asked(client, 'human.input.request');
    answer(client, id, value);
    expect(await client.terminal(job)).toMatchObject({ payload: { value } });
  });

  it('lets a person choose one of several, and nothing else', async () => {
    const choices = [
      { id: 'a', label: 'Apples' },
      { id: 'b', label: 'Bananas' },
    ];
    await using test = bench({ agents: [doing((ctx) => ctx.choose('Which?', choices))] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const { id, payload } = await asked(client, 'human.choice.request');
    expect(payload.options).toEqual(choices);
    expect(await verdict(client, choose(client, id, 'c'))).toBe('INVALID_ARGUMENT');
    expect(await verdict(client, answer(client, id, 'a'))).toBe('INVALID_ARGUMENT');
    expect(await verdict(client, choose(client, id, 'b'))).toBe('ack');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 'b' } });
  });

  it('takes the first valid answer; a later one is refused, and everybody who was asked is told', async () => {
    await using test = bench({ agents: [asker('?')] });
    const first = await test.open('ada', CAN_ANSWER);
    const second = await test.open('ada', CAN_ANSWER);
    const job = await first.accepted('asker');
    second.send('job.subscribe', { job_id: job, history: true });
    const { id } = await asked(first, 'human.input.request');
    expect((await asked(second, 'human.input.request')).id).toBe(id);
    expect(await verdict(second, answer(second, id, 'one'))).toBe('ack');
    expect(await verdict(first, answer(first, id, 'two'))).toBe('FAILED_PRECONDITION');
    for (const client of [first, second]) {
      expect(await client.next('human.input.cancelled')).toMatchObject({
        correlation_id: id,
        payload: { code: 'OK', message: 'answered by ada' },
      });
    }
    expect(await first.terminal(job)).toMatchObject({ payload: { value: 'one' } });
    expect(await verdict(first, answer(first, id, 'three'))).toBe('FAILED_PRECONDITION');
  });

  it('takes one of two answers that come in the same turn', async () => {
    await using test = bench({ agents: [asker('?')] });
    const one = await test.open('ada', CAN_ANSWER);
    const two = await test.open('ada', CAN_ANSWER);
    const job = await one.accepted('asker');
    const { id } = await asked(one, 'human.input.request');
    const sent = [answer(one, id, 1), answer(two, id, 2)] as const;
    const verdicts = [await verdict(one, sent[0]), await verdict(two, sent[1])];
    expect(verdicts.toSorted()).toEqual(['FAILED_PRECONDITION', 'ack']);
    expect(await one.terminal(job)).toMatchObject({ payload: { value: verdicts.indexOf('ack') + 1 } });
    expect(one.seen('human.input.response')).toHaveLength(1);
  });

  it('may be declined: the agent is told why', async () => {
    await using test = bench({ agents: [asker('?')] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    const { id } = await asked(client, 'human.input.request');
    expect(await verdict(client, decline(client, id, 'OK'))).toBe('INVALID_ARGUMENT');
    expect(await verdict(client, decline(client, id))).toBe('ack');
    expect(await client.terminal(job)).toMatchObject({
      payload: { code: 'CANCELLED', message: 'somebody chose not to answer' },
    });
  });

  it('belongs to the principal of its job: others cannot answer it, nor learn that there is one', async () => {
    await using test = bench({ agents: [asker('?')] });
    const ada = await test.open('ada', CAN_ANSWER);
    const bob = await test.open('bob', CAN_ANSWER);
    await ada.accepted('asker');
    const { id } = await asked(ada, 'human.input.request');
    expect(await verdict(bob, answer(bob, id, 'mine'))).toBe('PERMISSION_DENIED');
    for (const nothing of ['msg_x', 'msg_x.3', id.replace(/\.\d+$/, '.1'), `${id}0`]) {
      expect(await verdict(ada, answer(ada, nothing, 1))).toBe('NOT_FOUND');
    }
    expect(
      await verdict(
        ada,
        ada.send('human.input.response', {
          value: 1,
          responded_by: 'a',
          responded_at: '2026-01-01T00:00:00Z',
        }),
      ),
    ).toBe('INVALID_ARGUMENT');
  });

  it('keeps a job blocked until the last of several is answered', async () => {
    await using test = bench({
      agents: [doing(async (ctx) => Promise.all([ctx.ask('one?'), ctx.ask('two?')]))],
    });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const one = await asked(client, 'human.input.request');
    const two = await asked(client, 'human.input.request');
    expect([one.payload.key, two.payload.key]).toEqual(['#1', '#2']);
    await verdict(client, answer(client, two.id, 2));
    await test.clock.settle();
    expect(client.seen('job.heartbeat')).toHaveLength(1);
    answer(client, one.id, 1);
    expect(await client.terminal(job)).toMatchObject({ payload: { value: [1, 2] } });
    expect(client.seen('job.heartbeat').map(({ payload }) => (payload as { state: string }).state)).toEqual([
      'blocked',
      'running',
    ]);
  });
});

describe('a question that nobody answers', () => {
  it('ends with its expiry: it is cancelled, and the agent gets DEADLINE_EXCEEDED', async () => {
    await using test = bench({ agents: [asker('?', { expiresInMs: 60_000 })] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    const { id } = await asked(client, 'human.input.request');
    await test.clock.advance(59_999);
    expect(client.seen('human.input.cancelled')).toEqual([]);
    await test.clock.advance(1);
    expect(await client.next('human.input.cancelled')).toMatchObject({
      correlation_id: id,
      payload: { code: 'DEADLINE_EXCEEDED' },
    });
    expect(await client.terminal(job)).toMatchObject({ payload: { code: 'DEADLINE_EXCEEDED' } });
    expect(await verdict(client, answer(client, id, 1))).toBe('FAILED_PRECONDITION');
  });

  it('is answered by its default, in the name of "default"', async () => {
    await using test = bench({ agents: [asker('?', { default: null, expiresInMs: 1_000 })] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    await test.clock.advance(1_000);
    expect((await client.next('human.input.response')).payload).toMatchObject({
      value: null,
      responded_by: 'default',
    });
    expect(await client.terminal(job)).toMatchObject({ payload: { value: null } });
  });

  it('chooses its default', async () => {
    const choices = [
      { id: 'a', label: 'A' },
      { id: 'b', label: 'B' },
    ];
    await using test = bench({
      agents: [doing((ctx) => ctx.choose('?', choices, { default: 'b', expiresInMs: 5 }))],
    });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    await test.clock.advance(5);
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 'b' } });
  });

  it('ends once when the answer and the expiry come together', async () => {
    await using test = bench({ agents: [asker('?', { expiresInMs: 1_000 })] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    const { id } = await asked(client, 'human.input.request');
    await test.clock.advance(999);
    const sent = answer(client, id, 'just in time');
    await test.clock.advance(1);
    const isTaken = (await verdict(client, sent)) === 'ack';
    const { type } = await client.terminal(job);
    expect(type).toBe(isTaken ? 'job.completed' : 'job.failed');
    expect(client.seen('human.input.response')).toHaveLength(isTaken ? 1 : 0);
  });

  it('is withdrawn when its job is cancelled, before the end, and a late answer is refused', async () => {
    await using test = bench({ agents: [asker('?')] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('asker');
    const { id } = await asked(client, 'human.input.request');
    client.send('cancel', { target: 'job', target_id: job, reason: 'never mind' });
    const late = answer(client, id, 1);
    expect((await client.terminal(job)).type).toBe('job.cancelled');
    expect(await verdict(client, late)).toBe('FAILED_PRECONDITION');
    expect(client.story(job).slice(-2)).toEqual(['human.input.cancelled', 'job.cancelled']);
  });

  it('is withdrawn when its agent ends without waiting', async () => {
    await using test = bench({
      agents: [
        doing((ctx) => {
          void ctx.ask('?');
          return 'done';
        }),
      ],
    });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 'done' } });
    expect(client.story(job)).toEqual([
      'job.accepted',
      'job.started',
      'human.input.request',
      'job.heartbeat',
      'human.input.cancelled',
      'job.heartbeat',
      'job.completed',
    ]);
  });
});

describe('who is asked (decision 17)', () => {
  const caught = doing(async (ctx) => {
    try {
      return await ctx.ask('?');
    } catch (error) {
      return error instanceof ArcpError ? error.code : 'thrown';
    }
  });

  it('fails at once where the session that is there cannot read questions', async () => {
    await using test = bench({ agents: [caught] });
    const client = await test.open('ada');
    const job = await client.accepted('doing');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 'FAILED_PRECONDITION' } });
    expect(client.story(job)).toEqual(['job.accepted', 'job.started', 'job.completed']);
  });

  it('waits for its default there, and tells the session in words that it can read', async () => {
    await using test = bench({ agents: [asker('?', { default: 7, expiresInMs: 10 })] });
    const client = await test.open('ada');
    const job = await client.accepted('asker');
    const { payload } = await client.next('event.emit');
    expect(payload).toMatchObject({ name: 'human.input.request', data: { prompt: '?' } });
    await test.clock.advance(10);
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 7 } });
  });

  it('waits where another session of the principal can answer, and lets it', async () => {
    await using test = bench({ agents: [caught] });
    const client = await test.open('ada');
    const other = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const { id } = await client.next('event.emit');
    expect(await verdict(other, answer(other, id, 'from elsewhere'))).toBe('ack');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 'from elsewhere' } });
  });

  it('waits for a session that lost its connection and may come back', async () => {
    await using test = bench({
      agents: [doing(async (ctx) => (await new Promise((go) => (start = go)), ctx.ask('?')))],
    });
    let start: (value?: unknown) => void = () => undefined;
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    await test.clock.settle();
    client.wire.destroy();
    await test.clock.settle();
    start();
    await test.clock.settle();
    const back = test.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    const { id } = await asked(back, 'human.input.request');
    answer(back, id, 'back');
    expect(await back.terminal(job)).toMatchObject({ payload: { value: 'back' } });
  });

  it('waits where nobody of the principal is there: the next may answer', async () => {
    await using test = bench({
      agents: [doing(async (ctx) => (await new Promise((go) => (start = go)), ctx.ask('?')))],
    });
    let start: (value?: unknown) => void = () => undefined;
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    client.send('session.close', {});
    await client.next('session.closed');
    start();
    await test.clock.settle();
    const next = await test.open('ada', CAN_ANSWER);
    next.send('session.list_jobs', { filter: { waiting: true } });
    const { payload } = await next.next('session.jobs');
    expect(payload.jobs).toMatchObject([
      { job_id: job, status: 'blocked', waiting_for: [{ type: 'human.input.request' }] },
    ]);
    expect(await verdict(next, answer(next, payload.jobs[0]?.waiting_for?.[0]?.id ?? '', 1))).toBe('ack');
  });

  it('fails at once where an anonymous session has gone: nobody else can be it', async () => {
    let start: (value?: unknown) => void = () => undefined;
    let said: unknown;
    await using test = bench({
      agents: [
        doing(async (ctx) => {
          await new Promise((go) => (start = go));
          said = await ctx.ask('?').catch((error: unknown) => (error as ArcpError).code);
        }),
      ],
    });
    const client = await test.open('nobody', CAN_ANSWER);
    await client.accepted('doing');
    client.send('session.close', {});
    await client.next('session.closed');
    start();
    await test.clock.settle();
    expect(said).toBe('FAILED_PRECONDITION');
  });

  it('counts a session that answers as one that can', async () => {
    await using test = bench({ agents: [asker('?', { default: 0 })] });
    const client = await test.open('ada');
    const job = await client.accepted('asker');
    const { id } = await client.next('event.emit');
    expect(await verdict(client, answer(client, id, 1))).toBe('ack');
    await client.next('human.input.response');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 1 } });
  });
});

describe('the watch over a job that waits for a person (decision 7)', () => {
  it('rests: an agent that sends its own heartbeats may be silent', async () => {
    await using test = bench({ agents: [doing((ctx) => ctx.ask('?'), { heartbeat: 'manual' })] });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const { id } = await asked(client, 'human.input.request');
    await test.clock.advance(500_000);
    expect(client.seen('job.failed')).toEqual([]);
    answer(client, id, 'late');
    expect(await client.terminal(job)).toMatchObject({ payload: { value: 'late' } });
  });

  it('keeps it blocked although the agent shows life, and begins anew with the answer', async () => {
    let held: { heartbeat(): void; progress(p: object): void } | undefined;
    await using test = bench({
      agents: [
        doing(
          async (ctx) => {
            held = ctx;
            await ctx.ask('?');
            await new Promise(() => undefined);
          },
          { heartbeat: 'manual' },
        ),
      ],
    });
    const client = await test.open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const { id } = await asked(client, 'human.input.request');
    await client.next('job.heartbeat');
    held?.heartbeat();
    held?.progress({ percent: 1 });
    expect((await client.next('job.heartbeat')).payload.state).toBe('blocked');
    await client.next('job.progress');
    answer(client, id, 1);
    expect((await client.next('job.heartbeat')).payload.state).toBe('running');
    await test.clock.advance(59_999);
    expect(client.seen('job.failed')).toEqual([]);
    await test.clock.advance(1);
    expect(await client.terminal(job)).toMatchObject({ payload: { code: 'HEARTBEAT_LOST' } });
  });
});
