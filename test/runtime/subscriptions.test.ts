/** `subscribe`: kinds of events, from now or from a message on (RFC 0001 §13). */
import { describe, expect, it } from 'vitest';
import { defineAgent, memoryStore } from '../../src/index.js';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { decodeEnvelope } from '../../src/protocol/envelope.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';
import type { RawClient } from './raw-client.js';

const agents = [
  defineAgent({ name: 'quick', version: '1.0.0', run: () => 'quick' }),
  defineAgent({
    name: 'talker',
    version: '1.0.0',
    run: async (input, ctx) => {
      const { lines } = input as { lines: number };
      for (let n = 1; n <= lines; n += 1) {
        ctx.log('info', `line ${n}`);
        if (n % 50 === 0) await ctx.flushed();
      }
    },
  }),
  defineAgent({
    name: 'parent',
    version: '1.0.0',
    run: async (_input, ctx) => (await ctx.delegate('quick')).jobId,
  }),
];

async function subscribe(client: RawClient, filter: object = {}, since?: object): Promise<string> {
  const id = client.send('subscribe', { filter, ...(since === undefined ? {} : { since }) });
  const accepted = await client.next('subscribe.accepted', (frame) => frame.correlation_id === id);
  expect(accepted.event_seq).toBeUndefined();
  expect(accepted.subscription_id).toBe(accepted.payload.subscription_id);
  return accepted.payload.subscription_id;
}

/** The envelopes within what a subscription was told, each of which must be one. */
function inner(client: RawClient, subscriptionId: string): AnyEnvelope[] {
  return client.seen('subscribe.event').flatMap((frame) => {
    if (frame.type !== 'subscribe.event' || frame.subscription_id !== subscriptionId) return [];
    const decoded = decodeEnvelope(frame.payload.event);
    if (!decoded.ok) throw new Error(decoded.refusal.message);
    return [decoded.envelope];
  });
}

const isBoundary = (envelope: AnyEnvelope): boolean =>
  envelope.type === 'event.emit' && envelope.payload.name === 'subscription.backfill_complete';
const parts = (envelopes: readonly AnyEnvelope[]): { past: string[]; live: string[] } => {
  const at = envelopes.findIndex(isBoundary);
  expect(envelopes.filter(isBoundary)).toHaveLength(1);
  return {
    past: envelopes.slice(0, at).map(({ id }) => id),
    live: envelopes.slice(at + 1).map(({ id }) => id),
  };
};
const numbers = (client: RawClient): (number | undefined)[] =>
  client.events().map(({ event_seq }) => event_seq);
