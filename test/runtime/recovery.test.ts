/** Law L3 and L1 across lives: what the next runtime finds when the process was killed, over every durable store. */
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent, type RuntimeOptions } from '../../src/index.js';
import { DATA, lives, type Lives } from './lives.js';

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });
const wait = defineAgent({ name: 'wait', version: '1.0.0', run: () => new Promise(() => undefined) });
/** Works on through a restart: waits in its first attempt, and ends in the next. */
function again(attempts = 2) {
  let attempt = 0;
  return defineAgent({
    name: 'again',
    version: '1.0.0',
    recovery: 'restart',
    async run(input, ctx) {
      attempt += 1;
      await ctx.charge('cost.try', '0.25', 'USD');
      if (attempt < attempts) await new Promise(() => undefined);
      return [input, await ctx.lease.remaining()];
    },
  });
}

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, after the process was killed', (_name, make) => {
  const start = (options: Omit<RuntimeOptions, 'clock' | 'store'>): Lives =>
    (current = lives(make(), options));

  it('a session is resumed in its own numbering: what was seen is there, and what was not comes (L3)', async () => {
    const all = start({ agents: [echo, wait] });
    const first = await all.next();
    const client = await first.open();
    client.invoke('echo', { n: 1 });
    await client.next('job.completed');
    client.invoke('wait');
    await client.next('job.started', ({ event_seq }) => event_seq === 5);
    const before = client.events();
    const second = await all.next();
    const resumed = second.raw();
    const { payload } = await resumed.resume(client.resumeToken, 2);
    expect(payload).toMatchObject({ session_id: client.sessionId, replayed_from: 3, replayed: true });
    await resumed.next('job.failed');
    const after = resumed.events();
    expect(after.slice(0, 3)).toEqual(before.slice(2));
    expect(after.map(({ event_seq }) => event_seq)).toEqual([3, 4, 5, 6]);
    resumed.invoke('echo', { n: 2 });
    await resumed.next('job.completed', ({ event_seq }) => event_seq === 9);
  });

  it('a job that was running fails with ABORTED, which may be tried again, and a job that had ended stays as it was', async () => {
    const all = start({ agents: [echo, wait] });
    const client = await (await all.next()).open();
    const running = await client.accepted('wait');
    const ended = await client.accepted('echo', { n: 1 });
    await client.terminal(ended);
    const second = await all.next();
    const resumed = second.raw();
    await resumed.resume(client.resumeToken, 0);
    expect(await resumed.terminal(running)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'ABORTED', retryable: true },
    });
    expect(await resumed.terminal(ended)).toMatchObject({ payload: { value: { n: 1 } } });
    resumed.send('cancel', { target: 'job', target_id: ended });
    expect((await resumed.next('cancel.refused')).payload.reason).toBe('already_terminal');
    expect(resumed.story(running)).toEqual(['job.accepted', 'job.started', 'job.failed']);
  });

  it('an agent that may do its work twice is started again, and what it had spent stays spent (L4)', async () => {
    const all = start({ agents: [again()] });
    const client = await (await all.next()).open();
    const jobId = await client.accepted('again', 'x', { payload: { cost_budget: ['USD:1.00'] } });
    await client.next('metric', ({ payload }) => payload.name === 'cost.budget.remaining');
    const second = await all.next();
    const resumed = second.raw();
    await resumed.resume(client.resumeToken, 0);
    const { payload } = await resumed.next('event.emit');
    expect(payload).toMatchObject({ name: 'job.restarted', data: { attempt: 2 } });
    await second.clock.advance(1_000);
    expect(await resumed.terminal(jobId)).toMatchObject({ payload: { value: ['x', { USD: '0.5' }] } });
    expect(resumed.events().map(({ event_seq }) => event_seq)).toEqual(
      resumed.events().map((_, at) => at + 1),
    );
  });

  it('the wait before a further attempt doubles from restart to restart, up to its limit (L7)', async () => {
    const all = start({
      agents: [again(6)],
      limits: { maxAttempts: 10, restartBackoffMs: 1_000, maxRestartBackoffMs: 2_500 },
    });
    let life = await all.next();
    let client = await life.open();
    const jobId = await client.accepted('again');
    await client.next('metric');
    for (const [attempt, waitMs] of [1_000, 2_000, 2_500, 2_500, 2_500].entries()) {
      const token = client.resumeToken;
      life = await all.next();
      client = life.raw();
      await client.resume(token, 0);
      const begun = () => client.seen('job.started').length;
      await life.clock.advance(waitMs - 1);
      expect(begun()).toBe(attempt + 1);
      await life.clock.advance(1);
      expect(begun()).toBe(attempt + 2);
    }
    expect((await client.terminal(jobId)).type).toBe('job.completed');
  });

  it('it is not tried for ever: after the last attempt it fails with ABORTED', async () => {
    const all = start({ agents: [again(99)], limits: { maxAttempts: 2 } });
    let life = await all.next();
    let client = await life.open();
    const jobId = await client.accepted('again');
    await client.next('metric');
    for (const attempt of [2, 3]) {
      const token = client.resumeToken;
      life = await all.next();
      client = life.raw();
      await client.resume(token, 0);
      await life.clock.advance(2_000);
      if (attempt === 2) await client.next('job.started', ({ event_seq = 0 }) => event_seq > 3);
    }
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'ABORTED' } });
  });

  it('a job of which a part of the result was streamed is not started again', async () => {
    const streaming = defineAgent({
      name: 'streaming',
      version: '1.0.0',
      recovery: 'restart',
      run: (_input, ctx) => {
        ctx.openResult().write('half of it');
        return new Promise(() => undefined);
      },
    });
    const all = start({ agents: [streaming] });
    const client = await (await all.next()).open();
    const jobId = await client.accepted('streaming');
    await client.next('job.result_chunk');
    const resumed = (await all.next()).raw();
    await resumed.resume(client.resumeToken, 0);
    expect(await resumed.terminal(jobId)).toMatchObject({ payload: { code: 'ABORTED' } });
  });

  it('a child ends before its parent, each once', async () => {
    const boss = defineAgent({
      name: 'boss',
      version: '1.0.0',
      run: async (_input, ctx) => (await ctx.delegate('wait')).outcome,
    });
    const all = start({ agents: [boss, wait] });
    const client = await (await all.next()).open();
    const parent = await client.accepted('boss');
    const { payload } = await client.next('job.accepted', (frame) => frame.job_id !== parent);
    await client.next('job.started', (frame) => frame.job_id === payload.job_id);
    const resumed = (await all.next()).raw();
    await resumed.resume(client.resumeToken, 0);
    await resumed.terminal(parent);
    const ends = resumed.events().filter(({ type }) => type === 'job.failed');
    expect(ends.map(({ job_id }) => job_id)).toEqual([payload.job_id, parent]);
  });

  it('the numbering goes on although logs were forgotten, before the crash and after it (L3, L7)', async () => {
    const all = start({ agents: [echo], limits: { maxFinishedJobs: 3 } });
    let life = await all.next();
    let client = await life.open();
    let jobs = 0;
    for (let round = 0; round < 3; round += 1) {
      for (let job = 0; job < 5; job += 1) {
        client.invoke('echo', { n: (jobs += 1) });
        await client.next('job.completed');
      }
      await life.clock.advance(2_000);
      const seen = client.lastSeq === 0 ? 0 : client.lastSeq;
      expect(seen).toBe(3 * jobs);
      const token = client.resumeToken;
      life = await all.next();
      client = life.raw();
      await client.resume(token, seen - 2);
      await client.next('job.completed', ({ event_seq }) => event_seq === seen);
      expect(client.events().map(({ event_seq }) => event_seq)).toEqual([seen - 1, seen]);
    }
    const { length } = await Promise.resolve(life.store.heads(1_000));
    expect(length).toBeLessThanOrEqual(4);
  });

  it('an idempotency key still stands for its job (decision 11)', async () => {
    const all = start({ agents: [echo] });
    const client = await (await all.next()).open();
    const jobId = await client.accepted('echo', { n: 1 }, { idempotency_key: 'once' });
    await client.terminal(jobId);
    const other = await (await all.next()).open();
    other.invoke('echo', { n: 1 }, { idempotency_key: 'once' });
    const { payload } = await other.next('job.accepted');
    expect(payload.job_id).toBe(jobId);
    expect(await other.next('job.completed')).toMatchObject({ payload: { value: { n: 1 } } });
    other.invoke('echo', { n: 2 }, { idempotency_key: 'once' });
    expect((await other.next('job.failed')).payload.code).toBe('DUPLICATE_KEY');
  });

  it('an idempotency key still stands for a job that was forgotten, and is told how that ended (decision 11)', async () => {
    const all = start({ agents: [echo], limits: { maxFinishedJobs: 1, idempotencyWindowMs: 60_000 } });
    const first = await all.next();
    const client = await first.open();
    const jobId = await client.accepted('echo', { n: 1 }, { idempotency_key: 'once' });
    const { payload: accepted } = client.seen('job.accepted')[0] ?? {};
    await client.terminal(await client.accepted('echo', { n: 2 }));
    await first.clock.advance(2_000);
    expect(await first.store.read(jobId, 0, 1)).toEqual([]);
    for (const isFirst of [true, false, false]) {
      const life = isFirst ? first : await all.next();
      const other = await life.open();
      const id = other.invoke('echo', { n: 1 }, { idempotency_key: 'once' });
      expect(await other.next('job.accepted')).toMatchObject({ correlation_id: id, payload: accepted });
      expect(await other.terminal(jobId)).toMatchObject({ payload: { value: { n: 1 } } });
      expect(other.lastSeq).toBe(2);
      other.invoke('echo', { n: 2 }, { idempotency_key: 'once' });
      expect((await other.next('job.failed')).payload).toMatchObject({
        code: 'DUPLICATE_KEY',
        details: { existing_job_id: jobId },
      });
    }
    const last = await all.next();
    await last.clock.advance(70_000);
    const other = await last.open();
    expect(await other.accepted('echo', { n: 1 }, { idempotency_key: 'once' })).not.toBe(jobId);
    expect(await last.store.documents('key/')).toEqual([]);
    expect(await last.store.documents('end/')).toEqual([]);
  });

  it('a key whose end is too much to keep is a key all the same: nothing is done twice (L7)', async () => {
    const all = start({
      agents: [echo],
      limits: { maxFinishedJobs: 1, maxIdempotencyBytesPerPrincipal: 3_000 },
    });
    const first = await all.next();
    const client = await first.open();
    const large = 'x'.repeat(2_000);
    const jobs: string[] = [];
    for (const key of ['a', 'b', 'c']) {
      jobs.push(await client.accepted('echo', { key, large }, { idempotency_key: key }));
      await client.terminal(jobs.at(-1) ?? '');
    }
    await first.clock.advance(2_000);
    for (const isFirst of [true, false]) {
      const life = isFirst ? first : await all.next();
      const other = await life.open();
      other.invoke('echo', { key: 'a', large }, { idempotency_key: 'a' });
      const { payload } = await other.next('job.failed');
      expect(payload).toMatchObject({ code: 'DATA_LOSS', details: { existing_job_id: jobs[0] } });
      other.invoke('echo', { key: 'b', large }, { idempotency_key: 'b' });
      expect(await other.terminal(jobs[1] ?? '')).toMatchObject({ type: 'job.completed' });
    }
  });

  it('a session that was told of another one’s job goes on in its own numbering (L3)', async () => {
    const all = start({ agents: [echo] });
    const life = await all.next();
    const owner = await life.open();
    const jobId = await owner.accepted('echo', { n: 1 }, { idempotency_key: 'once' });
    await owner.terminal(jobId);
    const other = await life.open();
    other.invoke('echo', { n: 1 }, { idempotency_key: 'once' });
    await other.terminal(jobId);
    await life.clock.settle();
    const told = other.events();
    expect(told.map(({ type }) => type)).toEqual([
      'job.accepted',
      'job.accepted',
      'job.started',
      'job.completed',
    ]);
    const resumed = (await all.next()).raw();
    await resumed.resume(other.resumeToken, 0);
    await resumed.terminal(jobId);
    expect(resumed.events()).toEqual(told);
    await resumed.terminal(await resumed.accepted('echo', { n: 2 }));
    expect(resumed.lastSeq).toBe(told.length + 3);
  });

  it('a repeat is answered with the same lease as before', async () => {
    const all = start({ agents: [echo] });
    const client = await (await all.next()).open();
    const extra = { idempotency_key: 'once', payload: { cost_budget: ['USD:1.00'] } };
    await client.terminal(await client.accepted('echo', { n: 1 }, extra));
    const other = await (await all.next()).open();
    other.invoke('echo', { n: 1 }, extra);
    expect((await other.next('job.accepted')).payload.lease).toEqual({ cost_budget: ['USD:1.00'] });
  });

  it('a session whose window has closed is gone, and its token worth nothing (decision 12)', async () => {
    const all = start({ agents: [echo], limits: { resumeWindowMs: 60_000 } });
    const first = await all.next();
    const client = await first.open();
    client.wire.destroy();
    await first.clock.settle();
    const second = await all.next();
    await second.clock.advance(60_000);
    const late = second.raw();
    late.send('session.resume', { resume_token: client.resumeToken, last_event_seq: 0 });
    expect((await late.next('session.rejected')).payload.code).toBe('RESUME_WINDOW_EXPIRED');
  });

  it('a job is watched on, and the jobs below it, and not a job that is watched no more (L3)', async () => {
    const all = start({ agents: [again(), wait] });
    const first = await all.next();
    const owner = await first.open();
    const watcher = await first.open();
    const watched = await owner.accepted('again');
    const left = await owner.accepted('wait');
    for (const job_id of [watched, left]) {
      watcher.send('job.subscribe', { job_id, history: true });
      await watcher.next('job.subscribed');
    }
    watcher.send('job.unsubscribe', { job_id: left });
    owner.send('agent.delegate', { target: 'wait', task: 'wait' }, { job_id: watched });
    await watcher.next('job.started', ({ job_id }) => job_id !== watched && job_id !== left);
    await first.clock.settle();
    const told = watcher.events();
    const second = await all.next();
    const resumed = second.raw();
    await resumed.resume(watcher.resumeToken, 0);
    await second.clock.advance(1_000);
    expect(await resumed.terminal(watched)).toMatchObject({ type: 'job.completed' });
    expect(resumed.events().slice(0, told.length)).toEqual(told);
    expect(resumed.events().map(({ event_seq }) => event_seq)).toEqual(
      resumed.events().map((_, at) => at + 1),
    );
    const ends = resumed.seen(({ type }) => type === 'job.failed').map(({ job_id }) => job_id);
    expect(ends).toHaveLength(1);
    expect(ends).not.toContain(left);
  });

  it('a subscription tells on, with the past that it began with, until it is closed (L3)', async () => {
    const all = start({ agents: [echo] });
    const first = await all.next();
    const owner = await first.open();
    await owner.terminal(await owner.accepted('echo', { n: 1 }));
    const [since] = owner.events();
    await owner.terminal(await owner.accepted('echo', { n: 2 }));
    const watcher = await first.open();
    watcher.send('subscribe', {
      filter: { types: ['job.completed'] },
      since: { after_message_id: since?.id },
    });
    const { payload } = await watcher.next('subscribe.accepted');
    await watcher.next('subscribe.event', ({ payload: { event } }) => event['type'] === 'event.emit');
    const told = watcher.events();
    expect(told).toHaveLength(3);
    let resumed = (await all.next()).raw();
    await resumed.resume(watcher.resumeToken, 0);
    await resumed.terminal(await resumed.accepted('echo', { n: 3 }));
    await resumed.next('subscribe.event', ({ event_seq }) => event_seq === 7);
    expect(resumed.events().slice(0, 3)).toEqual(told);
    resumed.send('unsubscribe', payload);
    await resumed.next('subscribe.closed');
    const token = resumed.resumeToken;
    resumed = (await all.next()).raw();
    await resumed.resume(token, 8);
    await resumed.terminal(await resumed.accepted('echo', { n: 4 }));
    expect(resumed.lastSeq).toBe(11);
  });

  it('a window of acknowledgement goes on from what the client has, and holds nothing back for ever', async () => {
    const talker = defineAgent({
      name: 'talker',
      version: '1.0.0',
      run: (_input, ctx) => {
        for (let n = 0; n < 10; n += 1) ctx.log('info', `${n}`);
      },
    });
    const all = start({ agents: [talker], limits: { ackWindow: 3 } });
    let life = await all.next();
    let client = await life.open();
    client.invoke('talker');
    const seen: (number | undefined)[] = [];
    for (let lives = 0; lives < 5; lives += 1) {
      await life.clock.settle();
      seen.push(...client.events().map(({ event_seq }) => event_seq));
      const token = client.resumeToken;
      life = await all.next();
      client = life.raw();
      await client.resume(token, seen.length);
    }
    expect(seen).toEqual(Array.from({ length: 13 }, (_, at) => at + 1));
  });

  it('a subscription begins with a past from before the restart, unless some of it is forgotten (RFC 0001 §13)', async () => {
    const all = start({ agents: [echo], limits: { maxFinishedJobs: 2 } });
    const client = await (await all.next()).open();
    for (const n of [1, 2]) await client.terminal(await client.accepted('echo', { n }));
    const [since] = client.events();
    const filter = { types: ['job.completed'] };
    for (const forgotten of [false, true]) {
      const life = await all.next();
      const watcher = await life.open();
      watcher.send('subscribe', { filter, since: { after_message_id: since?.id } });
      if (forgotten) {
        expect((await watcher.next('nack')).payload.code).toBe('DATA_LOSS');
        continue;
      }
      await watcher.next('subscribe.event', ({ payload: { event } }) => event['type'] === 'event.emit');
      expect(watcher.events()).toHaveLength(3);
      await watcher.terminal(await watcher.accepted('echo', { n: 3 }));
      await life.clock.advance(2_000);
    }
  });

  it('a command that is sent again under its id is not done again (RFC 0001 §6.4)', async () => {
    const all = start({ agents: [echo] });
    const client = await (await all.next()).open();
    const id = client.invoke('echo', { n: 1 });
    await client.next('job.completed');
    client.send('job.subscribe', { job_id: 'job_none' }, { id: 'msg_refused' });
    client.invoke('', {}, { id: 'msg_wrong' });
    const { length } = client.events();
    const resumed = (await all.next()).raw();
    await resumed.resume(client.resumeToken, 0);
    resumed.invoke('echo', { n: 1 }, { id });
    await resumed.terminal(await resumed.accepted('echo', { n: 2 }));
    expect(resumed.seen('job.completed')).toHaveLength(2);
    expect(resumed.lastSeq).toBe(length + 3);
  });

  it('a runtime that was stopped in order is taken up like one that was killed', async () => {
    const all = start({ agents: [again(), echo] });
    const first = await all.next();
    const client = await first.open();
    const jobId = await client.accepted('again', 'y');
    await client.next('metric');
    const drained = first.runtime.drain(1_000);
    await first.clock.advance(1_000);
    await drained;
    expect(client.end).toMatchObject({ code: 1001 });
    const second = await all.next();
    const resumed = second.raw();
    await resumed.resume(client.resumeToken, 0);
    await second.clock.advance(1_000);
    expect(await resumed.terminal(jobId)).toMatchObject({ type: 'job.completed' });
  });
});
