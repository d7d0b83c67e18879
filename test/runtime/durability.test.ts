/** Law L2: durable before visible. The store here commits when the test says so, or refuses. */
import { describe, expect, it } from 'vitest';
import { defineAgent, memoryStore, type Write } from '../../src/index.js';
import { slowStore } from '../store/slow-store.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';

function setUp() {
  const ran: unknown[] = [];
  const agents = [
    defineAgent({
      name: 'it',
      version: '1.0.0',
      run: (input, ctx) => {
        ran.push(input);
        ctx.log('info', 'hello');
        return input;
      },
    }),
    defineAgent({
      name: 'waiting',
      version: '1.0.0',
      run: async (_in, ctx) => {
        ctx.log('info', 'before');
        await ctx.flushed();
        ran.push('flushed');
        return 'after';
      },
    }),
  ];
  const store = slowStore();
  return { ran, store, test: bench({ agents, store }) };
}

const types = (writes: readonly Write[]): string[] =>
  writes.map((write) => (write.kind === 'record' ? write.type : write.key));

describe('until the store has committed it', () => {
  it('no event is seen, and no agent runs (L2, R1)', async () => {
    const { ran, store, test } = setUp();
    const client = await test.open();
    client.invoke('it', 1);
    await test.clock.settle();
    expect([client.events(), ran]).toEqual([[], []]);
    expect(types(store.groups[0]?.records ?? [])).toEqual(['job.accepted']);
    store.commit();
    await test.clock.settle();
    expect(client.events().map(({ type }) => type)).toEqual(['job.accepted']);
    expect(ran).toEqual([1]);
    expect(types(store.groups[0]?.records ?? [])).toEqual(['job.started', 'log', 'job.completed']);
    store.commit();
    await test.clock.settle();
    expect(client.events().map(({ type }) => type)).toEqual([
      'job.accepted',
      'job.started',
      'log',
      'job.completed',
    ]);
    await test.close();
  });

  it('one group is at the store at a time; what is appended meanwhile is the next one (J2)', async () => {
    const { store, test } = setUp();
    const client = await test.open();
    client.invoke('it', 1);
    await test.clock.settle();
    for (let n = 2; n <= 5; n += 1) client.invoke('it', n);
    await test.clock.settle();
    expect(store.groups).toHaveLength(1);
    store.commit();
    await test.clock.settle();
    expect(store.groups).toHaveLength(1);
    expect(types(store.groups[0]?.records ?? [])).toEqual([
      ...Array.from({ length: 4 }, () => 'job.accepted'),
      'job.started',
      'log',
      'job.completed',
    ]);
    store.atOnce = true;
    store.commit();
    await test.clock.settle();
    expect(client.events().map(({ event_seq }) => event_seq)).toEqual(
      client.events().map((_, index) => index + 1),
    );
    expect(client.seen('job.completed')).toHaveLength(5);
    await test.close();
  });

  it('a cancel is accepted at once, and its terminal follows when it is stored (decision 8)', async () => {
    const { store, test } = setUp();
    const client = await test.open();
    client.invoke('waiting');
    await test.clock.settle();
    store.commit();
    const { payload } = await client.next('job.accepted');
    client.send('cancel', { target: 'job', target_id: payload.job_id });
    await client.next('cancel.accepted');
    store.atOnce = true;
    store.commit();
    expect((await client.terminal(payload.job_id)).type).toBe('job.cancelled');
    await test.close();
  });

  it('ctx.flushed() waits, but only for what came before it: a busy neighbour does not starve it', async () => {
    const { ran, store, test } = setUp();
    const client = await test.open();
    client.invoke('waiting');
    await test.clock.settle();
    store.commit();
    await test.clock.settle();
    expect(ran).toEqual([]);
    for (let turn = 0; turn < 3 && ran.length === 0; turn += 1) {
      client.invoke('it', turn);
      await test.clock.settle();
      store.commit();
      await test.clock.settle();
    }
    expect(ran[0]).toBe('flushed');
    store.atOnce = true;
    while (store.groups.length > 0) store.commit();
    await test.close();
  });
});

