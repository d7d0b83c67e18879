/** Law L7: a slow reader is paced or resumably cut off; it never grows the heap. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { bench } from './bench.js';
import type { RawClient } from './raw-client.js';

/** Says as many lines of this size as it is told to. */
const talker = defineAgent({
  name: 'talker',
  version: '1.0.0',
  run: async (input, ctx) => {
    const { lines, size } = input as { lines: number; size: number };
    for (let n = 0; n < lines; n += 1) {
      ctx.log('info', `${n} `.padEnd(size, '.'));
      if (n % 100 === 99) await ctx.flushed();
    }
    return lines;
  },
});

/** Streams this many bytes in base64. */
const streamer = defineAgent({
  name: 'streamer',
  version: '1.0.0',
  run: async (input, ctx) => {
    const { bytes, chunkBytes } = input as { bytes: number; chunkBytes: number };
    const stream = ctx.openResult({ encoding: 'base64', chunkBytes });
    for (let sent = 0; sent < bytes; sent += chunkBytes) {
      await new Promise((resolve) => stream.write(Buffer.alloc(chunkBytes, sent % 251), resolve));
    }
    stream.end();
  },
});

const numbers = (client: RawClient): (number | undefined)[] =>
  client.events().map(({ event_seq }) => event_seq);
const from1To = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('a client that pauses', () => {
  it('is sent no more than softBufferBytes and one event; then everything in order, when it reads again', async () => {
    await using test = bench({ agents: [talker], limits: { softBufferBytes: 20_000 } });
    const client = await test.open();
    client.invoke('talker', { lines: 500, size: 1_000 });
    client.wire.pause();
    await test.clock.settle();
    expect(client.events().length).toBeLessThan(30);
    client.wire.resume();
    await test.clock.settle();
    expect(numbers(client)).toEqual(from1To(503));
    expect(client.seen('job.completed')).toHaveLength(1);
  });

  it('gets the live tail again once it has caught up', async () => {
    await using test = bench({ agents: [talker], limits: { softBufferBytes: 5_000 } });
    const client = await test.open();
    for (let round = 1; round <= 3; round += 1) {
      client.invoke('talker', { lines: 50, size: 500 });
      client.wire.pause();
      await test.clock.settle();
      client.wire.resume();
      await test.clock.settle();
      expect(numbers(client)).toEqual(from1To(53 * round));
    }
  });

  it('does not slow down another session that watches other jobs', async () => {
    await using test = bench({ agents: [talker], limits: { softBufferBytes: 5_000 } });
    const [slow, quick] = [await test.open(), await test.open()];
    slow.wire.pause();
    slow.invoke('talker', { lines: 300, size: 500 });
    const jobId = await quick.accepted('talker', { lines: 300, size: 500 });
    expect((await quick.terminal(jobId)).type).toBe('job.completed');
  });

  it('in a burst of one turn that overflows the buffer is fed on without another event', async () => {
    const burst = defineAgent({
      name: 'burst',
      version: '1.0.0',
      run: (_in, ctx) => {
        for (let n = 0; n < 4_000; n += 1) ctx.log('info', 'x'.repeat(1_000));
      },
    });
    await using test = bench({ agents: [burst] });
    const client = await test.open();
    client.invoke('burst');
    await test.clock.settle();
    expect(numbers(client)).toEqual(from1To(4_003));
  });
});

describe('a result much larger than every buffer', () => {
  it('reaches a client that pauses, and is never pushed beyond the hard limit', async () => {
    await using test = bench({ agents: [streamer], limits: { hardBufferBytes: 4_194_304 } });
    const client = await test.open();
    client.wire.pause();
    const bytes = 30 * 1_048_576;
    client.invoke('streamer', { bytes, chunkBytes: 262_144 });
    await test.clock.settle();
    client.wire.resume();
    await client.next('job.completed');
    expect(client.end).toBeUndefined();
    expect(client.seen('job.result_chunk').length).toBeGreaterThanOrEqual(120);
    expect(numbers(client)).toEqual(from1To(client.events().length));
  });

  it('is replayed in full to a client that resumes from the beginning', async () => {
    await using test = bench({ agents: [streamer], limits: { hardBufferBytes: 4_194_304 } });
    const client = await test.open();
    client.invoke('streamer', { bytes: 20 * 1_048_576, chunkBytes: 1_048_576 });
    await client.next('job.completed');
    const again = test.raw();
    await again.resume(client.resumeToken, 0);
    await again.next('job.completed');
    expect(again.events()).toEqual(client.events());
  });
});

describe('a client that commands and never reads', () => {
  it('is cut off at hardBufferBytes with 1013, and its session can be resumed', async () => {
    await using test = bench({ agents: [talker], limits: { hardBufferBytes: 50_000 } });
    const client = await test.open();
    const jobId = await client.accepted('talker', { lines: 1, size: 10 });
    await client.terminal(jobId);
    client.wire.pause();
    const nonce = 'n'.repeat(10_000);
    for (let n = 0; n < 20; n += 1) client.send('ping', { nonce });
    await test.clock.settle();
    const again = test.raw();
    await again.resume(client.resumeToken, 0);
    await again.terminal(jobId);
    client.wire.resume();
    expect(await client.closed()).toMatchObject({ code: 1013 });
    expect(client.seen('pong').length).toBeLessThanOrEqual(6);
  });
});

describe('a session that nobody reads', () => {
  it('keeps places, not text, and at most twice maxReplayEvents of them (O3)', async () => {
    await using test = bench({ agents: [talker], limits: { maxReplayEvents: 100 } });
    const client = await test.open();
    client.wire.destroy();
    const other = await test.open();
    await test.clock.settle();
    const jobId = await other.accepted('talker', { lines: 350, size: 10 });
    await other.terminal(jobId);
    other.wire.destroy();
    await test.clock.settle();
    const again = test.raw();
    again.send('session.resume', { resume_token: other.resumeToken, last_event_seq: 100 });
    expect(await again.next('session.rejected')).toMatchObject({
      payload: { code: 'RESUME_WINDOW_EXPIRED', details: { last_event_seq: 353 } },
    });
  });
});
