/** Questions outlive the process (laws L1 to L3): open ones stay open, and answers reach the next attempt (Q4). */
import { afterEach, describe, expect, it } from 'vitest';
import type { JobContext, RuntimeOptions } from '../../../src/index.js';
import { DATA, lives, type Lives } from '../lives.js';
import type { RawClient } from '../raw-client.js';
import { answer, asked, CAN_ANSWER, doing, verdict } from './asking.js';

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

async function openQuestions(client: RawClient) {
  client.send('session.list_jobs', { filter: { waiting: true } });
  const { payload } = await client.next('session.jobs');
  return payload.jobs.flatMap(({ waiting_for = [] }) => waiting_for);
}

describe.each(DATA)('with the %s store, when the process is killed', (_name, make) => {
  const start = (
    run: (ctx: JobContext, attempt: number) => unknown,
    recovery?: 'restart',
    options: Omit<RuntimeOptions, 'clock' | 'store' | 'agents'> = {},
  ): Lives => {
    let attempt = 0;
    const agents = [doing((ctx) => run(ctx, (attempt += 1)), recovery === undefined ? {} : { recovery })];
    return (current = lives(make(), { agents, ...options }));
  };

  it('an open question is still open, under its id, and its answer reaches the next attempt', async () => {
    const all = start(async (ctx, attempt) => [attempt, await ctx.ask('Go on?')], 'restart');
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const before = await asked(client, 'human.input.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    expect(await openQuestions(back)).toMatchObject([{ id: before.id, payload: before.payload }]);
    await second.clock.advance(1_000);
    expect(await verdict(back, answer(back, before.id, 'yes'))).toBe('ack');
    expect(await back.terminal(job)).toMatchObject({ payload: { value: [2, 'yes'] } });
    expect(back.seen('human.input.request')).toEqual([]);
  });

  it('a question may be answered before the next attempt begins', async () => {
    const all = start((ctx) => ctx.ask('Go on?'), 'restart');
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const { id } = await asked(client, 'human.input.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    expect(await verdict(back, answer(back, id, 'early'))).toBe('ack');
    await second.clock.advance(1_000);
    expect(await back.terminal(job)).toMatchObject({ payload: { value: 'early' } });
  });

  it('an answer that was given is not asked for again', async () => {
    const all = start(async (ctx, attempt) => {
      const first = await ctx.ask('first?');
      const second = await ctx.ask('second?');
      if (attempt === 1) await new Promise(() => undefined);
      return [first, second];
    }, 'restart');
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    for (const value of [1, 2]) {
      const { id } = await asked(client, 'human.input.request');
      await verdict(client, answer(client, id, value));
    }
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    expect(await back.terminal(job)).toMatchObject({ payload: { value: [1, 2] } });
    expect(back.seen('human.input.request')).toEqual([]);
  });

  it('answers are found by key, in whatever order they are asked for', async () => {
    const keys = ['a', 'b'];
    const all = start(async (ctx, attempt) => {
      const found: unknown[] = [];
      for (const key of attempt === 1 ? keys : keys.toReversed()) found.push(await ctx.ask('?', { key }));
      if (attempt === 1) await new Promise(() => undefined);
      return found;
    }, 'restart');
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    for (const key of keys) {
      const { id, payload } = await asked(client, 'human.input.request');
      expect(payload.key).toBe(key);
      await verdict(client, answer(client, id, `for ${key}`));
    }
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    expect(await back.terminal(job)).toMatchObject({ payload: { value: ['for b', 'for a'] } });
  });

  it('an agent that asks something else now withdraws what it asked before', async () => {
    const all = start((ctx, attempt) => ctx.ask(`attempt ${attempt}?`), 'restart');
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const before = await asked(client, 'human.input.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    expect(await back.next('human.input.cancelled')).toMatchObject({
      correlation_id: before.id,
      payload: { code: 'ABORTED' },
    });
    const { id, payload } = await asked(back, 'human.input.request');
    expect(payload.prompt).toBe('attempt 2?');
    answer(back, id, 'new');
    expect(await back.terminal(job)).toMatchObject({ payload: { value: 'new' } });
  });

  it('a question whose time ran out meanwhile ends as it would have', async () => {
    const all = start((ctx) => ctx.ask('?', { default: 'nobody', expiresInMs: 500 }), 'restart');
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    await asked(client, 'human.input.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    await second.clock.advance(1_000);
    expect(await back.terminal(job)).toMatchObject({ payload: { value: 'nobody' } });
    expect((await back.next('human.input.response')).payload.responded_by).toBe('default');
  });

  it('a question of a job that does not go on is withdrawn before the job fails', async () => {
    const all = start((ctx) => ctx.ask('?'));
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('doing');
    const { id } = await asked(client, 'human.input.request');
    const back = (await all.next()).raw();
    await back.resume(client.resumeToken, client.lastSeq);
    expect(await back.terminal(job)).toMatchObject({ payload: { code: 'ABORTED' } });
    expect(back.story(job).slice(-2)).toEqual(['human.input.cancelled', 'job.failed']);
    expect(await openQuestions(back)).toEqual([]);
    expect(await verdict(back, answer(back, id, 1))).toBe('FAILED_PRECONDITION');
  });

  it.each([0, 1, 2, 3, 5, 8])(
    'an answer that was acknowledged counts, one that was not may be given again: %i turns after it (L2)',
    async (turns) => {
      const all = start((ctx) => ctx.ask('?'), 'restart');
      const client = await (await all.next()).open('ada', CAN_ANSWER);
      const job = await client.accepted('doing');
      const { id } = await asked(client, 'human.input.request');
      const sent = answer(client, id, 'mine');
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      // What the dead life still says does not count.
      const isTaken = client.seen('ack').some(({ correlation_id }) => correlation_id === sent);
      const second = await all.next();
      const back = second.raw();
      await back.resume(client.resumeToken, 0);
      const again = await verdict(back, answer(back, id, 'again'));
      if (isTaken) expect(again).toBe('FAILED_PRECONDITION');
      await second.clock.advance(1_000);
      expect(await back.terminal(job)).toMatchObject({
        payload: { value: again === 'ack' ? 'again' : 'mine' },
      });
    },
  );
});
