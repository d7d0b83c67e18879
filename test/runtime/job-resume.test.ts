/** Agents with `recovery: 'resume'` across lives of the runtime: what goes on, from where, and what of it is done once. */
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent, type JobContext, type RuntimeOptions } from '../../src/index.js';
import { DATA, lives, type Lives } from './lives.js';
import type { RawClient } from './raw-client.js';

const EXTENSIONS = { extensions: ['arcpx.arcp.checkpoint.v1'] };

const forever = (): Promise<never> => new Promise(() => undefined);

function resumable(run: (ctx: JobContext, input: unknown) => unknown, name = 'a') {
  return defineAgent({ name, version: '1.0.0', recovery: 'resume', run: (input, ctx) => run(ctx, input) });
}

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, after the process was killed', (_name, make) => {
  const start = (options: Omit<RuntimeOptions, 'clock' | 'store'>): Lives =>
    (current = lives(make(), options));

  /** The next life, and the client of the one before in it. */
  async function nextLife(all: Lives, client: RawClient, waitMs = 10_000) {
    const life = await all.next();
    const resumed = life.raw();
    await resumed.resume(client.resumeToken, 0);
    await life.clock.advance(waitMs);
    return { life, client: resumed };
  }

  /** What the clients are given of a streamed result, whose chunks must follow one another. */
  function streamed(client: RawClient): string {
    const chunks = client
      .seen('job.result_chunk')
      .map(({ payload }) => payload as { chunk_seq: number; data: string });
    expect(chunks.map(({ chunk_seq }) => chunk_seq)).toEqual(chunks.map((_, at) => at));
    return chunks.map(({ data }) => data).join('');
  }

  it('a job goes on from its latest checkpoint, and its attempts are in its log', async () => {
    const all = start({
      agents: [
        resumable(async (ctx, input) => {
          const done = ctx.resumedFrom?.data ?? 0;
          if (ctx.attempt > 1) return { done, attempt: ctx.attempt, input };
          await ctx.checkpoint(1);
          await ctx.checkpoint(2);
          return forever();
        }),
      ],
    });
    const client = await (await all.next()).open('ada', EXTENSIONS);
    const jobId = await client.accepted('a', { n: 1 });
    await client.next('job.checkpoint', ({ payload }) => payload.data === 2);
    const { client: resumed } = await nextLife(all, client);
    const { payload } = await resumed.terminal(jobId);
    expect(payload).toMatchObject({ value: { done: 2, attempt: 2, input: { n: 1 } } });
    expect(resumed.story(jobId)).toEqual([
      'job.accepted',
      'job.started',
      'job.checkpoint',
      'job.checkpoint',
      'event.emit',
      'job.started',
      'job.completed',
    ]);
    const last = resumed.seen('job.checkpoint').at(-1)?.payload as { checkpoint_id: string };
    expect(resumed.seen('event.emit')[0]?.payload).toMatchObject({
      name: 'job.restarted',
      data: { attempt: 2, reason: 'recovery', checkpoint_id: last.checkpoint_id },
    });
  });

  it('a job that was restored to an earlier checkpoint goes on from that one', async () => {
    const all = start({
      agents: [
        resumable(async (ctx) => {
          if (ctx.attempt === 3) return ctx.resumedFrom?.data;
          if (ctx.attempt === 1) {
            await ctx.checkpoint('early');
            await ctx.checkpoint('late');
          }
          return forever();
        }),
      ],
    });
    const client = await (await all.next()).open('ada', EXTENSIONS);
    const jobId = await client.accepted('a');
    const { checkpoint_id } = (await client.next('job.checkpoint')).payload;
    client.send('checkpoint.restore', { checkpoint_id });
    await client.next('ack');
    const { client: resumed } = await nextLife(all, client);
    expect(await resumed.terminal(jobId)).toMatchObject({ payload: { value: 'early' } });
  });

  it('without a checkpoint it begins anew, and it is not tried for ever', async () => {
    const all = start({ agents: [resumable(() => forever())], limits: { maxAttempts: 2 } });
    let client = await (await all.next()).open();
    const jobId = await client.accepted('a');
    await client.next('job.started');
    ({ client } = await nextLife(all, client));
    await client.next('job.started', ({ event_seq }) => event_seq === 4);
    ({ client } = await nextLife(all, client));
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'ABORTED', retryable: true } });
  });

  describe('a streamed result', () => {
    const TEXT = 'The quick brown fox jumps over the lazy dog. 🦊🐶 Again!';

    /** Streams the text in pieces with a checkpoint between them; `hangAt` is where the first attempt stops. */
    const streaming = (hangAt: number, second = TEXT, checkpoints = true) =>
      resumable(async (ctx) => {
        const from = (ctx.resumedFrom?.data as number | undefined) ?? 0;
        const text = ctx.attempt === 1 ? TEXT : second;
        const out = ctx.openResult({ chunkBytes: 7 });
        const write = (part: string) => new Promise<void>((done) => out.write(part, () => done()));
        for (let at = from; at < text.length; at += 5) {
          if (ctx.attempt === 1 && at >= hangAt) return forever();
          await write(text.slice(at, at + 5));
          if (checkpoints && at === 10) await ctx.checkpoint(at + 5);
        }
        await new Promise<void>((done) => out.end(done));
        if (ctx.attempt === 1 && hangAt === Infinity) return forever();
        return undefined;
      });

    it.each([
      ['right at the checkpoint', 15, true],
      ['when more was streamed after it', 50, true],
      ['when its final chunk was sent, too', Infinity, true],
      ['before any checkpoint', 10, false],
      ['after everything, without a checkpoint', Infinity, false],
    ])('goes on in one sequence, nothing twice: killed %s', async (_when, hangAt, checkpoints) => {
      const all = start({ agents: [streaming(hangAt, TEXT, checkpoints)] });
      const life = await all.next();
      const client = await life.open();
      const jobId = await client.accepted('a');
      await client.next('job.result_chunk');
      await life.clock.settle();
      await life.clock.settle();
      const before = streamed(client);
      expect(TEXT.startsWith(before)).toBe(true);
      const { client: resumed } = await nextLife(all, client);
      const { payload } = await resumed.terminal(jobId);
      expect(streamed(resumed)).toBe(TEXT);
      expect(payload).toMatchObject({ result_size: Buffer.byteLength(TEXT) });
    });

    it.each([
      ['differs', TEXT.replace('fox', 'cat')],
      ['ends earlier', TEXT.slice(0, 20)],
    ])('that %s when it is streamed again fails the job, and nothing of it is sent', async (_how, second) => {
      const all = start({ agents: [streaming(50, second, false)] });
      const life = await all.next();
      const client = await life.open();
      const jobId = await client.accepted('a');
      await client.next('job.result_chunk');
      await life.clock.settle();
      const before = streamed(client);
      const { client: resumed } = await nextLife(all, client);
      expect(await resumed.terminal(jobId)).toMatchObject({ payload: { code: 'FAILED_PRECONDITION' } });
      expect(streamed(resumed)).toBe(before);
    });

    it('that the resumed agent forgets fails the job', async () => {
      const forgetful = resumable((ctx) => {
        if (ctx.attempt > 1) return undefined;
        ctx.openResult().write('half of it');
        return forever();
      });
      const all = start({ agents: [forgetful] });
      const client = await (await all.next()).open();
      const jobId = await client.accepted('a');
      await client.next('job.result_chunk');
      const { client: resumed } = await nextLife(all, client);
      expect(await resumed.terminal(jobId)).toMatchObject({ payload: { code: 'FAILED_PRECONDITION' } });
    });
  });

  describe('children', () => {
    it('that ended under a key are found by the next attempt and not done twice; what failed is', async () => {
      const runs: string[] = [];
      const worker = defineAgent({
        name: 'worker',
        version: '1.0.0',
        run: (input) => {
          const { name } = input as { name: string };
          runs.push(name);
          if (name === 'bad' && runs.filter((one) => one === 'bad').length === 1) throw new Error('no');
          return `did ${name}`;
        },
      });
      const boss = resumable(async (ctx) => {
        const outcomes = [];
        for (const name of ['one', 'two', 'bad']) {
          const child = await ctx.delegate('worker', { key: name, arguments: { name } });
          outcomes.push(await child.outcome);
        }
        if (ctx.attempt === 1) {
          ctx.log('info', 'all asked for');
          return forever();
        }
        return outcomes.map((outcome) => (outcome.status === 'completed' ? outcome.value : outcome.status));
      });
      const all = start({ agents: [boss, worker], limits: { maxFinishedJobs: 1 } });
      const client = await (await all.next()).open();
      const jobId = await client.accepted('a');
      await client.next('log');
      const { client: resumed } = await nextLife(all, client);
      expect(await resumed.terminal(jobId)).toMatchObject({
        payload: { value: ['did one', 'did two', 'did bad'] },
      });
      expect(runs).toEqual(['one', 'two', 'bad', 'bad']);
    });

    it('that were running go on with their parent where they can, within the budget that they had (V3, V4)', async () => {
      const worker = resumable(async (ctx) => {
        await ctx.charge('cost', '0.25', 'USD');
        if (ctx.attempt === 1) return forever();
        return ctx.lease.remaining();
      }, 'worker');
      const plain = defineAgent({ name: 'plain', version: '1.0.0', run: () => forever() });
      const boss = resumable(async (ctx) => {
        const child = await ctx.delegate('worker', { key: 'k', budget: ['USD:0.75'] });
        if (ctx.attempt === 1) {
          await ctx.delegate('plain');
          await ctx.delegate('plain', { key: 'cannot resume' });
          return forever();
        }
        return [child.jobId, await child.outcome, await ctx.lease.remaining()];
      });
      const all = start({ agents: [boss, worker, plain] });
      const life = await all.next();
      const client = await life.open();
      const jobId = await client.accepted('a', {}, { payload: { cost_budget: ['USD:2.00'] } });
      const childId = (await client.next('job.accepted', ({ job_id }) => job_id !== jobId)).payload.job_id;
      await client.next('metric');
      await life.clock.settle();
      const { client: resumed } = await nextLife(all, client);
      const { payload } = await resumed.terminal(jobId);
      expect(payload).toMatchObject({
        value: [childId, { status: 'completed', value: { USD: '0.25' } }, { USD: '1.5' }],
      });
      const failures = resumed.seen('job.failed');
      expect(failures.map((frame) => (frame.payload as { code: string }).code)).toEqual([
        'ABORTED',
        'ABORTED',
      ]);
    });

    it('the same key for something else is refused with DUPLICATE_KEY', async () => {
      const boss = resumable(async (ctx) => {
        await ctx.delegate('worker', { key: 'k', arguments: { n: 1 } });
        return ctx
          .delegate('worker', { key: 'k', arguments: { n: 2 } })
          .catch((error: unknown) => (error as { code: string }).code);
      });
      const worker = defineAgent({ name: 'worker', version: '1.0.0', run: (input) => input });
      const all = start({ agents: [boss, worker] });
      const client = await (await all.next()).open();
      expect(await client.terminal(await client.accepted('a'))).toMatchObject({
        payload: { value: 'DUPLICATE_KEY' },
      });
    });
  });

  it('what was running keeps its place before what was queued, and the queue its order (V6)', async () => {
    const order: unknown[] = [];
    const worker = resumable((ctx, input) => {
      order.push(input);
      return ctx.attempt === 1 && input === 'first' ? forever() : input;
    });
    const all = start({ agents: [worker], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await (await all.next()).open();
    await client.accepted('a', 'first');
    await client.next('job.started');
    for (const name of ['second', 'third']) await client.accepted('a', name);
    const { client: resumed } = await nextLife(all, client);
    await resumed.next('job.completed', ({ payload }) => payload.value === 'third');
    expect(order).toEqual(['first', 'first', 'second', 'third']);
  });
});
