/** Children of agents in worker threads: delegated, watched, detached, and many at once, as from any other agent. */
import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RawClient } from '../runtime/raw-client.js';
import { threadBench, type ThreadBench } from './thread-bench.js';

let bench: ThreadBench;
let client: RawClient;

beforeAll(async () => {
  bench = await threadBench();
  ({ client } = bench);
}, 60_000);

afterAll(async () => {
  await bench.close();
});

async function run(agent: string, args: unknown = {}, extra: Readonly<Record<string, unknown>> = {}) {
  return client.terminal(await client.accepted(agent, args, extra));
}

it('delegates, and learns how its children ended', async () => {
  expect(await run('delegates')).toMatchObject({
    payload: {
      value: {
        size: 5_003,
        bytes: 5_003,
        failed: { status: 'failed', code: 'INTERNAL', message: 'from a thread' },
        local: { status: 'completed', value: { input: 5, when: '1970-01-01T00:00:00.000Z' } },
        refused: ['ArcpError', 'INVALID_ARGUMENT', false],
        cancelled: { status: 'cancelled', reason: 'enough' },
      },
    },
  });
});

it('reads the text of a child as it is, byte order mark included', async () => {
  expect(await run('reads-mark')).toMatchObject({ payload: { value: '\ufefftext' } });
});

it('may leave a refused charge or delegation unheard', async () => {
  expect(await run('careless')).toMatchObject({ type: 'job.completed', payload: { value: 'done' } });
});

it('delegates to others of its kind, also when parents have all the places', async () => {
  const jobs = await Promise.all(
    Array.from({ length: 2 * availableParallelism() + 1 }, () => client.accepted('asks')),
  );
  for (const jobId of jobs)
    expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'completed' } });
}, 30_000);

it('reads the events of a child from the first to the last, as often as it likes, and may stop in between', async () => {
  const { payload } = await run('reads-events');
  const told = ['job.accepted', 'job.started', 'log', 'metric', 'job.progress', 'job.completed'];
  expect(payload).toEqual({ value: { told, again: told, first: ['job.accepted'], level: 'info' } });
});

it('gets the value, the bytes or the error of a child', async () => {
  expect(await run('takes-results')).toMatchObject({
    payload: {
      value: { value: '1970-01-01T00:00:00.000Z', bytes: 5_003, failed: ['ArcpError', 'INTERNAL', true] },
    },
  });
});

it('waits for events of a child no longer than until it is stopped', async () => {
  const job = await client.accepted('waits-for-events');
  await client.next('log', (frame) => frame.job_id === job);
  client.send('cancel', { target: 'job', target_id: job });
  expect((await client.terminal(job)).type).toBe('job.cancelled');
  const detached = client.seen('job.accepted').at(-1)?.job_id ?? '';
  expect(client.story(detached)).toEqual(['job.accepted', 'job.started']);
  client.send('cancel', { target: 'job', target_id: detached });
  await client.terminal(detached);
});

it('delegates many, so many at a time, with their outcomes in order', async () => {
  expect(await run('fans-out')).toMatchObject({
    payload: {
      value: [
        { status: 'completed', value: { input: 0 } },
        { status: 'failed', code: 'INVALID_ARGUMENT' },
        { status: 'completed', value: { input: 2 } },
        { status: 'failed', code: 'INTERNAL', message: 'from a thread' },
      ],
    },
  });
});

it('leaves children behind that are to be detached, and takes the others along', async () => {
  const job = await client.accepted('leaves-behind');
  const { payload } = await client.terminal(job);
  const { detached, attached } = (payload as { value: { detached: string; attached: string } }).value;
  expect(client.story(attached).at(-1)).toBe('job.cancelled');
  expect(client.story(detached)).not.toContain('job.cancelled');
  client.send('cancel', { target: 'job', target_id: detached });
  expect((await client.terminal(detached)).type).toBe('job.cancelled');
});
