/** Streams from a job to its watchers (RFC 0001 §11): what is told, in which order, and how they end. */
import * as fc from 'fast-check';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { defineAgent, type JobContext, type JobStream, type StreamOptions } from '../../src/index.js';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { decodeBase64 } from '../../src/protocol/base64.js';
import type { Limits } from '../../src/runtime/limits.js';
import { bench } from './bench.js';
import { DATA, lives } from './lives.js';

const SHA256_OF_ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

function streaming(run: (ctx: JobContext) => unknown, limits: Partial<Limits> = {}) {
  return bench({
    agents: [defineAgent({ name: 'it', version: '1.0.0', run: (_input, ctx) => run(ctx) })],
    limits,
  });
}

/** Runs one agent to its end; the events of its streams, and its terminal one. */
async function run(agent: (ctx: JobContext) => unknown, limits: Partial<Limits> = {}) {
  await using test = streaming(agent, limits);
  const client = await test.open();
  const jobId = await client.accepted('it');
  const terminal = await client.terminal(jobId);
  return { jobId, terminal, told: client.events().filter(isOfStream), story: client.story(jobId) };
}

function isOfStream({ type }: AnyEnvelope): boolean {
  return type.startsWith('stream.');
}

function payloads(told: readonly AnyEnvelope[], type: string): unknown[] {
  return told.filter((event) => event.type === type).map(({ payload }) => payload);
}

/** Ends one stream after writing these. */
function writes(options: StreamOptions, ...values: unknown[]) {
  return (ctx: JobContext): void => {
    const stream = ctx.openStream(options);
    for (const value of values) stream.write(value);
    stream.end();
  };
}

