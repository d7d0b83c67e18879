/** Checkpoints: made by agents and on request, and what a client can begin from one. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type ArcpError, type JobContext } from '../../src/index.js';
import { bench } from './bench.js';
import type { FrameOf } from './raw-client.js';

const EXTENSIONS = { extensions: ['arcpx.arcp.checkpoint.v1'] };

function agent(run: (ctx: JobContext, input: unknown) => unknown, recovery: 'fail' | 'resume' = 'resume') {
  return defineAgent({ name: 'a', version: '1.0.0', recovery, run: (input, ctx) => run(ctx, input) });
}

/** Resolves when told. */
function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

describe('ctx.checkpoint', () => {
  it('resolves with the id once the checkpoint is committed, and is an event of the job', async () => {
    await using test = bench({ agents: [agent((ctx) => ctx.checkpoint({ page: 3 }))] });
    const client = await test.open('ada', EXTENSIONS);
    const jobId = await client.accepted('a');
    const { payload } = (await client.terminal(jobId)) as FrameOf<'job.completed'>;
    const kept = await client.next('job.checkpoint');
    expect(kept.payload).toEqual({ checkpoint_id: payload.value, data: { page: 3 } });
    expect(kept.job_id).toBe(jobId);
  });

  it('is told as event.emit to clients that did not ask for its type (decision 17)', async () => {
    await using test = bench({ agents: [agent((ctx) => ctx.checkpoint(null))] });
    const client = await test.open();
    await client.terminal(await client.accepted('a'));
    expect(client.seen('job.checkpoint')).toEqual([]);
    const [told] = client.seen('event.emit');
    expect(told?.payload).toMatchObject({ name: 'job.checkpoint', data: { data: null } });
  });

  it('refuses what is no JSON and what is larger than maxCheckpointBytes, and the job goes on', async () => {
    const refusals: unknown[] = [];
    const run = async (ctx: JobContext) => {
      for (const data of [() => 1, 'x'.repeat(2_000)])
        await ctx.checkpoint(data as never).catch((error: unknown) => refusals.push(error));
      return 'well';
    };
    await using test = bench({ agents: [agent(run)], limits: { maxCheckpointBytes: 1_000 } });
    const client = await test.open();
    expect((await client.terminal(await client.accepted('a'))).payload).toMatchObject({ value: 'well' });
    expect(refusals).toMatchObject([{ code: 'INVALID_ARGUMENT' }, { code: 'RESOURCE_EXHAUSTED' }]);
  });
});

describe('checkpoint.create', () => {
  it('has the agent say what to keep, and names the checkpoint', async () => {
    const { open, opened } = gate();
    const run = async (ctx: JobContext) => {
      ctx.onCheckpointRequest(() => Promise.resolve({ at: 7 }));
      await opened;
    };
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open('ada', EXTENSIONS);
    const job_id = await client.accepted('a');
    await client.next('job.started');
    const id = client.send('checkpoint.create', {}, { job_id });
    const ack = await client.next('ack');
    const kept = await client.next('job.checkpoint');
    expect(kept.payload.data).toEqual({ at: 7 });
    const { checkpoint_id } = kept.payload;
    expect(ack).toMatchObject({
      correlation_id: id,
      payload: { ack_for: id, checkpoint_id, note: checkpoint_id },
    });
    open();
    await client.terminal(job_id);
  });

  it('keeps the snapshot that the client gives', async () => {
    const { open, opened } = gate();
    await using test = bench({ agents: [agent(() => opened)] });
    const client = await test.open('ada', EXTENSIONS);
    const job_id = await client.accepted('a');
    client.send('checkpoint.create', { snapshot: [1, 2] }, { job_id });
    await client.next('ack');
    expect((await client.next('job.checkpoint')).payload.data).toEqual([1, 2]);
    open();
  });

  it.each([
    ['no job is named', 'INVALID_ARGUMENT', () => ({}), {}],
    [
      'the client wants to name it',
      'INVALID_ARGUMENT',
      (job_id: string) => ({ job_id }),
      { checkpoint_id: 'chk_1' },
    ],
    ['there is no such job', 'NOT_FOUND', () => ({ job_id: 'job_none' }), {}],
    ['the agent cannot be asked', 'FAILED_PRECONDITION', (job_id: string) => ({ job_id }), {}],
  ])('is refused when %s: %s', async (_when, code, extra, payload) => {
    const { open, opened } = gate();
    await using test = bench({ agents: [agent(() => opened)] });
    const client = await test.open();
    const job_id = await client.accepted('a');
    await client.next('job.started');
    const id = client.send('checkpoint.create', payload, extra(job_id));
    expect((await client.next('nack', (frame) => frame.correlation_id === id)).payload.code).toBe(code);
    open();
    expect((await client.terminal(job_id)).type).toBe('job.completed');
  });

  it('is refused for the job of another principal, and for one that has ended', async () => {
    const { open, opened } = gate();
    await using test = bench({ agents: [agent(() => opened)] });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const job_id = await ada.accepted('a');
    bob.send('checkpoint.create', { snapshot: 1 }, { job_id });
    expect((await bob.next('nack')).payload.code).toBe('PERMISSION_DENIED');
    open();
    await ada.terminal(job_id);
    ada.send('checkpoint.create', { snapshot: 1 }, { job_id });
    expect((await ada.next('nack')).payload.code).toBe('FAILED_PRECONDITION');
  });

  it('ends with DEADLINE_EXCEEDED when the agent takes too long, and the job goes on', async () => {
    const { open, opened } = gate();
    const run = (ctx: JobContext) => {
      ctx.onCheckpointRequest(() => new Promise(() => undefined));
      return opened;
    };
    await using test = bench({ agents: [agent(run)], limits: { checkpointTimeoutMs: 500 } });
    const client = await test.open();
    const job_id = await client.accepted('a');
    await client.next('job.started');
    client.send('checkpoint.create', {}, { job_id });
    await test.clock.settle();
    await test.clock.advance(500);
    expect((await client.next('nack')).payload.code).toBe('DEADLINE_EXCEEDED');
    open();
    expect((await client.terminal(job_id)).type).toBe('job.completed');
  });
});

