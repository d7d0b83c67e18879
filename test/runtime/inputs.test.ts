/** Streams from clients into jobs (RFC 0001 §11): taken once, kept before the agent sees them, refused where wrong. */
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import type { Limits } from '../../src/runtime/limits.js';
import { bench, type Bench } from './bench.js';
import { DATA, lives } from './lives.js';
import type { RawClient } from './raw-client.js';

/** Reads streams of text to their ends, as many as its arguments say; their texts are its result. */
const reader = defineAgent({
  name: 'reader',
  version: '1.0.0',
  takesInput: true,
  recovery: 'restart',
  run: async (input, ctx) => {
    const { streams = 1 } = (input ?? {}) as { streams?: number };
    const texts: string[] = [];
    for await (const stream of ctx.input) {
      texts.push(await stream.text());
      if (texts.length === streams) break;
    }
    return texts;
  },
});

const deaf = defineAgent({
  name: 'deaf',
  version: '1.0.0',
  run: (_input, ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)),
});

/** Takes input, and does with it what the test says. */
function taking(run: (ctx: JobContext) => unknown, limits: Partial<Limits> = {}): Bench {
  const it = defineAgent({ name: 'it', version: '1.0.0', takesInput: true, run: (_input, ctx) => run(ctx) });
  return bench({ agents: [it], limits });
}

const at = (stream_id = 'str_in') => ({ stream_id });

async function opened(client: RawClient, agent: string, open: object = { kind: 'text' }, args: unknown = {}) {
  const jobId = await client.accepted(agent, args);
  const id = client.send('stream.open', open, { ...at(), job_id: jobId });
  await client.next('stream.open', (frame) => frame.correlation_id === id);
  return jobId;
}

