/** Doing a thing once (decision 11). */
import { describe, expect, it } from 'vitest';
import { defineAgent, memoryStore } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { wrapStore } from '../store/wrapped-store.js';
import { bench } from './bench.js';

function counting() {
  const runs = { count: 0 };
  const agent = defineAgent({
    name: 'once',
    version: '1.0.0',
    run: (input, ctx) => {
      runs.count += 1;
      ctx.log('info', `run ${runs.count}`);
      return { run: runs.count, input };
    },
  });
  return { agent, runs };
}

const key = { idempotency_key: 'k1' };
const forever = defineAgent({
  name: 'forever',
  version: '1.0.0',
  run: (_in, ctx) => untilAborted(ctx.signal),
});

describe('a repeat of a request with its key', () => {
  it('finds the job that is over: accepted and terminal anew, with the correlation of the repeat', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted('once', { a: 1 }, key);
    await client.terminal(jobId);
    const id = client.invoke('once', { a: 1 }, key);
    const accepted = await client.next('job.accepted');
    const terminal = await client.terminal(jobId);
    expect(accepted).toMatchObject({
      job_id: jobId,
      correlation_id: id,
      idempotency_key: 'k1',
      event_seq: 5,
    });
    expect(terminal).toMatchObject({
      type: 'job.completed',
      correlation_id: id,
      event_seq: 6,
      payload: { value: { run: 1, input: { a: 1 } } },
    });
    expect(runs.count).toBe(1);
  });

  it('attaches another session of the principal to the job that still runs', async () => {
    await using test = bench({ agents: [forever] });
    const [one, other] = [await test.open(), await test.open()];
    const jobId = await one.accepted('forever', {}, key);
    await test.clock.settle();
    expect(await other.accepted('forever', {}, key)).toBe(jobId);
    one.send('cancel', { target: 'job', target_id: jobId });
    expect((await one.terminal(jobId)).type).toBe('job.cancelled');
    expect((await other.terminal(jobId)).type).toBe('job.cancelled');
    expect(one.seen('job.cancelled')).toHaveLength(1);
  });

  const streamed = defineAgent({
    name: 'streamed',
    version: '1.0.0',
    run: async (_in, ctx) => {
      const stream = ctx.openResult({ chunkBytes: 4 });
      await new Promise((resolve) => stream.write('first half, ', resolve));
      if ((_in as { readonly waits?: true }).waits) await new Promise((resolve) => (goOn = resolve));
      stream.end('second half');
    },
  });
  let goOn: (value?: unknown) => void = () => undefined;

  it('from another session gets the whole story of a job that is over: its streamed result, and one terminal', async () => {
    await using test = bench({ agents: [streamed] });
    const [one, other] = [await test.open(), await test.open()];
    const jobId = await one.accepted('streamed', {}, key);
    await one.terminal(jobId);
    const story = one.story(jobId);
    const id = other.invoke('streamed', {}, key);
    expect(await other.terminal(jobId)).toMatchObject({ correlation_id: id, payload: { result_size: 23 } });
    expect(other.story(jobId)).toEqual(['job.accepted', ...story]);
    expect(other.events().map(({ event_seq }) => event_seq)).toEqual([0, ...story].map((_, n) => n + 1));
    await other.accepted('streamed', {}, key);
    await test.clock.settle();
    expect(other.seen('job.result_chunk')).toHaveLength(one.seen('job.result_chunk').length);
    const again = test.raw();
    await again.resume(other.resumeToken, 0);
    await test.clock.settle();
    expect(again.events()).toEqual(other.events());
  });

  it('from another session gets what has happened to a job that runs, and then what happens', async () => {
    await using test = bench({ agents: [streamed] });
    const [one, other] = [await test.open(), await test.open()];
    const jobId = await one.accepted('streamed', { waits: true }, key);
    await test.clock.settle();
    const soFar = one.story(jobId);
    other.invoke('streamed', { waits: true }, key);
    other.invoke('streamed', { waits: true }, key);
    await test.clock.settle();
    expect(other.story(jobId)).toEqual(['job.accepted', ...soFar, 'job.accepted']);
    goOn();
    await other.terminal(jobId);
    const rest = one.story(jobId).slice(soFar.length);
    expect(other.story(jobId)).toEqual(['job.accepted', ...soFar, 'job.accepted', ...rest]);
  });

  it('is told what was told at first: the lease, and when the job was accepted', async () => {
    await using test = bench({ agents: [forever] });
    const client = await test.open();
    const extra = { ...key, payload: { lease_request: { expires_at: '2027-01-01T00:00:00Z', custom: [1] } } };
    await client.accepted('forever', {}, extra);
    await test.clock.advance(5_000);
    await client.accepted('forever', {}, extra);
    const [first, second] = client.seen('job.accepted').map(({ payload }) => payload);
    expect(first).toMatchObject({ lease: { custom: [1] }, accepted_at: '2026-01-01T00:00:00.000Z' });
    expect(second).toEqual(first);
  });

  it('in the same turn finds the same job', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    client.invoke('once', {}, key);
    client.invoke('once', {}, key);
    await test.clock.settle();
    expect(runs.count).toBe(1);
    expect(new Set(client.seen('job.accepted').map(({ job_id }) => job_id)).size).toBe(1);
    expect(client.seen('job.accepted')).toHaveLength(2);
  });

  it('replays a failure as it was, details included', async () => {
    const failing = defineAgent({
      name: 'failing',
      version: '1.0.0',
      run: () => Promise.reject(new Error('first and last')),
    });
    await using test = bench({ agents: [failing] });
    const client = await test.open();
    const jobId = await client.accepted('failing', {}, key);
    const first = await client.terminal(jobId);
    client.invoke('failing', {}, key);
    expect((await client.terminal(jobId)).payload).toEqual(first.payload);
  });

  it('does not mind the order of keys in the arguments', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted('once', { a: { x: 1, y: [1, 2] }, b: 2 }, key);
    expect(await client.accepted('once', { b: 2, a: { y: [1, 2], x: 1 } }, key)).toBe(jobId);
    expect(runs.count).toBe(1);
  });
});

