/** Law L7 over time: what is over is forgotten, and what is forgotten is gone from every map and from the store. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { defineAgent, memoryStore, type Store } from '../../src/index.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';

/** A memory store that tells which logs it holds. */
function watchedStore(): Store & { readonly logs: Set<string> } {
  const inner = memoryStore();
  const logs = new Set<string>();
  const store = wrapStore(inner, {
    append: (group) => {
      for (const write of group) if (write.kind === 'record') logs.add(write.log);
      return inner.append(group);
    },
    drop: (dropped) => {
      for (const log of dropped) logs.delete(log);
      return inner.drop(dropped);
    },
  });
  return { ...store, logs };
}

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });
const big = defineAgent({
  name: 'big',
  version: '1.0.0',
  run: (_in, ctx) => {
    for (let n = 0; n < 20; n += 1) ctx.log('info', 'x'.repeat(1_000));
  },
});

describe('a finished job', () => {
  it('can be asked about for finishedJobTtlMs, and is then forgotten, its log included', async () => {
    const store = watchedStore();
    await using test = bench({ agents: [echo], store, limits: { finishedJobTtlMs: 1_000 } });
    const client = await test.open();
    const jobId = await client.accepted('echo');
    await client.terminal(jobId);
    await test.clock.advance(999);
    client.send('cancel', { target: 'job', target_id: jobId });
    expect(await client.next('cancel.refused')).toMatchObject({ payload: { reason: 'already_terminal' } });
    await test.clock.advance(1_001);
    client.send('cancel', { target: 'job', target_id: jobId });
    expect(await client.next('cancel.refused')).toMatchObject({ payload: { reason: 'not_found' } });
    expect([...store.logs]).toEqual([]);
  });

  it('is forgotten before its time when there are too many; the oldest first', async () => {
    const store = watchedStore();
    await using test = bench({ agents: [echo], store, limits: { maxFinishedJobs: 3 } });
    const client = await test.open();
    for (let n = 0; n < 50; n += 1) client.invoke('echo', n);
    await test.clock.settle();
    expect(client.seen('job.completed')).toHaveLength(50);
    const ids = client.seen('job.accepted').map(({ job_id }) => job_id);
    expect([...store.logs]).toEqual(ids.slice(-3));
    expect(test.runtime.ready).toBe(true);
  });

  it('is forgotten before its time when they are too large, however many have come and gone', async () => {
    const store = watchedStore();
    await using test = bench({ agents: [big], store, limits: { maxFinishedBytes: 60_000 } });
    const client = await test.open();
    for (let n = 0; n < 30; n += 1) await client.terminal(await client.accepted('big'));
    await test.clock.settle();
    expect(store.logs.size).toBe(2);
  });

  it('that alone is larger than the limit is kept until the next one ends, so that its client can read it', async () => {
    const store = watchedStore();
    await using test = bench({
      agents: [big],
      store,
      limits: { maxFinishedBytes: 1_000, softBufferBytes: 2_000 },
    });
    const client = await test.open();
    client.invoke('big');
    client.wire.pause();
    await test.clock.settle();
    client.wire.resume();
    await client.next('job.completed');
    expect(client.seen('log')).toHaveLength(20);
    expect(store.logs.size).toBe(1);
    const next = await client.accepted('big');
    await client.terminal(next);
    await test.clock.settle();
    expect([...store.logs]).toEqual([next]);
  });
});

describe('a session that is over', () => {
  it('leaves no log behind, also when it closes in the turn of a refusal, and spoils no group of others', async () => {
    const store = watchedStore();
    await using test = bench({ agents: [echo], store });
    const [client, other] = [await test.open(), await test.open('bob')];
    client.invoke('Bad@');
    await client.next('job.failed');
    client.invoke('Bad@');
    client.send('session.close', {});
    const jobId = await other.accepted('echo', 'mine');
    expect(await other.terminal(jobId)).toMatchObject({ payload: { value: 'mine' } });
    await client.closed();
    await test.clock.settle();
    expect([...store.logs]).toEqual([jobId]);
    expect(test.runtime.ready).toBe(true);
  });

  it('leaves no timer behind', async () => {
    await using test = bench({ agents: [echo] });
    const before = test.clock.pending;
    for (let n = 0; n < 10; n += 1) {
      const client = await test.open('nobody');
      client.send('session.close', {});
      await client.closed();
    }
    await test.clock.settle();
    expect(test.clock.pending).toBe(before);
  });
});

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

describe('a session that is refused again and again', () => {
  it('keeps the latest of its refusals, and no more than maxSessionLogBytes of them (L7)', async () => {
    const store = watchedStore();
    await using test = bench({ store, limits: { maxSessionLogBytes: 8_000 } });
    const client = await test.open();
    for (let n = 0; n < 200; n += 1) {
      client.invoke('Bad@');
      await client.next('job.failed');
    }
    await test.clock.settle();
    expect(client.events().map(({ event_seq }) => event_seq)).toEqual(
      Array.from({ length: 200 }, (_, n) => n + 1),
    );
    expect(new Set(client.events().map(({ id }) => id)).size).toBe(200);
    expect(store.logs.size).toBeLessThanOrEqual(4);
    client.wire.destroy();
    const again = test.raw();
    await again.resume(client.resumeToken, 190);
    await test.clock.settle();
    expect(again.events()).toEqual(client.events().slice(190));
    again.wire.destroy();
    const late = test.raw();
    late.send('session.resume', { resume_token: again.resumeToken, last_event_seq: 1 });
    expect(await late.next('session.rejected')).toMatchObject({ payload: { code: 'RESUME_WINDOW_EXPIRED' } });
    await test.clock.settle();
    expect([...store.logs]).toEqual([]);
  });
});

describe('a job that never stops telling', () => {
  it('fails with RESOURCE_EXHAUSTED, not retryable, at maxJobLogBytes (L7)', async () => {
    const endless = defineAgent({
      name: 'endless',
      version: '1.0.0',
      run: async (_in, ctx) => {
        while (!ctx.signal.aborted) {
          ctx.log('info', 'x'.repeat(1_000));
          await ctx.flushed();
        }
      },
    });
    await using test = bench({ agents: [endless], limits: { maxJobLogBytes: 50_000 } });
    const client = await test.open();
    expect(await client.terminal(await client.accepted('endless'))).toMatchObject({
      payload: { code: 'RESOURCE_EXHAUSTED', retryable: false },
    });
    expect(client.seen('log').length).toBeLessThan(50);
  });
});

describe('heap', () => {
  it('does not grow with the jobs that were done, once they are forgotten', async () => {
    await using test = bench({
      agents: [echo],
      limits: { finishedJobTtlMs: 1_000, maxReplayEvents: 100, idempotencyWindowMs: 1_000 },
    });
    const payload = 'x'.repeat(20_000);
    const round = async (count: number): Promise<void> => {
      const client = await test.open('nobody');
      for (let n = 0; n < count; n += 1) {
        await client.terminal(await client.accepted('echo', payload, { idempotency_key: `k${n}` }));
        client.frames.length = 0;
      }
      client.send('session.close', {});
      await client.closed();
      await test.clock.advance(5_000);
    };
    await round(200);
    const before = heapUsed();
    for (let n = 0; n < 5; n += 1) await round(200);
    // 1,000 jobs of 20 kB each, in arguments and in events, would be 40 MB and more.
    expect(heapUsed() - before).toBeLessThan(25_000_000);
    expect(test.clock.pending).toBeLessThanOrEqual(2);
  });
});