describe('a stream into a job', () => {
  it('comes back as events of the job, correlated to what was sent, and the agent reads it', async () => {
    await using test = bench({ agents: [reader] });
    const client = await test.open();
    const jobId = await opened(client, 'reader');
    const ids = ['grüße ', '🎈'].map((data, sequence) =>
      client.send('stream.chunk', { sequence, data }, at()),
    );
    const close = client.send('stream.close', { final_sequence: 1, total_chunks: 2 }, at());
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: ['grüße 🎈'] } });
    const echoes = client
      .events()
      .filter(({ type, source }) => type.startsWith('stream.') && source !== undefined);
    expect(echoes.map(({ correlation_id }) => correlation_id).slice(1)).toEqual([...ids, close]);
    for (const echo of echoes)
      expect(echo).toMatchObject({ job_id: jobId, stream_id: 'str_in', source: client.sessionId });
  });

  it('is read by an agent that was not there yet when it came', async () => {
    await using test = bench({ agents: [reader, deaf], limits: { maxRunningJobsPerPrincipal: 1 } });
    const client = await test.open();
    const first = await client.accepted('deaf');
    const jobId = await opened(client, 'reader');
    client.send('stream.chunk', { sequence: 0, data: 'early' }, at());
    client.send('stream.close', {}, at());
    client.send('cancel', { target: 'job', target_id: first });
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: ['early'] } });
  });

  it.each<[string, string, object, object, string]>([
    ['without an id', 'reader', { kind: 'text' }, { stream_id: undefined }, 'INVALID_ARGUMENT'],
    ['into no job', 'reader', { kind: 'text' }, { job_id: undefined }, 'INVALID_ARGUMENT'],
    ['into an unknown job', 'reader', { kind: 'text' }, { job_id: 'job_none' }, 'NOT_FOUND'],
    ['into two jobs', 'reader', { kind: 'text', related_job_id: 'job_other' }, {}, 'INVALID_ARGUMENT'],
    ['into an agent that takes none', 'deaf', { kind: 'text' }, {}, 'FAILED_PRECONDITION'],
    ['of bytes that come otherwise', 'reader', { kind: 'binary', encoding: 'sidecar' }, {}, 'UNIMPLEMENTED'],
  ])('that is opened %s is refused', async (_what, agent, open, extra, code) => {
    await using test = bench({ agents: [reader, deaf] });
    const client = await test.open();
    const jobId = await client.accepted(agent);
    const id = client.send('stream.open', open, { ...at(), job_id: jobId, ...extra });
    expect(await client.next('nack')).toMatchObject({ correlation_id: id, payload: { code } });
    expect(client.story(jobId).filter((type) => type.startsWith('stream.'))).toEqual([]);
  });

  it('is refused to another principal, to another session, and under an id that is taken', async () => {
    await using test = bench({ agents: [reader] });
    const client = await test.open();
    const jobId = await opened(client, 'reader');
    const bob = await test.open('bob');
    bob.send('stream.open', { kind: 'text' }, { stream_id: 'str_bob', job_id: jobId });
    expect((await bob.next('nack')).payload.code).toBe('PERMISSION_DENIED');
    bob.send('stream.chunk', { sequence: 0, data: 'x' }, at());
    expect((await bob.next('nack')).payload.code).toBe('NOT_FOUND');
    const sibling = await test.open('ada');
    sibling.send('stream.chunk', { sequence: 0, data: 'x' }, at());
    expect((await sibling.next('nack')).payload.code).toBe('PERMISSION_DENIED');
    sibling.send('stream.open', { kind: 'text' }, { ...at(), job_id: jobId });
    expect((await sibling.next('nack')).payload.code).toBe('ALREADY_EXISTS');
  });

  it.each<[string, object, string, object?]>([
    ['a gap', { sequence: 1, data: 'x' }, 'OUT_OF_RANGE'],
    ['what is no text', { sequence: 0, data: 5 }, 'INVALID_ARGUMENT'],
    ['what is no base64', { sequence: 0, data: '!' }, 'INVALID_ARGUMENT', { kind: 'binary' }],
    ['another digest', { sequence: 0, data: 'YQ==', sha256: '00' }, 'INVALID_ARGUMENT', { kind: 'binary' }],
    ['too much', { sequence: 0, data: 'too much' }, 'RESOURCE_EXHAUSTED'],
  ])(
    'that has %s is told so, and changes nothing: the right chunk may follow (L6)',
    async (_what, chunk, code, open) => {
      await using test = taking(
        async ({ input }) => {
          for await (const stream of input) return [...(await stream.bytes())].length;
          return -1;
        },
        { maxChunkBytes: 4 },
      );
      const client = await test.open();
      const jobId = await opened(client, 'it', open);
      const id = client.send('stream.chunk', chunk, at());
      expect(await client.next('nack')).toMatchObject({ correlation_id: id, payload: { code } });
      client.send('stream.chunk', { sequence: 0, data: 'YWI=' }, at());
      client.send('stream.close', { total_chunks: 2 }, at());
      expect((await client.next('nack')).payload.code).toBe('OUT_OF_RANGE');
      client.send('stream.close', { total_chunks: 1 }, at());
      expect(await client.terminal(jobId)).toMatchObject({ payload: { value: open === undefined ? 4 : 2 } });
    },
  );

  it('that is not open is complained of once, and then passed over for a minute', async () => {
    await using test = bench({ agents: [reader] });
    const client = await test.open();
    const nacksAfter = async (send: () => void): Promise<string[]> => {
      const before = client.seen('nack').length;
      send();
      client.send('ping', {});
      await client.next('pong');
      return client
        .seen('nack')
        .slice(before)
        .map(({ payload }) => (payload as { code: string }).code);
    };
    const stray = (id: string) => () => {
      for (let n = 0; n < 5; n += 1) client.send('stream.chunk', { sequence: n, data: 'x' }, at(id));
    };
    expect(await nacksAfter(stray('str_none'))).toEqual(['NOT_FOUND']);
    await test.clock.advance(59_000);
    expect(await nacksAfter(stray('str_none'))).toEqual([]);
    await test.clock.advance(1_000);
    expect(await nacksAfter(stray('str_none'))).toEqual(['NOT_FOUND']);
    const jobId = await opened(client, 'reader');
    client.send('stream.close', {}, at());
    await client.terminal(jobId);
    expect(await nacksAfter(stray('str_in'))).toEqual(['FAILED_PRECONDITION']);
  });

  it('fails with the words of its sender, or of a session that ends', async () => {
    const seen: unknown[] = [];
    await using test = taking(async ({ input }) => {
      for await (const stream of input) {
        await stream.text().catch((error: unknown) => seen.push(error));
        if (seen.length === 2) break;
      }
      return 'read on';
    });
    const client = await test.open();
    const jobId = await opened(client, 'it');
    client.send('stream.error', { code: 'DATA_LOSS', message: 'gone' }, at());
    const sibling = await test.open();
    // It does not watch the job, so that no event tells it.
    const id = sibling.send('stream.open', { kind: 'text' }, { stream_id: 'str_2', job_id: jobId });
    await sibling.next(
      'ack',
      ({ payload, correlation_id }) => payload.ack_for === id && correlation_id === id,
    );
    sibling.send('session.close', {});
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'read on' } });
    expect(seen).toMatchObject([{ code: 'DATA_LOSS', message: 'gone' }, { code: 'ABORTED' }]);
  });

  it('ends with an error before its job does, and when its reader leaves', async () => {
    await using test = taking(async ({ input, signal }) => {
      for await (const stream of input) {
        for await (const _ of stream) break;
        break;
      }
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    });
    const client = await test.open();
    const jobId = await opened(client, 'it');
    client.send('stream.chunk', { sequence: 0, data: 'x' }, at());
    expect((await client.next('stream.error')).payload.code).toBe('CANCELLED');
    client.send('stream.open', { kind: 'text' }, { stream_id: 'str_2', job_id: jobId });
    await client.next('stream.open');
    client.send('cancel', { target: 'job', target_id: jobId });
    await client.terminal(jobId);
    expect(client.story(jobId).slice(-2)).toEqual(['stream.error', 'job.cancelled']);
  });

  it('is cancelled like a stream of the job', async () => {
    await using test = bench({ agents: [reader] });
    const client = await test.open();
    const jobId = await opened(client, 'reader');
    client.send('cancel', { target: 'stream', target_id: 'str_in' });
    await client.next('cancel.accepted');
    expect((await client.next('stream.error')).payload.code).toBe('CANCELLED');
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'CANCELLED' },
    });
  });

  it('asks its sender to wait while the agent does not read, and refuses what is beyond all patience', async () => {
    let read: () => void = () => undefined;
    const mayRead = new Promise<void>((resolve) => (read = resolve));
    await using test = taking(
      async ({ input }) => {
        await mayRead;
        for await (const stream of input) return (await stream.text()).length;
        return -1;
      },
      { inputWindowBytes: 100, maxInputBacklogBytes: 250 },
    );
    const client = await test.open();
    const jobId = await opened(client, 'it');
    for (const sequence of [0, 1, 2]) client.send('stream.chunk', { sequence, data: 'x'.repeat(100) }, at());
    const wish = await client.next('backpressure');
    expect(wish).toMatchObject({ stream_id: 'str_in', payload: { buffer_remaining_bytes: 0 } });
    expect((await client.next('nack')).payload.code).toBe('BACKPRESSURE_OVERFLOW');
    read();
    const room = await client.next('backpressure', ({ payload }) => payload.buffer_remaining_bytes === 100);
    expect(room.stream_id).toBe('str_in');
    client.send('stream.chunk', { sequence: 2, data: 'x' }, at());
    client.send('stream.close', {}, at());
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 201 } });
  });
});