describe('checkpoint.restore', () => {
  it('begins another attempt from there; whatever the first one still does is dropped or refused (R6)', async () => {
    const { open, opened } = gate();
    const afterwards: unknown[] = [];
    let first: JobContext | undefined;
    const run = async (ctx: JobContext) => {
      if (ctx.attempt === 2) {
        await opened;
        return ctx.resumedFrom?.data;
      }
      first = ctx;
      await ctx.checkpoint('one');
      await ctx.checkpoint('two');
      await new Promise<void>((resolve) => {
        ctx.signal.addEventListener('abort', () => {
          resolve();
        });
      });
      return 'the first attempt';
    };
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open('ada', EXTENSIONS);
    const jobId = await client.accepted('a');
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    await client.next('job.checkpoint');
    const id = client.send('checkpoint.restore', { checkpoint_id });
    expect((await client.next('ack')).payload).toMatchObject({ ack_for: id, checkpoint_id });
    expect((await client.next('event.emit')).payload).toMatchObject({
      name: 'job.restarted',
      data: { attempt: 2, reason: 'restore', checkpoint_id },
    });
    await client.next('job.started', ({ event_seq = 0 }) => event_seq > 4);
    const ctx = first;
    if (ctx === undefined) throw new Error('the first attempt never ran');
    const before = client.lastSeq;
    ctx.progress({ percent: 99 });
    ctx.log('info', 'still here');
    ctx.metric('m', 1);
    ctx.heartbeat();
    ctx.summarize('mine');
    for (const act of [
      () => ctx.checkpoint('three'),
      () => ctx.charge('cost', '1', 'USD'),
      () => ctx.delegate('a'),
      () => Promise.resolve().then(() => ctx.openResult()),
      () =>
        Promise.resolve().then(() =>
          ctx.resultChunk({ result_id: 'r', chunk_seq: 0, data: '', encoding: 'utf8', more: false }),
        ),
    ]) {
      await act().catch((error: unknown) => afterwards.push(error));
    }
    expect(afterwards).toHaveLength(5);
    expect(afterwards.map((error) => (error as ArcpError).code)).toEqual(Array(5).fill('ABORTED'));
    await test.clock.settle();
    expect(client.lastSeq).toBe(before);
    open();
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'one' } });
  });

  it('a child under a key is the same child for the next attempt, whose old handle has no say; others are cancelled', async () => {
    const { open, opened } = gate();
    const children: string[] = [];
    const run = async (ctx: JobContext) => {
      const child = await ctx.delegate('worker', { key: 'k', signal: ctx.signal });
      children.push(child.jobId);
      if (ctx.attempt === 2) return (await child.outcome).status;
      const other = await ctx.delegate('worker');
      children.push(other.jobId);
      await ctx.checkpoint(0);
      await new Promise(() => undefined);
      return undefined;
    };
    const worker = defineAgent({ name: 'worker', version: '1.0.0', run: () => opened });
    await using test = bench({ agents: [agent(run), worker] });
    const client = await test.open('ada', EXTENSIONS);
    const jobId = await client.accepted('a');
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    client.send('checkpoint.restore', { checkpoint_id });
    await client.next('ack');
    await client.next('job.started', ({ job_id }) => job_id === jobId);
    await test.clock.advance(5_000);
    open();
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'completed' } });
    const [keyed, other, again] = children;
    expect(again).toBe(keyed);
    expect((await client.terminal(keyed ?? '')).type).toBe('job.completed');
    expect((await client.terminal(other ?? '')).type).not.toBe('job.completed');
  });

  it('keeps the arguments as they came, whatever an attempt did to them', async () => {
    const run = async (ctx: JobContext, input: unknown) => {
      const args = input as { list: number[] };
      if (ctx.attempt === 2) return args;
      args.list.push(2);
      await ctx.checkpoint(0);
      return new Promise(() => undefined);
    };
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open('ada', EXTENSIONS);
    const jobId = await client.accepted('a', { list: [1] });
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    client.send('checkpoint.restore', { checkpoint_id });
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: { list: [1] } } });
  });

  it.each([
    ['an unknown id', 'NOT_FOUND', () => 'chk_none.3'],
    ['a text that is no id', 'NOT_FOUND', () => 'latest'],
    ['an event that is no checkpoint', 'NOT_FOUND', (id: string) => id.replace(/\d+$/, '1')],
  ])('is refused for %s: %s', async (_what, code, idOf) => {
    const run = async (ctx: JobContext) => {
      await ctx.checkpoint(0);
      return new Promise(() => undefined);
    };
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open('ada', EXTENSIONS);
    await client.accepted('a');
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    client.send('checkpoint.restore', { checkpoint_id: idOf(checkpoint_id) });
    expect((await client.next('nack')).payload.code).toBe(code);
  });

  it('is refused when the job has ended, is another principal’s, or its agent cannot resume', async () => {
    const { open, opened } = gate();
    const run = async (ctx: JobContext) => {
      await ctx.checkpoint(0);
      await opened;
    };
    await using test = bench({ agents: [agent(run, 'fail')] });
    const [ada, bob] = [await test.open('ada', EXTENSIONS), await test.open('bob')];
    const jobId = await ada.accepted('a');
    const { checkpoint_id } = (await ada.next('job.checkpoint')).payload;
    bob.send('checkpoint.restore', { checkpoint_id });
    expect((await bob.next('nack')).payload.code).toBe('PERMISSION_DENIED');
    const refusal = async () => {
      ada.send('checkpoint.restore', { checkpoint_id });
      const { payload } = await ada.next('nack');
      expect(payload.code).toBe('FAILED_PRECONDITION');
      return payload.message;
    };
    expect(await refusal()).toMatch(/cannot resume/);
    open();
    await ada.terminal(jobId);
    expect(await refusal()).toMatch(/completed/);
  });

  it('is bounded: after maxRestores attempts there is no other', async () => {
    const run = async (ctx: JobContext) => {
      if (ctx.attempt === 1) await ctx.checkpoint(0);
      return new Promise(() => undefined);
    };
    await using test = bench({ agents: [agent(run)], limits: { maxRestores: 2 } });
    const client = await test.open('ada', EXTENSIONS);
    await client.accepted('a');
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    client.send('checkpoint.restore', { checkpoint_id });
    await client.next('ack');
    client.send('checkpoint.restore', { checkpoint_id });
    expect((await client.next('nack')).payload.code).toBe('RESOURCE_EXHAUSTED');
  });
});

