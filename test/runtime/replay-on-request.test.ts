/** `resume {after_message_id}` on an open session (RFC 0001 §19), and the window of `session.ack`. */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { bench } from './bench.js';
import type { RawClient } from './raw-client.js';

const talker = defineAgent({
  name: 'talker',
  version: '1.0.0',
  run: async (input, ctx) => {
    const { lines } = input as { lines: number };
    for (let n = 1; n <= lines; n += 1) {
      ctx.log('info', `line ${n}`);
      if (n % 10 === 0) await ctx.flushed();
    }
  },
});

const texts = (events: ReturnType<RawClient['events']>): string[] =>
  events.map((event) => JSON.stringify(event));
const numbers = (client: RawClient): (number | undefined)[] =>
  client.events().map(({ event_seq }) => event_seq);
const from1To = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('resume after a message', () => {
  it('is acknowledged, and tells again what followed it, the very same, and then goes on', async () => {
    await using test = bench({ agents: [talker] });
    const client = await test.open();
    await client.terminal(await client.accepted('talker', { lines: 20 }));
    client.send('tool.invoke', { tool: 'Bad@', arguments: {} });
    await client.next('job.failed');
    client.send('subscribe', {});
    await client.next('subscribe.event');
    await test.clock.settle();
    const before = texts(client.events());
    for (const event of client.events().slice(0, before.length)) {
      const id = client.send('resume', { after_message_id: event.id });
      const ack = await client.next('ack');
      expect(ack).toMatchObject({ correlation_id: id, payload: { ack_for: id } });
      const from = client.frames.indexOf(ack);
      await test.clock.settle();
      const again = client.frames.slice(from + 1).filter(({ event_seq }) => event_seq !== undefined);
      expect(texts(again)).toEqual(before.slice(event.event_seq));
    }
    const from = client.frames.length;
    await client.terminal(await client.accepted('talker', { lines: 1 }));
    await test.clock.settle();
    const next = client.frames.slice(from).flatMap(({ event_seq }) => event_seq ?? []);
    expect(next).toEqual(next.map((_, index) => before.length + 1 + index));
  });

  it('is NOT_FOUND for a message that never was, and for what another session was told', async () => {
    await using test = bench({ agents: [talker] });
    const [client, other] = [await test.open(), await test.open()];
    await other.terminal(await other.accepted('talker', { lines: 1 }));
    for (const after_message_id of ['msg_x', 'msg_x.1', 'nonsense', other.events()[0]?.id]) {
      const id = client.send('resume', { after_message_id });
      expect((await client.next('nack')).payload).toMatchObject({ code: 'NOT_FOUND', ack_for: id });
    }
    client.send('resume', {});
    expect((await client.next('nack')).payload.code).toBe('INVALID_ARGUMENT');
  });

  it('is DATA_LOSS beyond what is kept', async () => {
    await using test = bench({ agents: [talker], limits: { maxReplayEvents: 10, finishedJobTtlMs: 1_000 } });
    const client = await test.open();
    await client.terminal(await client.accepted('talker', { lines: 100 }));
    await test.clock.settle();
    client.send('resume', { after_message_id: client.events()[0]?.id });
    expect((await client.next('nack')).payload.code).toBe('DATA_LOSS');
    await test.clock.advance(3_000);
    client.send('resume', { after_message_id: client.events().at(-2)?.id });
    expect((await client.next('nack')).payload.code).toBe('DATA_LOSS');
    client.send('resume', { after_message_id: client.events().at(-1)?.id });
    await client.next('ack');
  });
});

describe('a window of acknowledgement', () => {
  it('is open without an end by default', async () => {
    await using test = bench({ agents: [talker] });
    const client = await test.open();
    await client.terminal(await client.accepted('talker', { lines: 1_000 }));
    expect(numbers(client)).toEqual(from1To(1_003));
  });

  it('holds back what lies beyond it, and nothing else', async () => {
    await using test = bench({ agents: [talker], limits: { ackWindow: 5 } });
    const client = await test.open();
    const jobId = await client.accepted('talker', { lines: 20 });
    await test.clock.settle();
    expect(numbers(client)).toEqual(from1To(5));
    client.send('ping', {});
    await client.next('pong');
    client.send('session.ack', { last_processed_seq: 2 });
    await test.clock.settle();
    expect(numbers(client)).toEqual(from1To(7));
    for (const last_processed_seq of [1, 0]) client.send('session.ack', { last_processed_seq });
    await test.clock.settle();
    expect(numbers(client)).toEqual(from1To(7));
    client.send('session.ack', { last_processed_seq: 1_000 });
    await test.clock.settle();
    expect(numbers(client)).toEqual(from1To(12));
    while (client.lastSeq < 23) {
      client.send('session.ack', { last_processed_seq: client.lastSeq });
      await test.clock.settle();
    }
    await client.terminal(jobId);
    expect(numbers(client)).toEqual(from1To(23));
  });

  it('of one event never deadlocks, over dropped connections either', async () => {
    await using test = bench({ agents: [talker], limits: { ackWindow: 1 } });
    let client = await test.open();
    client.invoke('talker', { lines: 12 });
    const seen: number[] = [];
    for (let last = 0; last < 15; last += 1) {
      await test.clock.settle();
      const { event_seq = 0 } = client.events().at(-1) ?? {};
      seen.push(event_seq);
      if (last % 3 === 2) {
        const token = client.resumeToken;
        client.wire.destroy();
        await test.clock.settle();
        client = test.raw();
        await client.resume(token, event_seq);
      } else {
        client.send('session.ack', { last_processed_seq: event_seq });
      }
    }
    expect(seen).toEqual(from1To(15));
  });

  it('lets the client of this package through', async () => {
    await using test = bench({ agents: [talker], limits: { ackWindow: 7 } });
    const client = await test.connect();
    const job = await client.invoke('talker', { lines: 20 });
    const ended = job.result();
    for (let n = 0; n < 8; n += 1) await test.clock.advance(300);
    await ended;
  });
});