describe('ctx.openStream', () => {
  it('tells text as events of the job, before its end, under the id of the stream', async () => {
    const { jobId, terminal, told, story } = await run(async (ctx) => {
      await pipeline(
        Readable.from(['grüße ', '🎈']),
        ctx.openStream({ kind: 'text', contentType: 'text/plain' }),
      );
      return 'done';
    });
    expect(terminal).toMatchObject({ type: 'job.completed', payload: { value: 'done' } });
    expect(story.at(-1)).toBe('job.completed');
    expect(new Set(told.map(({ job_id, stream_id }) => `${job_id} ${stream_id}`)).size).toBe(1);
    expect(told[0]).toMatchObject({
      type: 'stream.open',
      job_id: jobId,
      stream_id: expect.stringMatching(/^str_/) as string,
      payload: { kind: 'text', content_type: 'text/plain', encoding: 'utf8', related_job_id: jobId },
    });
    const chunks = payloads(told, 'stream.chunk') as { sequence: number; data: string }[];
    expect(chunks.map(({ sequence }) => sequence)).toEqual(chunks.map((_, index) => index));
    expect(chunks.map(({ data }) => data).join('')).toBe('grüße 🎈');
    expect(told.at(-1)).toMatchObject({
      type: 'stream.close',
      payload: { final_sequence: chunks.length - 1, total_chunks: chunks.length },
    });
  });

  it('tells bytes as base64 with their type, and with their digest where that is asked for', async () => {
    const { told } = await run(writes({ kind: 'binary', sha256: true }, Buffer.from('abc')));
    expect(told[0]?.payload).toMatchObject({ kind: 'binary', encoding: 'base64' });
    expect(payloads(told, 'stream.chunk')).toEqual([
      {
        sequence: 0,
        data: 'YWJj',
        content_type: 'application/octet-stream',
        sha256: SHA256_OF_ABC,
        redacted: false,
      },
    ]);
  });

  it.each<[StreamOptions['kind'], unknown, object]>([
    ['event', { a: [1] }, { data: { a: [1] }, event: { a: [1] } }],
    ['log', { level: 'info', message: 'm' }, { log: { level: 'info', message: 'm' } }],
    ['metric', { name: 'm', value: 1 }, { metric: { name: 'm', value: 1 } }],
    ['thought', 'hm', { data: 'hm', content: 'hm', redacted: false }],
    ['thought', { content: 'hm', role: 'assistant' }, { content: 'hm', role: 'assistant' }],
    ['thought', { redacted: true }, { data: '', redacted: true }],
  ])('tells a value of kind %s as one chunk, under both of its names: %j', async (kind, value, payload) => {
    const { told, terminal } = await run(writes({ kind }, value));
    expect(terminal.type).toBe('job.completed');
    expect(payloads(told, 'stream.chunk')).toMatchObject([{ sequence: 0, ...payload }]);
  });

  it.each<[string, StreamOptions, unknown]>([
    ['text with a lone surrogate', { kind: 'text' }, '\ud800x'],
    ['bytes that are no UTF-8 in a stream of text', { kind: 'text' }, Buffer.from([0xff, 0xff])],
    ['a log without a level', { kind: 'log' }, { message: 'm' }],
    ['a metric that is no number', { kind: 'metric' }, { name: 'm', value: 'much' }],
    ['a thought without content', { kind: 'thought' }, { role: 'r' }],
    ['what has no JSON', { kind: 'event' }, { n: 1n }],
  ])('ends the stream, and not the job, at %s', async (_what, options, value) => {
    const { told, terminal } = await run(writes(options, value));
    expect(told.map(({ type }) => type)).toEqual(['stream.open', 'stream.error']);
    expect(told.at(-1)?.payload).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(terminal.type).toBe('job.completed');
  });

  it.each<[string, Partial<Limits>, unknown]>([
    ['a chunk', { maxChunkBytes: 4 }, { text: 'too long' }],
    ['a stream', { maxStreamBytes: 20 }, { text: 'too long for it' }],
  ])('ends the stream with RESOURCE_EXHAUSTED where %s is too large', async (_what, limits, value) => {
    const { told } = await run(writes({ kind: 'event' }, value), limits);
    expect(told.at(-1)).toMatchObject({ type: 'stream.error', payload: { code: 'RESOURCE_EXHAUSTED' } });
  });

  it('is refused where the job has as many open ones as it may, and an ended one makes room', async () => {
    const { terminal } = await run(
      async (ctx) => {
        const first = ctx.openStream({ kind: 'text' });
        expect(() => ctx.openStream({ kind: 'text' })).toThrow(/open streams already/);
        await new Promise((resolve) => first.end(resolve));
        ctx.openStream({ kind: 'text' }).end();
      },
      { maxOpenStreamsPerJob: 1 },
    );
    expect(terminal.type).toBe('job.completed');
  });

  it('takes an id of the agent’s own once', async () => {
    const { told, terminal } = await run(async (ctx) => {
      await new Promise((resolve) => ctx.openStream({ kind: 'text', streamId: 'str_mine' }).end(resolve));
      expect(() => ctx.openStream({ kind: 'text', streamId: 'str_mine' })).toThrow(/exists already/);
      expect(() => ctx.openStream({ kind: 'text', streamId: 'mine' })).toThrow(/begins with str_/);
      expect(() => ctx.openStream({ kind: 'song' as 'text' })).toThrow(/stream kind/);
    });
    expect(terminal.type).toBe('job.completed');
    expect(told[0]?.stream_id).toBe('str_mine');
  });

  it('ends with an error before its job does, where the agent left it open', async () => {
    const { told, story } = await run((ctx) => {
      ctx.openStream({ kind: 'text' }).write('x');
    });
    expect(story.slice(-2)).toEqual(['stream.error', 'job.completed']);
    expect(told.at(-1)?.payload).toMatchObject({ code: 'ABORTED' });
  });

  it('ends with CANCELLED before the job is cancelled, and its writer finds out', async () => {
    const errors: unknown[] = [];
    await using test = streaming(async (ctx) => {
      const stream = ctx.openStream({ kind: 'text' });
      stream.on('error', (error) => errors.push(error));
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
    });
    const client = await test.open();
    const jobId = await client.accepted('it');
    await client.next('stream.open');
    client.send('cancel', { target: 'job', target_id: jobId });
    await client.terminal(jobId);
    expect(client.story(jobId).slice(-2)).toEqual(['stream.error', 'job.cancelled']);
    await test.clock.settle();
    expect(errors).toMatchObject([{ code: 'CANCELLED' }]);
  });

  it('tells what its agent wrote just before it returned, and no more afterwards', async () => {
    let late: JobStream | undefined;
    const { told } = await run((ctx) => {
      const stream = ctx.openStream({ kind: 'text' });
      stream.write('one ');
      stream.end('two');
      late = stream;
    });
    const chunks = payloads(told, 'stream.chunk') as { data: string }[];
    expect(chunks.map(({ data }) => data).join('')).toBe('one two');
    expect(told.at(-1)?.type).toBe('stream.close');
    expect(late?.destroyed).toBe(true);
  });

  it('carries any text and any bytes, however they are cut, exactly', async () => {
    const pieces = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 4, max: 40 }), async (texts, chunkBytes) => {
        const bytes = Buffer.from(texts.join(''));
        const { told } = await run((ctx) => {
          writes({ kind: 'text', chunkBytes }, ...texts)(ctx);
          writes({ kind: 'binary', chunkBytes }, ...texts.map((text) => Buffer.from(text)))(ctx);
        });
        const kinds = new Map(
          told.flatMap((event) =>
            event.type === 'stream.open' ? [[event.stream_id, event.payload.kind] as const] : [],
          ),
        );
        const came = { text: '', binary: Buffer.alloc(0) };
        for (const event of told) {
          if (event.type !== 'stream.chunk') continue;
          const data = event.payload.data as string;
          if (kinds.get(event.stream_id) === 'text') came.text += data;
          else came.binary = Buffer.concat([came.binary, decodeBase64(data)]);
        }
        expect(came.text).toBe(texts.join(''));
        expect(came.binary.equals(bytes)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
});

/** An agent with one stream that counts what it has written, and goes on until it is told to end. */
function counter() {
  const written = { count: 0 };
  const agent = defineAgent({
    name: 'it',
    version: '1.0.0',
    run: async (_input, ctx) => {
      const stream = ctx.openStream({ kind: 'event' });
      const done = new Promise<void>((resolve) => stream.once('close', resolve));
      for (let n = 0; !stream.destroyed && !ctx.signal.aborted; n += 1) {
        await new Promise<void>((resolve) => {
          stream.write({ n }, () => {
            resolve();
          });
        });
        written.count += 1;
        if (written.count % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (written.count >= 1_000) {
          stream.end();
          break;
        }
      }
      if (!ctx.signal.aborted) await done;
      return 'over';
    },
  });
  return { agent, written };
}

describe('a stream that is cancelled', () => {
  it('ends with stream.error CANCELLED, strictly after cancel.accepted; its job goes on', async () => {
    const { agent } = counter();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted('it');
    const { stream_id } = await client.next('stream.open');
    const id = client.send('cancel', { target: 'stream', target_id: stream_id, reason: 'enough' });
    const accepted = await client.next('cancel.accepted', (frame) => frame.correlation_id === id);
    expect(accepted.payload).toMatchObject({ target: 'stream', target_id: stream_id });
    const error = await client.next('stream.error');
    expect(error).toMatchObject({
      stream_id,
      job_id: jobId,
      payload: { code: 'CANCELLED', message: 'enough' },
    });
    expect(client.frames.indexOf(accepted)).toBeLessThan(client.frames.indexOf(error));
    expect(await client.terminal(jobId)).toMatchObject({ type: 'job.completed', payload: { value: 'over' } });
    client.send('cancel', { target: 'stream', target_id: stream_id });
    expect((await client.next('cancel.refused')).payload.reason).toBe('already_terminal');
  });

  it('is cancelled by its principal only; what does not exist is not_found', async () => {
    const { agent } = counter();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    await client.accepted('it');
    const { stream_id } = await client.next('stream.open');
    client.send('backpressure', { desired_rate_per_second: 0 }, { stream_id });
    const other = await test.open('bob');
    other.send('cancel', { target: 'stream', target_id: stream_id });
    expect((await other.next('cancel.refused')).payload.reason).toBe('permission_denied');
    other.send('cancel', { target: 'stream', target_id: 'str_none' });
    expect((await other.next('cancel.refused')).payload.reason).toBe('not_found');
    const sibling = await test.open('ada');
    sibling.send('cancel', { target: 'stream', target_id: stream_id });
    await sibling.next('cancel.accepted');
    await client.next('stream.error');
  });
});

describe('backpressure', () => {
  async function slowed(wish: object) {
    const { agent, written } = counter();
    const test = bench({ agents: [agent], limits: { maxStreamPauseMs: 5_000 } });
    const client = await test.open();
    const jobId = await client.accepted('it');
    const { stream_id } = await client.next('stream.open');
    client.send('backpressure', wish, { stream_id });
    client.send('ping', {});
    await client.next('pong');
    await test.clock.settle();
    return { test, client, jobId, stream_id, written };
  }

  it('of a rate lets as many chunks through in a second', async () => {
    const { test, written } = await slowed({ desired_rate_per_second: 5 });
    await using _ = test;
    const before = written.count;
    await test.clock.advance(2_000);
    expect(written.count - before).toBe(10);
  });

  it('of no room lets nothing through until there is some, and then just so much', async () => {
    const { test, client, stream_id, written } = await slowed({ buffer_remaining_bytes: 0 });
    await using _ = test;
    const before = written.count;
    await test.clock.advance(4_000);
    expect(written.count).toBe(before);
    client.send('backpressure', { buffer_remaining_bytes: 25 }, { stream_id });
    client.send('ping', {});
    await client.next('pong');
    await test.clock.settle();
    const chunks = client.seen('stream.chunk').slice(before) as { payload: { data: object } }[];
    const bytes = chunks.reduce((sum, { payload }) => sum + JSON.stringify(payload.data).length, 0);
    expect(chunks.length).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(25);
  });

  it('holds nobody up for ever: after the limit everything flows again', async () => {
    const { test, client, jobId } = await slowed({ desired_rate_per_second: 0 });
    await using _ = test;
    await test.clock.advance(4_000);
    expect(client.seen('job.completed')).toEqual([]);
    await test.clock.advance(1_000);
    await client.terminal(jobId);
  });

  it('holds up no end: a cancelled job ends while its writer is paused', async () => {
    const { test, client, jobId } = await slowed({ desired_rate_per_second: 0 });
    await using _ = test;
    client.send('cancel', { target: 'job', target_id: jobId });
    expect((await client.terminal(jobId)).type).toBe('job.cancelled');
  });

  it.each<[string, string, object, string]>([
    ['a stream of another principal', 'bob', {}, 'PERMISSION_DENIED'],
    ['a stream that it only watches', 'ada', {}, 'PERMISSION_DENIED'],
    ['no stream', 'ada', { stream_id: undefined }, 'INVALID_ARGUMENT'],
    ['a stream that does not exist', 'ada', { stream_id: 'str_none' }, 'NOT_FOUND'],
  ])('of another session is refused: %s', async (_what, principal, extra, code) => {
    const { test, stream_id, written } = await slowed({ desired_rate_per_second: 1 });
    await using _ = test;
    const other = await test.open(principal);
    const id = other.send('backpressure', {}, { stream_id, ...extra });
    expect(await other.next('nack')).toMatchObject({ correlation_id: id, payload: { code } });
    const before = written.count;
    await test.clock.settle();
    expect(written.count).toBe(before);
  });
});

describe('a subscription to a stream', () => {
  it('is told the events of that stream only, those of the past as well', async () => {
    await using test = streaming(async (ctx) => {
      writes({ kind: 'text', streamId: 'str_a' }, 'a')(ctx);
      writes({ kind: 'text', streamId: 'str_b' }, 'b')(ctx);
      await ctx.flushed();
    });
    const client = await test.open();
    const live = await test.open();
    live.send('subscribe', { filter: { stream_id: ['str_a'] } });
    await live.next('subscribe.accepted');
    const jobId = await client.accepted('it');
    await client.terminal(jobId);
    const late = await test.open();
    const [first] = client.events();
    late.send('subscribe', { filter: { stream_id: ['str_a'] }, since: { after_message_id: first?.id } });
    await late.next('subscribe.accepted');
    late.send('ping', {});
    await late.next('pong');
    await test.clock.settle();
    for (const { frames } of [live, late]) {
      const told = frames.flatMap((frame) =>
        frame.type === 'subscribe.event' ? [frame.payload.event] : [],
      ) as {
        type: string;
        stream_id?: string;
      }[];
      const streams = told.filter(({ type }) => type !== 'event.emit');
      expect(streams.map(({ type }) => type)).toEqual(['stream.open', 'stream.chunk', 'stream.close']);
      expect(new Set(streams.map(({ stream_id }) => stream_id))).toEqual(new Set(['str_a']));
    }
  });
});

describe.each(DATA)('a stream that was open when the runtime was killed (%s)', (_name, data) => {
  it.each(['fail', 'restart'] as const)(
    'ends with ABORTED before anything else is told of a job that is to %s',
    async (recovery) => {
      const agent = defineAgent({
        name: 'it',
        version: '1.0.0',
        recovery,
        run: async (_input, ctx) => {
          await new Promise((resolve) =>
            ctx.openStream({ kind: 'text' }).end('whole', () => {
              resolve(undefined);
            }),
          );
          ctx.openStream({ kind: 'text' }).write('half');
          await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
        },
      });
      const all = lives(data(), { agents: [agent] });
      const first = await all.next();
      const before = await first.open();
      const jobId = await before.accepted('it');
      await before.next('stream.chunk', ({ payload }) => payload.data === 'half');
      const seen = before.lastSeq;
      const second = await all.next();
      const after = second.raw();
      await after.resume(before.resumeToken, seen);
      const [error, next] = await Promise.all([
        after.next('stream.error'),
        recovery === 'fail' ? after.terminal(jobId) : after.next('event.emit'),
      ]);
      expect(error).toMatchObject({ event_seq: seen + 1, payload: { code: 'ABORTED' } });
      expect(next.event_seq).toBe(seen + 2);
      await all.end();
    },
  );
});

describe.each(DATA)('a subscription to one stream, after the runtime was killed (%s)', (_name, data) => {
  it('was told the same events under the same numbers', async () => {
    const agent = defineAgent({
      name: 'it',
      version: '1.0.0',
      run: (_input, ctx) => {
        writes({ kind: 'text', streamId: 'str_a' }, 'a')(ctx);
        writes({ kind: 'text', streamId: 'str_b' }, 'b')(ctx);
      },
    });
    const all = lives(data(), { agents: [agent] });
    const first = await all.next();
    const watcher = await first.open();
    watcher.send('subscribe', { filter: { stream_id: ['str_b'] } });
    await watcher.next('subscribe.accepted');
    const client = await first.open();
    await client.terminal(await client.accepted('it'));
    await watcher.next(
      'subscribe.event',
      ({ payload }) => (payload.event as { type: string }).type === 'stream.close',
    );
    const told = watcher.events();
    const second = await all.next();
    const after = second.raw();
    await after.resume(watcher.resumeToken, 0);
    for (const event of told)
      await after.next('subscribe.event', ({ event_seq }) => event_seq === event.event_seq);
    expect(after.events()).toEqual(told);
    await all.end();
  });
});
