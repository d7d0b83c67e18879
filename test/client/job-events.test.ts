/** Iterating a job and its tree: who sees what, from when on, and what is kept for it. */
import { describe, expect, it } from 'vitest';
import type { ConnectOptions, Job } from '../../src/client/index.js';
import type { FakeConnection } from './fake-runtime.js';
import { drain, FakeRuntime, turn } from './fake-runtime.js';

async function invoked(options: ConnectOptions = {}) {
  const runtime = new FakeRuntime();
  const { client, connection } = await runtime.open(options);
  const invoking = client.invoke('ticker');
  await connection.acceptJob('job_1');
  return { runtime, client, connection, job: await invoking };
}

async function typesOf(job: AsyncIterable<{ type: string }>): Promise<string[]> {
  const { items, error } = await drain(job);
  expect(error).toBeUndefined();
  return items.map(({ type }) => type);
}

function ticks(connection: FakeConnection, count: number): void {
  for (let i = 0; i < count; i++) connection.progress('job_1', i % 100);
}

describe('iterating a job', () => {
  it('gives every event from job.accepted to the terminal one, and nothing after it', async () => {
    const { connection, job } = await invoked();
    connection.event('job.started', {}, { job_id: 'job_1' });
    connection.progress('job_1', 50);
    connection.event('log', { level: 'info', message: 'hi' }, { job_id: 'job_1' });
    connection.event('metric', { name: 'cost.x', value: 1, unit: 'USD' }, { job_id: 'job_1' });
    connection.complete('job_1');
    connection.progress('job_1', 99);
    expect(await typesOf(job)).toEqual([
      'job.accepted',
      'job.started',
      'job.progress',
      'log',
      'metric',
      'job.completed',
    ]);
  });

  it('narrows payloads by type', async () => {
    const { connection, job } = await invoked();
    connection.progress('job_1', 50);
    connection.complete('job_1', { value: 7 });
    const seen: unknown[] = [];
    for await (const event of job) {
      if (event.type === 'job.progress') seen.push(event.payload.percent?.toFixed(1));
      if (event.type === 'job.completed') seen.push(event.payload.value);
    }
    expect(seen).toEqual(['50.0', 7]);
  });

  it('shows each iterator everything, whenever it starts', async () => {
    const { connection, job } = await invoked();
    const early = typesOf(job);
    connection.progress('job_1', 10);
    await turn();
    const middle = typesOf(job);
    connection.complete('job_1');
    const all = ['job.accepted', 'job.progress', 'job.completed'];
    expect(await early).toEqual(all);
    expect(await middle).toEqual(all);
    expect(await typesOf(job)).toEqual(all);
  });

  it('misses nothing when it starts straight after invoke, however much came in one read', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const invoking = client.invoke('ticker').then(async (job) => drain(job));
    const invoke = await connection.next('tool.invoke');
    connection.event('job.accepted', { job_id: 'job_1' }, { job_id: 'job_1', correlation_id: invoke.id });
    ticks(connection, 5_000);
    connection.complete('job_1');
    const { items, error } = await invoking;
    expect(error).toBeUndefined();
    expect(items).toHaveLength(5_002);
  });

  it.each([
    ['events', { historyEvents: 10 }],
    ['text', { historySize: 2_000 }],
  ])(
    'keeps a limited history of %s: an iterator that starts too late fails with DATA_LOSS',
    async (_, limits) => {
      const { runtime, connection, job } = await invoked({ limits });
      const early = drain(job);
      ticks(connection, 20);
      await turn();
      await runtime.clock.advance(0);
      connection.complete('job_1', { value: 1 });
      const late = await drain(job);
      expect(late.items).toEqual([]);
      expect(late.error).toMatchObject({ code: 'DATA_LOSS' });
      const { items, error } = await early;
      expect(error).toBeUndefined();
      expect(items).toHaveLength(22);
      expect(await job.result()).toEqual({ value: 1 });
    },
  );

  it('fails a reader that stands still, and only that one (law L7)', async () => {
    const { connection, job } = await invoked({ limits: { iteratorEvents: 50 } });
    const still = job[Symbol.asyncIterator]();
    await still.next();
    const lively = drain(job);
    for (let i = 0; i < 10; i++) {
      ticks(connection, 10);
      await turn();
    }
    connection.complete('job_1');
    const { items, error } = await lively;
    expect(error).toBeUndefined();
    expect(items).toHaveLength(102);
    expect((await drain(still)).error).toMatchObject({ code: 'BACKPRESSURE_OVERFLOW' });
  });

  it('can be left and begun again', async () => {
    const { connection, job } = await invoked();
    for await (const event of job) {
      expect(event.type).toBe('job.accepted');
      break;
    }
    connection.complete('job_1');
    expect(await typesOf(job)).toEqual(['job.accepted', 'job.completed']);
  });
});

describe('iterating the tree of a job', () => {
  const names = async (job: Job): Promise<string[]> => {
    const { items, error } = await drain(job.tree());
    expect(error).toBeUndefined();
    return items.map(({ type, job_id }) => `${job_id ?? ''} ${type}`);
  };

  it('has the events of all descendants, by parent_job_id and not by correlation (decision 4)', async () => {
    const { client, connection, job } = await invoked();
    const tree = names(job);
    const own = typesOf(job);
    connection.event('job.accepted', { job_id: 'job_2', parent_job_id: 'job_1' }, { job_id: 'job_2' });
    connection.event('job.accepted', { job_id: 'job_3', parent_job_id: 'job_2' }, { job_id: 'job_3' });
    connection.event('metric', { name: 'cost.x', value: 1, unit: 'USD' }, { job_id: 'job_3' });
    connection.complete('job_3');
    connection.complete('job_2');
    connection.complete('job_1');
    expect(await tree).toEqual([
      'job_1 job.accepted',
      'job_2 job.accepted',
      'job_3 job.accepted',
      'job_3 metric',
      'job_3 job.completed',
      'job_2 job.completed',
      'job_1 job.completed',
    ]);
    expect(await own).toEqual(['job.accepted', 'job.completed']);
    expect(await typesOf(job)).toEqual(['job.accepted', 'job.completed']);
    expect(client.inFlight.jobs).toBe(0);
  });

  it('goes on after the root has ended, until the last descendant has', async () => {
    const { client, connection, job } = await invoked();
    connection.event('job.accepted', { job_id: 'job_2', parent_job_id: 'job_1' }, { job_id: 'job_2' });
    connection.complete('job_1', { value: 1 });
    expect(await job.result()).toEqual({ value: 1 });
    expect(client.inFlight.jobs).toBe(2);
    const tree = names(job);
    connection.complete('job_1', { value: 2 });
    connection.event('job.cancelled', {}, { job_id: 'job_2' });
    expect(await tree).toEqual([
      'job_1 job.accepted',
      'job_2 job.accepted',
      'job_1 job.completed',
      'job_2 job.cancelled',
    ]);
    expect(client.inFlight.jobs).toBe(0);
  });

  it('keeps the trees of two jobs apart', async () => {
    const { client, connection, job } = await invoked();
    const invoking = client.invoke('other');
    await connection.acceptJob('job_9');
    const other = await invoking;
    connection.event('job.accepted', { job_id: 'job_2', parent_job_id: 'job_9' }, { job_id: 'job_2' });
    connection.complete('job_2');
    connection.complete('job_1');
    connection.complete('job_9');
    expect(await names(job)).toEqual(['job_1 job.accepted', 'job_1 job.completed']);
    expect(await names(other)).toHaveLength(4);
  });
});
