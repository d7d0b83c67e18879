/** Agents in worker threads (`worker: true`): like the others in all they may do, and stopping nobody when they compute. */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Place, ThreadPlaces } from '../../src/agents/thread-places.js';
import type { Agent } from '../../src/index.js';
import type { FakeClock } from '../../src/testing/index.js';
import type { Transport } from '../../src/transport/transport.js';
import { RawClient } from '../runtime/raw-client.js';
import { load, threadBench, type ThreadBench } from './thread-bench.js';

let bench: ThreadBench;
let threads: readonly Agent[];
let client: RawClient;

beforeAll(async () => {
  bench = await threadBench();
  ({ threads, client } = bench);
}, 60_000);

afterAll(async () => {
  await bench.close();
});

async function run(agent: string, args: unknown = {}, extra: Readonly<Record<string, unknown>> = {}) {
  return client.terminal(await client.accepted(agent, args, extra));
}

describe('an agent in a thread', () => {
  it('asks its owner for permissions and for money, and gets the lease, the raise and the denial', async () => {
    const lease = { 'cost.budget': ['USD:1.00'], 'fs.read': ['/nowhere/**'] };
    const job = await client.accepted('asks-owner', {}, { payload: { lease_request: lease } });
    for (const permission of ['cost.budget', 'fs.write']) {
      const { id, payload } = await client.next('permission.request');
      expect(payload.permission).toBe(permission);
      client.send('permission.grant', { ...payload, lease_seconds: 60 }, { correlation_id: id });
    }
    const { id, payload } = await client.next('permission.request');
    client.send('permission.deny', { ...payload, reason: 'no' }, { correlation_id: id });
    expect((await client.terminal(job)).payload).toEqual({
      value: {
        budget: [{ USD: '1' }, { USD: '1.5' }],
        granted: ['fs.write', '/nowhere/*', 'lease_'],
        acts: ['/nowhere/a'],
        denied: ['ArcpError', 'PERMISSION_DENIED', false],
      },
    });
  });

  it('has its owner asked for the acts that its lease does not cover, where it asks', async () => {
    const wish = { lease_request: { 'fs.read': ['/nowhere/**'] }, uncovered_acts: 'ask' };
    const job = await client.accepted('asks-for-acts', {}, { payload: wish });
    const first = await client.next('permission.request');
    expect(first.payload).toMatchObject({ permission: 'fs.read' });
    client.send('permission.grant', { ...first.payload, lease_seconds: 60 }, { correlation_id: first.id });
    const second = await client.next('permission.request');
    client.send('permission.deny', { ...second.payload, reason: 'no' }, { correlation_id: second.id });
    expect((await client.terminal(job)).payload).toEqual({
      value: { read: true, refused: ['ArcpError', 'PERMISSION_DENIED', false] },
    });
  });

  it('acts under the same lease, and is refused what it does not cover (L4)', async () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'arcp-thread-')));
    const folder = join(root, 'in');
    mkdirSync(folder);
    symlinkSync(join(folder, 'a.txt'), join(root, 'way'));
    try {
      const lease = {
        'fs.read': [`${folder}/**`],
        'fs.write': [`${folder}/**`],
        'tool.call': ['math.*'],
      };
      const end = await run('acts', { folder }, { payload: { lease_request: lease } });
      expect(end.payload).toEqual({
        value: {
          role: 'general',
          allowed: join(folder, 'a.txt'),
          refused: 'PERMISSION_DENIED',
          text: 'hi',
          bytes: [104, 105],
          names: ['a.txt'],
          outside: 'PERMISSION_DENIED',
          link: 'PERMISSION_DENIED',
          fetched: 'PERMISSION_DENIED',
          tool: 42,
          noTool: 'PERMISSION_DENIED',
          model: { model: 'acme/large', provider: null },
          shell: 'PERMISSION_DENIED',
        },
      });
      expect(existsSync(join(root, 'way'))).toBe(true);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('asks people like any other, and can be interrupted', async () => {
    const by = { responded_by: 'me', responded_at: '2026-01-01T00:00:00Z' };
    const job = await client.accepted('asks-people');
    const who = await client.next('human.input.request');
    client.send('human.input.response', { value: 'Ada', ...by }, { correlation_id: who.id });
    const which = await client.next('human.choice.request');
    client.send('interrupt', { target: 'job', target_id: job, prompt: 'What?' });
    const what = await client.next('human.input.request');
    client.send('human.choice.response', { choice_id: 'a', ...by }, { correlation_id: which.id });
    client.send('human.input.response', { value: 'that', ...by }, { correlation_id: what.id });
    expect((await client.terminal(job)).payload).toMatchObject({
      value: {
        name: 'Ada',
        choice: 'a',
        refused: 'INVALID_ARGUMENT',
        guidance: [{ prompt: 'What?', value: 'that' }],
      },
    });
  });

  it('puts, reads and releases artifacts', async () => {
    const { payload } = await run('artifacts');
    expect(payload).toMatchObject({
      value: {
        ref: { media_type: 'text/plain', size: 13 },
        text: 'from a thread',
        gone: ['ArcpError', 'NOT_FOUND', false],
      },
    });
    expect(client.seen('artifact.ref')).toHaveLength(1);
  });

  it('may give its result as an artifact, which fails the job where it is not ended', async () => {
    expect(await run('artifact-result')).toMatchObject({
      type: 'job.completed',
      payload: { result_ref: { size: 2_500_000, media_type: 'application/octet-stream' } },
    });
    expect(await run('unended-artifact-result')).toMatchObject({
      type: 'job.failed',
      payload: { code: 'FAILED_PRECONDITION' },
    });
  });

  it('is asked for a checkpoint, and a restored attempt goes on with what the one before streamed (R6)', async () => {
    const jobId = await client.accepted('resumes');
    await client.next('log', ({ job_id }) => job_id === jobId);
    const asked = client.send('checkpoint.create', {}, { job_id: jobId });
    const { payload } = await client.next('ack', ({ correlation_id }) => correlation_id === asked);
    const made = client
      .seen(({ job_id, type }) => job_id === jobId && type === 'event.emit')
      .map((frame) => frame.payload);
    expect(made).toMatchObject([
      { name: 'job.checkpoint', data: { data: { n: 1 } } },
      { name: 'job.checkpoint', data: { checkpoint_id: payload.checkpoint_id, data: { asked: true } } },
    ]);
    const [first] = made as [{ data: { checkpoint_id: string } }];
    client.send('checkpoint.restore', { checkpoint_id: first.data.checkpoint_id });
    const { payload: end } = await client.terminal(jobId);
    expect(end).toMatchObject({ result_size: 'streamed once, and again, from a checkpoint'.length });
  });

  it('knows its input, its job, its principal and its lease', async () => {
    const lease = { expires_at: '2099-01-01T00:00:00Z' };
    const jobId = await client.accepted(
      'echo',
      { a: [1] },
      { trace_id: 'tt', payload: { lease_request: lease } },
    );
    expect(await client.terminal(jobId)).toMatchObject({
      payload: {
        value: {
          input: { a: [1] },
          jobId,
          agent: 'echo@1.0.0',
          traceId: 'tt',
          parent: null,
          principal: `anonymous:${client.sessionId}`,
          expiresAt: '2099-01-01T00:00:00.000Z',
        },
      },
    });
  });

  it('tells what it does, in order, and its value is what JSON makes of it', async () => {
    const jobId = await client.accepted('tells');
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { value: '1970-01-01T00:00:00.000Z', summary: 'told' },
    });
    expect(client.story(jobId)).toEqual([
      'job.accepted',
      'job.started',
      'log',
      'metric',
      'job.progress',
      'job.completed',
    ]);
  });

  it('spends from its budget, and a refusal is an ArcpError there too', async () => {
    const terminal = await run('spends', {}, { payload: { cost_budget: ['USD:1'] } });
    expect(terminal).toMatchObject({
      payload: { value: [['ArcpError', 'BUDGET_EXHAUSTED', false], { USD: '0.4' }] },
    });
  });

  it('streams its result, paced', async () => {
    expect(await run('streams')).toMatchObject({ type: 'job.completed', payload: { result_size: 5_003 } });
    expect(await run('never-ends-result')).toMatchObject({ payload: { code: 'FAILED_PRECONDITION' } });
  });

  it('opens streams beside its result, and learns what is wrong with them', async () => {
    const jobId = await client.accepted('side-streams');
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.completed',
      payload: {
        value: [
          ['ArcpError', 'INVALID_ARGUMENT', false],
          ['ArcpError', 'ALREADY_EXISTS', false],
        ],
      },
    });
    const chunks = client
      .events()
      .flatMap((event) => (event.type === 'stream.chunk' && event.job_id === jobId ? [event] : []));
    const of = (isEvents: boolean) =>
      chunks.filter(({ stream_id }) => (stream_id === 'str_events') === isEvents).map((c) => c.payload.data);
    expect(of(false).join('')).toBe(Array.from({ length: 100 }, (_, n) => `${n} grüße 🎈 `).join(''));
    expect(of(true)).toEqual([{ at: '1970-01-01T00:00:00.000Z' }, { last: true }]);
  });

  it('reads the streams that clients open into it', async () => {
    const job_id = await client.accepted('takes');
    const send = (type: string, payload: object, stream_id: string): void => {
      client.send(type, payload, { job_id, stream_id });
    };
    send('stream.open', { kind: 'text', content_type: 'text/plain' }, 'str_t1');
    send('stream.chunk', { sequence: 0, data: 'grüße ' }, 'str_t1');
    send('stream.chunk', { sequence: 1, data: '🎈' }, 'str_t1');
    send('stream.close', { total_chunks: 2 }, 'str_t1');
    send('stream.open', { kind: 'event' }, 'str_t2');
    send('stream.chunk', { sequence: 0, data: { n: 1 } }, 'str_t2');
    send('stream.close', {}, 'str_t2');
    expect(await client.terminal(job_id)).toMatchObject({
      payload: { value: ['text', 'text/plain', 'grüße 🎈', 'event', '', { n: 1 }] },
    });
  });

  it('learns that its stream was cancelled', async () => {
    const jobId = await client.accepted('side-stream');
    const { stream_id } = await client.next('stream.chunk', (frame) => frame.job_id === jobId);
    client.send('cancel', { target: 'stream', target_id: stream_id });
    expect(await client.terminal(jobId)).toMatchObject({
      payload: { value: ['ArcpError', 'CANCELLED', false] },
    });
  });

  it('that sends its own heartbeats is not missed while it waits for a place (decision 23)', async () => {
    const { testRuntime } = (await load('dist/testing/index.js')) as {
      testRuntime: (options: { agents: readonly Agent[] }) => {
        clock: FakeClock;
        dial: () => Transport;
        close: () => Promise<void>;
      };
    };
    const { threadPlaces } = (await load('dist/agents/thread-places.js')) as { threadPlaces: ThreadPlaces };
    const taken: Place[] = [];
    const tired = Array.from({ length: 64 }, () => new AbortController());
    const everyone = tired.map(({ signal }) =>
      threadPlaces.take(signal).then(
        (place) => taken.push(place),
        () => undefined,
      ),
    );
    const test = testRuntime({ agents: threads });
    const patient = new RawClient(test.dial());
    await patient.open();
    const jobId = await patient.accepted('beats');
    await patient.next('job.started');
    await test.clock.advance(600_000);
    expect(patient.story(jobId)).toEqual(['job.accepted', 'job.started']);
    for (const one of tired) one.abort();
    await Promise.all(everyone);
    for (const place of taken) place.release();
    expect((await patient.terminal(jobId)).type).toBe('job.completed');
    await test.close();
  });

  it('may send its own heartbeats', async () => {
    const jobId = await client.accepted('beats');
    await client.terminal(jobId);
    expect(client.story(jobId)).toEqual(['job.accepted', 'job.started', 'job.heartbeat', 'job.completed']);
  });
});

