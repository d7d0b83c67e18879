/** The classic dialect: events are spliced, not made anew (D1), and no client gets a type that it may be unable to read (D2). */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { memoryPair } from '../../src/transport/memory.js';
import { bench } from '../runtime/bench.js';

const shouter = defineAgent({
  name: 'shouter',
  version: '1.0.0',
  run: (_input, ctx) => {
    ctx.log('info', '"quotes", \\ backslashes, \u2028 and 🎈', { nested: { 'a"b': [null] } });
  },
});
const boss = defineAgent({
  name: 'boss',
  version: '1.0.0',
  run: async (_input, ctx) => {
    await (
      await ctx.delegate('shouter', { task: 'say "hi"' })
    ).outcome;
  },
});

describe('an event', () => {
  it('is the same text for every session but for what the session adds (D1)', async () => {
    await using test = bench({ agents: [shouter] });
    const frames: string[] = [];
    const wire = test.dial();
    wire.start({ message: (frame) => frames.push(frame), closed: () => undefined });
    wire.send(
      JSON.stringify({
        arcp: '1.1',
        id: 'msg_1',
        type: 'session.open',
        timestamp: '2026-01-01T00:00:00Z',
        payload: { auth: { scheme: 'none' }, client: { kind: 't', version: '0' } },
      }),
    );
    wire.send(
      JSON.stringify({
        arcp: '1.1',
        id: 'msg_2',
        type: 'tool.invoke',
        timestamp: '2026-01-01T00:00:00Z',
        trace_id: 'a "quoted" trace\n',
        payload: { tool: 'shouter', arguments: {} },
      }),
    );
    await test.clock.settle();
    const logs = frames.filter((frame) => frame.includes('"type":"log"'));
    expect(logs).toHaveLength(1);
    expect(logs[0]).toMatch(/^\{"arcp":"1\.1","session_id":"sess_[\w-]+","event_seq":3,"id":"msg_/);
    expect(JSON.parse(logs[0] ?? '')).toMatchObject({
      trace_id: 'a "quoted" trace\n',
      correlation_id: 'msg_2',
      payload: {
        message: '"quotes", \\ backslashes, \u2028 and 🎈',
        attributes: { nested: { 'a"b': [null] } },
      },
    });
  });

  it('has an id of its own, and the same one whenever it is told', async () => {
    await using test = bench({ agents: [shouter] });
    const client = await test.open();
    for (let n = 0; n < 5; n += 1) client.invoke('shouter');
    client.invoke('Bad@');
    client.invoke('Bad@');
    await test.clock.settle();
    const ids = client.frames.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const again = test.raw();
    await again.resume(client.resumeToken, 0);
    await test.clock.settle();
    expect(again.events().map(({ id }) => id)).toEqual(client.events().map(({ id }) => id));
  });
});

describe('a type that needs an opt-in (decision 17)', () => {
  it('is replayed as the session can read it now: one that opted in later gets it by name', async () => {
    await using test = bench({ agents: [boss, shouter] });
    const client = await test.open();
    await client.terminal(await client.accepted('boss'));
    expect(client.seen('event.emit')).toMatchObject([
      { payload: { name: 'agent.delegate', data: { target: 'shouter', task: 'say "hi"' } } },
    ]);
    client.send('agent.delegate', { target: 'shouter', task: 't' });
    await client.next('job.completed');
    const again = test.raw();
    await again.resume(client.resumeToken, 0);
    await test.clock.settle();
    expect(again.seen('agent.delegate')).toHaveLength(1);
    expect(again.seen('event.emit')).toEqual([]);
    expect(again.events().map(({ event_seq }) => event_seq)).toEqual(
      client.events().map(({ event_seq }) => event_seq),
    );
  });
});

it('a transport that is closed before anything was said leaves nothing behind', async () => {
  await using test = bench();
  const [ours, theirs] = memoryPair();
  test.runtime.accept(ours);
  theirs.destroy();
  await test.clock.settle();
  expect(test.clock.pending).toBe(0);
});