const from1To = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('a subscription', () => {
  it('is told whole envelopes, as the session that they are of is told them, behind the boundary', async () => {
    await using test = bench({ agents });
    const [owner, watcher, bob] = [await test.open(), await test.open(), await test.open('bob')];
    const sub = await subscribe(watcher);
    const others = await subscribe(bob);
    const jobId = await owner.accepted('talker', { lines: 3 });
    await owner.terminal(jobId);
    await test.clock.settle();
    const { past, live } = parts(inner(watcher, sub));
    expect(past).toEqual([]);
    expect(live).toEqual(owner.events().map(({ id }) => id));
    expect(inner(watcher, sub).slice(1)).toEqual(owner.events());
    expect(numbers(watcher)).toEqual(from1To(watcher.events().length));
    expect(inner(bob, others).filter((one) => !isBoundary(one))).toEqual([]);
  });

  it('ANDs the fields of its filter and ORs their members', async () => {
    await using test = bench({ agents });
    const [a, b, watcher] = [await test.open(), await test.open(), await test.open()];
    const filters = {
      session: { session_id: [a.sessionId] },
      sessions: { session_id: [a.sessionId, b.sessionId], types: ['job.accepted'] },
      trace: { trace_id: ['t1'], types: ['job.started'] },
      priority: { min_priority: 'high', types: ['job.completed'] },
      both: { session_id: [b.sessionId], trace_id: ['t1'] },
      stream: { stream_id: ['str_1'] },
    };
    const subs = new Map<string, string>();
    for (const [name, filter] of Object.entries(filters)) subs.set(name, await subscribe(watcher, filter));
    const one = await a.accepted('quick', {}, { trace_id: 't1' });
    const two = await b.accepted('quick', {}, { priority: 'critical' });
    await a.terminal(one);
    await b.terminal(two);
    const late = await subscribe(watcher, { job_id: [two] });
    await test.clock.settle();
    const seen = (name: string): string[] =>
      inner(watcher, subs.get(name) ?? '').flatMap((envelope) =>
        isBoundary(envelope) ? [] : [`${envelope.job_id === one ? 1 : 2} ${envelope.type}`],
      );
    expect(seen('session')).toEqual(['1 job.accepted', '1 job.started', '1 job.completed']);
    expect(seen('sessions')).toEqual(['1 job.accepted', '2 job.accepted']);
    expect(seen('trace')).toEqual(['1 job.started']);
    expect(seen('priority')).toEqual(['2 job.completed']);
    expect(seen('both')).toEqual([]);
    expect(seen('stream')).toEqual([]);
    expect(inner(watcher, late).filter((envelope) => !isBoundary(envelope))).toEqual([]);
  });

  it('with `since` begins with what followed that message, over all jobs, in the order of commits', async () => {
    await using test = bench({ agents });
    const [a, b, watcher] = [await test.open(), await test.open(), await test.open()];
    const everything = await subscribe(watcher);
    const jobs = [
      await a.accepted('talker', { lines: 120 }),
      await b.accepted('parent'),
      await a.accepted('talker', { lines: 70 }),
    ];
    await a.terminal(jobs[0] ?? '');
    await b.terminal(jobs[1] ?? '');
    await a.terminal(jobs[2] ?? '');
    await test.clock.settle();
    const all = inner(watcher, everything).slice(1);
    for (const at of [0, 1, 50, 100, all.length - 1]) {
      const late = await test.open();
      const sub = await subscribe(late, {}, { after_message_id: all[at]?.id });
      await a.terminal(await a.accepted('quick'));
      await test.clock.settle();
      const { past, live } = parts(inner(late, sub));
      expect(past.slice(0, all.length - at - 1)).toEqual(all.slice(at + 1).map(({ id }) => id));
      expect(live).toHaveLength(3);
      expect(numbers(late)).toEqual(from1To(past.length + 4));
      expect([...past, ...live]).toEqual(
        inner(watcher, everything)
          .slice(at + 2)
          .map(({ id }) => id),
      );
    }
    const lines = await test.open();
    const sub = await subscribe(lines, { types: ['log'] }, { after_message_id: all[0]?.id });
    await test.clock.settle();
    expect(parts(inner(lines, sub)).past).toEqual(
      all.filter(({ type }) => type === 'log').map(({ id }) => id),
    );
    const wrapper = watcher.seen('subscribe.event')[9];
    const again = await subscribe(watcher, {}, { after_message_id: wrapper?.id });
    await test.clock.settle();
    expect(parts(inner(watcher, again)).past.slice(0, 5)).toEqual(all.slice(9, 14).map(({ id }) => id));
  });

  it('joins past and live while a job talks on: no gap, no repeat', async () => {
    await using test = bench({ agents });
    const [owner, watcher] = [await test.open(), await test.open()];
    const jobId = await owner.accepted('talker', { lines: 400 });
    const first = owner.events()[0]?.id;
    const sub = await subscribe(watcher, {}, { after_message_id: first });
    await owner.terminal(jobId);
    await test.clock.settle();
    const { past, live } = parts(inner(watcher, sub));
    expect([...past, ...live]).toEqual(
      owner
        .events()
        .slice(1)
        .map(({ id }) => id),
    );
  });

  it('from a message that is not known, or whose followers are not all kept, is DATA_LOSS', async () => {
    await using test = bench({ agents, limits: { maxFinishedJobs: 1 } });
    const [owner, bob] = [await test.open(), await test.open('bob')];
    const jobs = [await owner.accepted('quick'), await owner.accepted('quick')];
    for (const jobId of jobs) await owner.terminal(jobId);
    const kept = owner.events().filter(({ job_id }) => job_id === jobs[1]);
    await owner.terminal(await owner.accepted('talker', { lines: 1 }));
    for (const [client, message] of [
      [owner, 'msg_never'],
      [owner, 'msg_never.1'],
      [owner, owner.events()[0]?.id],
      [owner, kept.at(-1)?.id],
      [bob, owner.events().at(-1)?.id],
    ] as const) {
      const id = client.send('subscribe', { since: { after_message_id: message } });
      expect((await client.next('nack')).payload).toMatchObject({ code: 'DATA_LOSS', ack_for: id });
    }
    await subscribe(owner, {}, { after_message_id: owner.events().at(-1)?.id });
  });

  it('to what belongs to another principal is refused', async () => {
    await using test = bench({ agents });
    const [ada, bob] = [await test.open('ada'), await test.open('bob')];
    const jobId = await ada.accepted('quick');
    for (const filter of [{ session_id: [bob.sessionId, ada.sessionId] }, { job_id: [jobId] }]) {
      bob.send('subscribe', { filter });
      expect((await bob.next('nack')).payload.code).toBe('PERMISSION_DENIED');
    }
  });

  it('ends with `subscribe.closed` when it is asked to, and is told nothing after it', async () => {
    await using test = bench({ agents });
    const client = await test.open();
    const sub = await subscribe(client);
    const id = client.send('unsubscribe', { subscription_id: sub });
    const closed = await client.next('subscribe.closed');
    expect(closed).toMatchObject({
      correlation_id: id,
      subscription_id: sub,
      payload: { subscription_id: sub, code: 'OK', reason: 'unsubscribed' },
    });
    expect(closed.event_seq).toBe(client.lastSeq);
    await client.terminal(await client.accepted('quick'));
    expect(inner(client, sub)).toHaveLength(1);
    client.send('unsubscribe', { subscription_id: sub });
    expect((await client.next('nack')).payload.code).toBe('NOT_FOUND');
  });

  it('goes on over a dropped connection, in the same numbering and under the same ids (L3)', async () => {
    await using test = bench({ agents });
    const [owner, watcher] = [await test.open(), await test.open()];
    const sub = await subscribe(watcher);
    await owner.terminal(await owner.accepted('quick'));
    await test.clock.settle();
    watcher.wire.destroy();
    await test.clock.settle();
    await owner.terminal(await owner.accepted('quick'));
    const resumed = test.raw();
    await resumed.resume(watcher.resumeToken, 0);
    await owner.terminal(await owner.accepted('quick'));
    await test.clock.settle();
    expect(inner(resumed, sub).slice(1)).toEqual(owner.events());
    expect(numbers(resumed)).toEqual(from1To(10));
    expect(resumed.events().slice(0, 4)).toEqual(watcher.events());
  });

  it('is evicted with BACKPRESSURE_OVERFLOW when too much waits; the session and its jobs go on (L7)', async () => {
    await using test = bench({ agents, limits: { maxSubscriptionBacklog: 100, softBufferBytes: 2_000 } });
    const [owner, watcher] = [await test.open(), await test.open()];
    const sub = await subscribe(watcher);
    await test.clock.settle();
    watcher.wire.pause();
    await owner.terminal(await owner.accepted('talker', { lines: 500 }));
    watcher.wire.resume();
    const closed = await watcher.next('subscribe.closed');
    expect(closed.payload).toMatchObject({ subscription_id: sub, code: 'BACKPRESSURE_OVERFLOW' });
    expect((await watcher.terminal(await watcher.accepted('quick'))).type).toBe('job.completed');
    expect(numbers(watcher)).toEqual(from1To(watcher.lastSeq));
  });

  it('is refused when the session has too many, or its filter is too long (L7)', async () => {
    await using test = bench({ agents, limits: { maxSubscriptionsPerSession: 2, maxFilterMembers: 3 } });
    const client = await test.open();
    client.send('subscribe', { filter: { types: ['a', 'b', 'c', 'd'] } });
    expect((await client.next('nack')).payload.code).toBe('RESOURCE_EXHAUSTED');
    const sub = await subscribe(client);
    await subscribe(client);
    client.send('subscribe', {});
    expect((await client.next('nack')).payload.code).toBe('RESOURCE_EXHAUSTED');
    client.send('unsubscribe', { subscription_id: sub });
    await client.next('subscribe.closed');
    await subscribe(client);
  });
});

describe('a store that refuses', () => {
  it('the beginning of a subscription is told by a nack, and nothing of it stays (L2)', async () => {
    const kept = memoryStore();
    let refusing = false;
    const store = wrapStore(kept, {
      append: (group) => {
        if (refusing) throw new Error('disk full');
        return kept.append(group);
      },
    });
    await using test = bench({ agents, store, limits: { maxSubscriptionsPerSession: 1 } });
    const client = await test.open();
    refusing = true;
    const id = client.send('subscribe', {});
    expect((await client.next('nack')).payload).toMatchObject({ code: 'UNAVAILABLE', ack_for: id });
    client.send('job.subscribe', { job_id: 'job_none' });
    expect((await client.next('nack')).payload.code).toBe('NOT_FOUND');
    refusing = false;
    const sub = await subscribe(client);
    await client.terminal(await client.accepted('quick'));
    await test.clock.settle();
    expect(client.seen('subscribe.event')).toHaveLength(4);
    expect(inner(client, sub)).toHaveLength(4);
  });
});
