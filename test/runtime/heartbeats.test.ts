/** Signs of life (decisions 7 and 23): who sends them, what counts as one, and what follows when they cease. */
import { describe, expect, it, vi } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import { bench, type Bench } from './bench.js';
import type { RawClient } from './raw-client.js';

function puppet(heartbeat: 'auto' | 'manual') {
  let resolve: (value: unknown) => void = () => undefined;
  const held: { ctx: JobContext | undefined } = { ctx: undefined };
  const agent = defineAgent({
    name: 'puppet',
    version: '1.0.0',
    heartbeat,
    run: (_input, ctx) =>
      new Promise((done) => {
        held.ctx = ctx;
        resolve = done;
      }),
  });
  return {
    agent,
    held,
    end: () => {
      resolve('over');
    },
  };
}

function beats(client: RawClient): [number, string][] {
  return client
    .seen('job.heartbeat')
    .flatMap((frame) =>
      frame.type === 'job.heartbeat' ? [[frame.payload.sequence, frame.payload.state]] : [],
    );
}

async function started(test: Bench, capabilities?: unknown) {
  const client = await test.open('ada', capabilities);
  const jobId = await client.accepted('puppet');
  await test.clock.settle();
  return { client, jobId };
}

describe('an agent that leaves heartbeats to the runtime (decision 23)', () => {
  it('gets one sent every interval while it runs, and none afterwards', async () => {
    const { agent, end } = puppet('auto');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    await test.clock.advance(95_000);
    expect(beats(client)).toEqual([
      [1, 'running'],
      [2, 'running'],
      [3, 'running'],
    ]);
    expect(client.seen('job.heartbeat')[0]).toMatchObject({ payload: { deadline_ms: 60_000 } });
    end();
    await client.terminal(jobId);
    await test.clock.advance(300_000);
    expect(beats(client)).toHaveLength(3);
    expect(client.frames.at(-1)?.type).toBe('job.completed');
  });

  it('gets them at the interval that its session negotiated', async () => {
    const { agent } = puppet('auto');
    await using test = bench({ agents: [agent] });
    const { client } = await started(test, { heartbeat_interval_seconds: 0.1235 });
    await test.clock.advance(1_000);
    expect(beats(client)).toHaveLength(8);
  });

  it('goes on getting them while it is being stopped', async () => {
    const { agent } = puppet('auto');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    client.send('cancel', { target: 'job', target_id: jobId, deadline_ms: 100_000 });
    await test.clock.advance(95_000);
    expect(beats(client)).toHaveLength(3);
  });
});

describe('an agent that sends its own', () => {
  it('is lost after two windows without any: job.failed HEARTBEAT_LOST, not retryable', async () => {
    const { agent, held } = puppet('manual');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    await test.clock.advance(59_999);
    held.ctx?.heartbeat();
    await test.clock.advance(59_999);
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'job.heartbeat']);
    await test.clock.advance(1);
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { code: 'HEARTBEAT_LOST', retryable: false },
    });
    expect(held.ctx?.signal.reason).toMatchObject({ code: 'HEARTBEAT_LOST' });
  });

  it('is not lost because the runtime was held up, and is when its silence goes on', async () => {
    const { agent } = puppet('manual');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    await test.clock.advance(59_000);
    const now = test.clock.now.bind(test.clock);
    vi.spyOn(test.clock, 'now').mockImplementation(() => now() + 20_000);
    await test.clock.advance(60_000);
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started']);
    await test.clock.advance(1_000);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'HEARTBEAT_LOST' } });
  });

  it('may name a longer window with deadline_ms, but no shorter one than the interval', async () => {
    const { agent, held } = puppet('manual');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    held.ctx?.heartbeat({ deadlineMs: 100_000 });
    await test.clock.advance(199_999);
    held.ctx?.heartbeat({ deadlineMs: 1 });
    await test.clock.advance(59_999);
    expect(client.story(jobId)).not.toContain('job.failed');
    expect(client.seen('job.heartbeat').map(({ payload }) => payload)).toMatchObject([
      { deadline_ms: 100_000 },
      { deadline_ms: 1 },
    ]);
    await test.clock.advance(1);
    await client.terminal(jobId);
  });

  it('lives while it reports progress or streams its result', async () => {
    const { agent, held } = puppet('manual');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    for (let n = 0; n < 4; n += 1) {
      await test.clock.advance(59_000);
      if (n % 2 === 0) held.ctx?.progress({ percent: n });
      else
        held.ctx?.resultChunk({
          result_id: 'res_1',
          chunk_seq: (n - 1) / 2,
          data: 'x',
          encoding: 'utf8',
          more: true,
        });
    }
    expect(client.story(jobId)).not.toContain('job.failed');
    await test.clock.advance(60_000);
    await client.terminal(jobId);
  });

  it('is not kept alive by logs and metrics', async () => {
    const { agent, held } = puppet('manual');
    await using test = bench({ agents: [agent] });
    const { client, jobId } = await started(test);
    await test.clock.advance(50_000);
    held.ctx?.log('info', 'busy');
    held.ctx?.metric('m', 1);
    await test.clock.advance(10_000);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'HEARTBEAT_LOST' } });
  });
});

describe('where heartbeat_recovery is "block"', () => {
  async function blocked() {
    const { agent, held, end } = puppet('manual');
    const test = bench({ agents: [agent], heartbeatRecovery: 'block' });
    const { client, jobId } = await started(test);
    await test.clock.advance(60_000);
    expect(beats(client)).toEqual([[1, 'blocked']]);
    return { test, client, jobId, held, end };
  }

  it('a silent job is blocked, and the watch rests', async () => {
    const { test, client, jobId } = await blocked();
    await test.clock.advance(600_000);
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'job.heartbeat']);
    await test.close();
  });

  it('the next heartbeat sets it running, and silence blocks it again', async () => {
    const { test, client, held } = await blocked();
    held.ctx?.heartbeat();
    await test.clock.advance(60_000);
    expect(beats(client)).toEqual([
      [1, 'blocked'],
      [2, 'running'],
      [3, 'blocked'],
    ]);
    await test.close();
  });

  it('so does progress, which counts as life', async () => {
    const { test, client, held } = await blocked();
    held.ctx?.progress({ percent: 1 });
    await test.clock.settle();
    expect(beats(client)).toEqual([
      [1, 'blocked'],
      [2, 'running'],
    ]);
    await test.close();
  });

  it('a blocked job may complete: only a running one does, so it is set running first (decision 6)', async () => {
    const { test, client, jobId, end } = await blocked();
    end();
    expect(await client.terminal(jobId)).toMatchObject({ type: 'job.completed', payload: { value: 'over' } });
    expect(beats(client)).toEqual([
      [1, 'blocked'],
      [2, 'running'],
    ]);
    await test.close();
  });

  it('a blocked job may be cancelled', async () => {
    const { test, client, jobId, end } = await blocked();
    client.send('cancel', { target: 'job', target_id: jobId });
    await client.next('cancel.accepted');
    end();
    expect((await client.terminal(jobId)).type).toBe('job.cancelled');
    await test.close();
  });

  it('the runtime says so in its capabilities', async () => {
    await using test = bench({ heartbeatRecovery: 'block' });
    const { payload } = await test.raw().open('ada');
    expect(payload.capabilities.heartbeat_recovery).toBe('block');
  });
});