describe('empty chunks', () => {
  it('count too: they cannot pile up without end (L7)', async () => {
    await using test = taking(
      ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
      {
        inputWindowBytes: 100,
        maxInputBacklogBytes: 640,
      },
    );
    const client = await test.open();
    await opened(client, 'it');
    for (let sequence = 0; sequence < 11; sequence += 1)
      client.send('stream.chunk', { sequence, data: '' }, at());
    expect((await client.next('nack')).payload.code).toBe('BACKPRESSURE_OVERFLOW');
    expect(client.seen('stream.chunk')).toHaveLength(10);
  });
});

describe.each(DATA)('a stream into a job whose runtime was killed (%s)', (_name, data) => {
  it('is read again from its beginning by the next attempt, and goes on where it was', async () => {
    const all = lives(data(), { agents: [reader] });
    const first = await all.next();
    const before = await first.open();
    const jobId = await opened(before, 'reader', { kind: 'text' }, { streams: 2 });
    before.send('stream.chunk', { sequence: 0, data: 'one ' }, at());
    await before.next('stream.chunk');
    const repeated = before.send('stream.chunk', { sequence: 1, data: 'two ' }, at());
    await before.next('stream.chunk');
    const second = await all.next();
    const after = second.raw();
    await after.resume(before.resumeToken, before.lastSeq);
    // Its sender cannot know that it was taken.
    after.send('stream.chunk', { sequence: 1, data: 'two ' }, { ...at(), id: repeated });
    after.send('stream.chunk', { sequence: 2, data: 'three' }, at());
    after.send('stream.close', { total_chunks: 3 }, at());
    after.send('stream.open', { kind: 'text' }, { stream_id: 'str_2', job_id: jobId });
    after.send('stream.close', {}, { stream_id: 'str_2' });
    await after.next('stream.close', ({ stream_id }) => stream_id === 'str_2');
    await second.clock.advance(1_000);
    expect(await after.terminal(jobId)).toMatchObject({ payload: { value: ['one two three', ''] } });
    expect(after.seen('nack')).toEqual([]);
    await all.end();
  });
});