describe('the same key on another request', () => {
  it.each<[string, string, unknown, object]>([
    ['other arguments', 'once', { a: 2 }, {}],
    ['arguments in another order of a list', 'once', { a: [2, 1] }, {}],
    ['another agent', 'forever', { a: 1 }, {}],
    ['another lease', 'once', { a: 1 }, { payload: { cost_budget: ['USD:1'] } }],
    [
      'another budget under the same lease',
      'once',
      { a: 1 },
      { payload: { lease_request: {}, cost_budget: ['USD:1'] } },
    ],
  ])('is job.failed DUPLICATE_KEY without an accept: %s', async (_what, name, args, extra) => {
    const { agent } = counting();
    await using test = bench({ agents: [agent, forever] });
    const client = await test.open();
    const first =
      'lease_request' in ((extra as { payload?: object }).payload ?? {})
        ? { payload: { lease_request: {} } }
        : {};
    const jobId = await client.accepted('once', { a: 1 }, { ...key, ...first });
    await client.terminal(jobId);
    const id = client.invoke(name, args, { ...key, ...extra });
    const refusal = await client.next('job.failed');
    expect(refusal).toMatchObject({
      correlation_id: id,
      payload: { code: 'DUPLICATE_KEY', retryable: false, details: { existing_job_id: jobId } },
    });
    expect(refusal.job_id).toBeUndefined();
    expect(client.seen('job.accepted')).toHaveLength(1);
  });
});

describe('a key', () => {
  it('belongs to its principal, and anonymous sessions are each their own', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent] });
    for (const principal of ['ada', 'bob', 'nobody', 'nobody']) {
      const client = await test.open(principal);
      await client.terminal(await client.accepted('once', {}, key));
    }
    expect(runs.count).toBe(4);
  });

  it('is forgotten after 24 hours', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const jobId = await client.accepted('once', {}, key);
    await test.clock.advance(86_400_000 - 1);
    expect(await client.accepted('once', {}, key)).toBe(jobId);
    await test.clock.advance(1);
    expect(await client.accepted('once', { other: true }, key)).not.toBe(jobId);
    expect(runs.count).toBe(2);
  });

  it('is not bound by a request that was refused', async () => {
    const { agent } = counting();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    client.invoke('once', {}, { ...key, payload: { cost_budget: ['USD'] } });
    expect(await client.next('job.failed')).toMatchObject({ payload: { code: 'INVALID_ARGUMENT' } });
    expect((await client.terminal(await client.accepted('once', {}, key))).type).toBe('job.completed');
  });

  it('named like a property of objects is a key like others', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    for (const name of ['__proto__', 'constructor', 'hasOwnProperty']) {
      const jobId = await client.accepted('once', { name }, { idempotency_key: name });
      expect(await client.accepted('once', { name }, { idempotency_key: name })).toBe(jobId);
    }
    expect(runs.count).toBe(3);
  });

  it('beyond the limit pushes the oldest out (L7)', async () => {
    const { agent, runs } = counting();
    await using test = bench({ agents: [agent], limits: { maxIdempotencyKeysPerPrincipal: 2 } });
    const client = await test.open();
    for (const name of ['a', 'b', 'c', 'a']) await client.accepted('once', {}, { idempotency_key: name });
    expect(runs.count).toBe(4);
    await client.accepted('once', {}, { idempotency_key: 'c' });
    expect(runs.count).toBe(4);
  });
});

it('a repeat whose session closes before the job has ended hurts nobody', async () => {
  const { agent } = counting();
  await using test = bench({ agents: [agent] });
  const [client, other] = [await test.open(), await test.open()];
  client.invoke('nothing such', {}, { payload: { cost_budget: ['USD'] } });
  await client.terminal(await client.accepted('once', {}, key));
  client.invoke('once', {}, key);
  client.send('session.close', {});
  const jobId = await other.accepted('once', { mine: true });
  expect((await other.terminal(jobId)).type).toBe('job.completed');
  await client.closed();
  await test.clock.settle();
  expect(test.runtime.ready).toBe(true);
});

it('an end that the store would not let go, for once, goes with its key, and takes nothing along (D2)', async () => {
  const { agent } = counting();
  const inner = memoryStore();
  let refusals = 0;
  const store = wrapStore(inner, {
    durable: true,
    append(group) {
      const trims = group.some(
        (write) => write.kind === 'document' && write.text?.includes('"bytes":0') === true,
      );
      if (!trims || refusals > 0) return inner.append(group);
      refusals += 1;
      throw new Error('disk full');
    },
  });
  const limits = { maxFinishedJobs: 1, maxIdempotencyBytesPerPrincipal: 3_000, idempotencyWindowMs: 60_000 };
  await using test = bench({ agents: [agent], store, limits });
  await test.runtime.recover();
  const client = await test.open();
  for (const name of ['a', 'b', 'c']) {
    const given = { name, large: 'x'.repeat(2_000) };
    await client.terminal(await client.accepted('once', given, { idempotency_key: name }));
  }
  await test.clock.advance(2_000);
  expect(refusals).toBe(1);
  await test.clock.advance(70_000);
  expect([await store.documents('key/'), await store.documents('end/')]).toEqual([[], []]);
});
