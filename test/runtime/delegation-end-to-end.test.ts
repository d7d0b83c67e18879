/** Delegation over a real socket: what is refused, what narrows, and how whoever looks at a child learns where it comes from. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  anonymous,
  ArcpError,
  bearerTokens,
  createRuntime,
  defineAgent,
  listen,
  type DelegateOptions,
  type JobContext,
} from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { DRAFT_FEATURES } from '../../src/protocol/draft/features.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { DraftClient } from '../dialects/draft-client.js';
import { RawClient } from './raw-client.js';

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown) =>
  defineAgent({ name, version: '1.0.0', run: (input, ctx) => run(ctx, input) });

const forever = agentNamed('forever', (ctx) => untilAborted(ctx.signal));

const knows = agentNamed('knows', (ctx) => {
  const { traceId, profile, parentJobId } = ctx;
  return { traceId, parentJobId, permissions: profile.permissions };
});

/** Delegates as it is told, takes a refusal as it comes, and goes on. */
const asker = agentNamed('asker', async (ctx, input) => {
  const { target, ...options } = input as DelegateOptions & { target: string };
  const refusal = await ctx.delegate(target, options).then(
    (child) => child.jobId,
    (error: unknown) =>
      error instanceof ArcpError ? { code: error.code, retryable: error.retryable } : 'other',
  );
  await ctx.charge('cost.test', '0.25', 'USD');
  return { refusal, left: await ctx.lease.remaining() };
});

const cleanUp: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function start() {
  const runtime = createRuntime({
    agents: [forever, knows, asker],
    authenticators: [bearerTokens([['ada', 'ada']]), anonymous()],
  });
  const server = await listen(runtime, { port: 0 });
  cleanUp.push(
    () => runtime.close(),
    () => server.close(),
  );
  return {
    async classic(): Promise<RawClient> {
      const client = new RawClient(await dialWebSocket(server.url));
      await client.open('ada', { extensions: ['arcpx.arcp.delegate.v1'] });
      return client;
    },
    async draft(): Promise<DraftClient> {
      const client = new DraftClient(await dialWebSocket(server.url));
      await client.hello('ada', DRAFT_FEATURES);
      return client;
    },
  };
}

const LEASE = {
  'fs.read': ['/data/**'],
  'agent.delegate': ['knows@*', 'forever@*', 'asker@*'],
  'cost.budget': ['USD:1.00', 'launches:2'],
};

/** What a delegation asks for, in the words of the wire and in those of an agent. */
const REFUSED = [
  {
    code: 'LEASE_SUBSET_VIOLATION',
    why: 'more of a capability than its parent has',
    wire: { target: 'forever', lease_request: { 'fs.read': ['/**'] } },
    options: { target: 'forever', leaseRequest: { 'fs.read': ['/**'] } },
    launches: '2',
  },
  {
    code: 'LEASE_SUBSET_VIOLATION',
    why: 'a later end than that of its parent',
    wire: { target: 'forever', lease_request: { expires_at: '2099-01-01T00:00:01Z' } },
    options: { target: 'forever', expiresAt: '2099-01-01T00:00:01Z' },
    launches: '2',
  },
  {
    code: 'PERMISSION_DENIED',
    why: 'an agent that the lease does not name',
    wire: { target: 'somebody' },
    options: { target: 'somebody' },
    launches: '2',
  },
  {
    code: 'BUDGET_EXHAUSTED',
    why: 'a launch, when there is none left',
    wire: { target: 'forever' },
    options: { target: 'forever' },
    launches: '0',
  },
] as const;