describe('when the store refuses a group', () => {
  it('with an accept, nobody ever sees the job: the command gets a nack UNAVAILABLE and no agent runs', async () => {
    const { ran, store, test } = setUp();
    const client = await test.open();
    const id = client.invoke('it', 1, { idempotency_key: 'k' });
    await test.clock.settle();
    store.refuse();
    expect(await client.next('nack')).toMatchObject({
      correlation_id: id,
      payload: { code: 'UNAVAILABLE', retryable: true, ack_for: id },
    });
    expect(test.runtime.ready).toBe(false);
    expect([client.events(), ran]).toEqual([[], []]);
    store.atOnce = true;
    const jobId = await client.accepted('it', 2, { idempotency_key: 'k' });
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 2 } });
    expect(client.events().map(({ event_seq }) => event_seq)).toEqual([1, 2, 3, 4]);
    expect(test.runtime.ready).toBe(true);
    await test.close();
  });

  it('of a running job, what was in it is never seen, and the job fails with UNAVAILABLE', async () => {
    const { store, test } = setUp();
    const client = await test.open();
    client.invoke('it', 1);
    await test.clock.settle();
    store.commit();
    const { payload } = await client.next('job.accepted');
    await test.clock.settle();
    store.refuse();
    await test.clock.settle();
    store.atOnce = true;
    store.commit();
    expect(await client.terminal(payload.job_id)).toMatchObject({
      type: 'job.failed',
      payload: { code: 'UNAVAILABLE' },
    });
    expect(client.story(payload.job_id)).toEqual(['job.accepted', 'job.failed']);
    await test.close();
  });

  it('and all that follow, the job is given up, and the runtime still closes', async () => {
    const { store, test } = setUp();
    const client = await test.open();
    client.invoke('waiting');
    await test.clock.settle();
    store.commit();
    await test.clock.settle();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      store.refuse();
      await test.clock.settle();
    }
    expect(store.groups).toEqual([]);
    expect(client.events().map(({ type }) => type)).toEqual(['job.accepted']);
    store.atOnce = true;
    await test.runtime.drain(1_000);
  });

  it('jobs that are not in it go on (S3)', async () => {
    const { store, test } = setUp();
    const client = await test.open();
    client.invoke('it', 'doomed');
    await test.clock.settle();
    client.invoke('it', 'lucky');
    await test.clock.settle();
    store.refuse();
    await client.next('nack');
    await test.clock.settle();
    store.atOnce = true;
    store.commit();
    const { payload } = await client.next('job.accepted');
    expect(await client.terminal(payload.job_id)).toMatchObject({ payload: { value: 'lucky' } });
    await test.close();
  });

  it('with a refusal, the command gets a nack instead', async () => {
    const { store, test } = setUp();
    const client = await test.open();
    const id = client.invoke('Bad@');
    await test.clock.settle();
    store.refuse();
    expect(await client.next('nack')).toMatchObject({ correlation_id: id, payload: { code: 'UNAVAILABLE' } });
    expect(client.events()).toEqual([]);
    await test.close();
  });

  it('of a child, its parent learns that it failed, and gets the budget back', async () => {
    const store = slowStore();
    store.atOnce = true;
    const boss = defineAgent({
      name: 'boss',
      version: '1.0.0',
      run: async (_in, ctx) => {
        const started = ctx.delegate('it', { budget: ['USD:1'] });
        store.atOnce = false;
        const outcome = await (await started).outcome;
        return [outcome.status, await ctx.lease.remaining()];
      },
    });
    const it_ = defineAgent({ name: 'it', version: '1.0.0', run: () => new Promise(() => undefined) });
    await using test = bench({ agents: [boss, it_], store });
    const client = await test.open();
    const jobId = await client.accepted('boss', {}, { payload: { cost_budget: ['USD:1'] } });
    await test.clock.settle();
    // Everything is committed until the child starts; that is refused.
    const childStarts = (): boolean =>
      store.groups[0]?.records.some(
        (write) => write.kind === 'record' && write.type === 'job.started' && write.log !== jobId,
      ) === true;
    while (!childStarts()) {
      store.commit();
      await test.clock.settle();
    }
    store.refuse();
    await test.clock.settle();
    store.atOnce = true;
    while (store.groups.length > 0) store.commit();
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: ['failed', { USD: '1' }] } });
  });
});

it('a store that cannot forget does not take the runtime down', async () => {
  const store = wrapStore(memoryStore(), { drop: () => Promise.reject(new Error('locked')) });
  await using test = bench({ store });
  const client = await test.open();
  client.invoke('Bad@');
  await client.next('job.failed');
  client.send('session.close', {});
  await client.closed();
  await test.clock.settle();
  await test.open();
});