describe('a thread that goes wrong fails its job and nothing else', () => {
  it.each([
    ['throws', { code: 'INTERNAL', message: 'from a thread' }],
    ['rejects', { code: 'INTERNAL', message: 'late, from a thread' }],
    ['throws-later', { code: 'INTERNAL', message: 'nobody catches this' }],
    ['exits', { code: 'INTERNAL', message: expect.stringContaining('exited with code 3') as string }],
    ['unsendable', { code: 'INVALID_ARGUMENT' }],
    ['function', { code: 'INVALID_ARGUMENT' }],
    ['bad-progress', { code: 'INVALID_ARGUMENT' }],
  ])('%s', async (agent, payload) => {
    expect(await run(agent)).toMatchObject({ type: 'job.failed', payload });
  });
});

describe('a thread that computes', () => {
  it('leaves the runtime responsive', async () => {
    const jobId = await client.accepted('computes');
    await client.next('job.started', (frame) => frame.job_id === jobId);
    let pongs = 0;
    const over = client.terminal(jobId).then(() => 'over' as const);
    while ((await Promise.race([over, pong()])) === 'pong') pongs += 1;
    expect(pongs).toBeGreaterThan(20);

    async function pong(): Promise<'pong'> {
      const id = client.send('ping', {});
      await client.next('pong', (frame) => frame.correlation_id === id);
      await new Promise((resolve) => setImmediate(resolve));
      return 'pong';
    }
  });

  it('without end can be cancelled all the same', async () => {
    const jobId = await client.accepted('loops');
    await client.next('log', (frame) => frame.job_id === jobId);
    client.send('cancel', { target: 'job', target_id: jobId, reason: 'halt' });
    expect(await client.terminal(jobId)).toMatchObject({
      type: 'job.cancelled',
      payload: { reason: 'halt' },
    });
  });

  it('that heeds its signal ends by itself', async () => {
    const jobId = await client.accepted('heeds');
    await client.next('job.started', (frame) => frame.job_id === jobId);
    client.send('cancel', { target: 'job', target_id: jobId });
    expect((await client.terminal(jobId)).type).toBe('job.cancelled');
  });

  it('that leaves timers behind is gone with its job: many times more of them than there are places run through', async () => {
    const jobs = await Promise.all(Array.from({ length: 24 }, () => client.accepted('lingers')));
    for (const jobId of jobs)
      expect(await client.terminal(jobId)).toMatchObject({ payload: { value: 'gone' } });
  }, 30_000);
});