describe.each(REFUSED)('a delegation that asks for $why is $code', ({ code, wire, options, launches }) => {
  const lease = { ...LEASE, expires_at: '2099-01-01T00:00:00Z' };
  const bounded = { ...lease, 'cost.budget': ['USD:1.00', `launches:${launches}`] };

  it('as the answer to agent.delegate, and its parent lives on', async () => {
    const client = await (await start()).classic();
    const job_id = await client.accepted('forever', {}, { payload: { lease_request: bounded } });
    const id = client.send('agent.delegate', { task: 't', ...wire }, { job_id });
    const refused = await client.next('job.failed');
    expect(refused).toMatchObject({ correlation_id: id, payload: { code, retryable: false } });
    expect(refused.job_id).toBeUndefined();
    client.send('session.list_jobs', {});
    const { payload } = await client.next('session.jobs');
    expect(payload.jobs).toMatchObject([{ job_id, status: 'running' }]);
    client.send('cancel', { target: 'job', target_id: job_id });
    expect((await client.terminal(job_id)).type).toBe('job.cancelled');
  });

  it('as the rejection of ctx.delegate, told to the watchers, and its parent goes on', async () => {
    const client = await (await start()).classic();
    const job = await client.accepted('asker', options, { payload: { lease_request: bounded } });
    const end = await client.terminal(job);
    const delegate = client.seen('agent.delegate')[0];
    const [told] = client.seen('event.emit');
    expect(delegate).toMatchObject({ job_id: job, payload: { target: options.target } });
    expect(told).toMatchObject({
      job_id: job,
      payload: { name: 'agent.delegate.refused', data: { target: options.target, code } },
    });
    expect(end).toMatchObject({
      type: 'job.completed',
      payload: { value: { refusal: { code, retryable: false }, left: { USD: '0.75', launches } } },
    });
  });
});

describe('a child', () => {
  it('has its trace from its parent, and of its profile what that has too (L4)', async () => {
    const client = await (await start()).classic();
    const profile = { permissions: { write: false, network: false } };
    const job_id = await client.accepted('forever', {}, { trace_id: 'tr-1', payload: { profile } });
    const id = client.send(
      'agent.delegate',
      { target: 'knows', task: 't', profile: { permissions: { write: true, network: true } } },
      { job_id },
    );
    const accepted = await client.next('job.accepted', (frame) => frame.correlation_id === id);
    expect(accepted.trace_id).toBe('tr-1');
    expect((await client.terminal(accepted.payload.job_id)).payload).toMatchObject({
      value: { traceId: 'tr-1', parentJobId: job_id, permissions: { write: false, network: false } },
    });
  });

  it('ends with its own running time where that is the shorter one, and its parent lives on', async () => {
    const client = await (await start()).classic();
    const job_id = await client.accepted('forever', {}, { payload: { max_runtime_ms: 600_000 } });
    const send = (payload: object) =>
      client.send('agent.delegate', { target: 'forever', task: 't', ...payload }, { job_id });
    const [brief, inherits] = [send({ max_runtime_ms: 20 }), send({})];
    const { payload: first } = await client.next('job.accepted', (f) => f.correlation_id === brief);
    const { payload: second } = await client.next('job.accepted', (f) => f.correlation_id === inherits);
    expect((await client.terminal(first.job_id)).payload).toMatchObject({ code: 'TIMEOUT' });
    expect(client.story(second.job_id).at(-1)).toBe('job.started');
    client.send('cancel', { target: 'job', target_id: job_id });
    await client.terminal(job_id);
  });

  it('shows its lineage in job.accepted, in listings and to who subscribes, in both dialects as far as they have room', async () => {
    const at = await start();
    const [client, other, draft] = [await at.classic(), await at.classic(), await at.draft()];
    const root = await client.accepted('forever');
    const below = async (job_id: string) => {
      const id = client.send('agent.delegate', { target: 'forever', task: 't' }, { job_id });
      const { payload } = await client.next('job.accepted', (frame) => frame.correlation_id === id);
      return payload;
    };
    const child = await below(root);
    const grandchild = await below(child.job_id);
    const lineage = {
      parent_job_id: child.job_id,
      root_job_id: root,
      depth: 2,
      delegate_id: grandchild.delegate_id,
    };
    expect(grandchild).toMatchObject(lineage);
    expect(typeof grandchild.delegate_id).toBe('string');
    other.send('session.list_jobs', {});
    const { payload } = await other.next('session.jobs');
    expect(payload.jobs).toContainEqual(expect.objectContaining({ job_id: grandchild.job_id, ...lineage }));
    other.send('job.subscribe', { job_id: grandchild.job_id });
    expect((await other.next('job.subscribed')).payload).toMatchObject(lineage);
    draft.send('session.list_jobs', {});
    const listed = await draft.next('session.jobs');
    expect(listed.payload.jobs).toContainEqual(
      expect.objectContaining({ job_id: grandchild.job_id, parent_job_id: child.job_id }),
    );
    draft.send('job.subscribe', { job_id: grandchild.job_id });
    expect((await draft.next('job.subscribed')).payload).toMatchObject({ parent_job_id: child.job_id });
    client.send('cancel', { target: 'job', target_id: root });
    await client.terminal(root);
  });
});