describe('after a checkpoint', () => {
  const run = async (ctx: JobContext) => {
    ctx.log('info', 'before');
    await ctx.checkpoint(0);
    ctx.log('info', 'after');
  };

  it('resume {checkpoint_id} tells the session again what followed it', async () => {
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open('ada', EXTENSIONS);
    await client.terminal(await client.accepted('a'));
    const checkpoint = await client.next('job.checkpoint');
    const told = client.events().length;
    client.send('resume', { checkpoint_id: checkpoint.payload.checkpoint_id });
    await client.next('ack');
    await test.clock.settle();
    const again = client.events().slice(told);
    expect(again).toEqual(
      client.events().filter(({ event_seq = 0 }, at) => at < told && event_seq > (checkpoint.event_seq ?? 0)),
    );
    expect(again.map(({ type }) => type)).toEqual(['log', 'job.completed']);
  });

  it('subscribe {since: {checkpoint_id}} begins with what followed it', async () => {
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open('ada', EXTENSIONS);
    await client.terminal(await client.accepted('a'));
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    const watcher = await test.open('ada');
    watcher.send('subscribe', { filter: {}, since: { checkpoint_id } });
    await watcher.next('subscribe.accepted');
    await test.clock.settle();
    const types = watcher
      .seen('subscribe.event')
      .map(({ payload }) => (payload as { event: { type: string } }).event.type);
    expect(types).toEqual(['log', 'job.completed', 'event.emit']);
  });

  it.each([
    ['resume', { checkpoint_id: 'chk_none.1' }, 'NOT_FOUND'],
    ['resume', { checkpoint_id: 'chk_1', after_message_id: 'msg_1' }, 'INVALID_ARGUMENT'],
    ['subscribe', { filter: {}, since: { checkpoint_id: 'latest' } }, 'NOT_FOUND'],
  ])('%s %j is refused with %s', async (type, payload, code) => {
    await using test = bench({ agents: [agent(run)] });
    const client = await test.open();
    client.send(type, payload);
    expect((await client.next('nack')).payload.code).toBe(code);
  });
});
