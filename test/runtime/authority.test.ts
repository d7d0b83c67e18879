/** What a job may do: its lease, its profile, what it hands to its children, and the leases that it is granted (L4). */
import { describe, expect, it } from 'vitest';
import { ArcpError, defineAgent, defineTool, type JobContext, type RuntimeOptions } from '../../src/index.js';
import type { ModelRoute, WorkerProfile, WorkerRole } from '../../src/protocol/worker-profile.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

type Profile = WorkerRole | Partial<WorkerProfile>;

const agentNamed = (name: string, run: (ctx: JobContext, input: unknown) => unknown, profile?: Profile) =>
  defineAgent({
    name,
    version: '1.0.0',
    run: (input, ctx) => run(ctx, input),
    ...(profile === undefined ? {} : { profile }),
  });

/** The code that an act is refused with, or what came of it. */
async function outcome(act: Promise<unknown>): Promise<unknown> {
  try {
    return await act;
  } catch (error) {
    return ArcpError.from(error).code;
  }
}

/** Asks for each `[capability, target]` of its arguments, and says what was answered. */
const asks = (profile?: Profile) =>
  agentNamed(
    'asks',
    async (ctx, input) => {
      const answers: unknown[] = [];
      for (const [capability, target] of input as [string, string][])
        answers.push(await outcome(ctx.authorize(capability, target)));
      return answers;
    },
    profile,
  );

async function answersTo(
  acts: readonly (readonly [string, string])[],
  {
    lease,
    profile,
    asked,
    options,
  }: { lease?: object; profile?: Profile; asked?: Profile; options?: Partial<RuntimeOptions> } = {},
): Promise<unknown> {
  await using test = bench({ agents: [asks(profile)], ...options });
  const client = await test.open();
  const payload = { ...(lease && { lease_request: lease }), ...(asked && { profile: asked }) };
  const end = await client.terminal(await client.accepted('asks', acts, { payload }));
  return (end.payload as { readonly value?: unknown }).value ?? end.payload;
}

const ACTS = [
  ['fs.read', '/nowhere/a'],
  ['fs.write', '/nowhere/a'],
  ['net.fetch', 'https://example.com/a'],
  ['tool.call', 'web.search'],
  ['agent.delegate', 'asks'],
  ['model.use', 'acme/large'],
  ['arcpx.acme.gpu.v1', 'pool'],
] as const;
const TARGETS = ACTS.map(([, target]) => target);
const DENIED = 'PERMISSION_DENIED';

describe('ctx.authorize', () => {
  it('allows everything without a lease, in this process, and says the canonical target (decision 26)', async () => {
    expect(await answersTo(ACTS)).toEqual(TARGETS);
    expect(await answersTo([['net.fetch', 'HTTPS://Example.com:443/a/../b?q']])).toEqual([
      'https://example.com/b',
    ]);
  });

  it('allows nothing without a lease where the operator says so (decision 26)', async () => {
    const options = { unleased: { inProcess: 'nothing' } } as const;
    expect(await answersTo(ACTS, { options })).toEqual(ACTS.map(() => DENIED));
    expect(await answersTo(ACTS.slice(0, 2), { options, lease: { 'fs.read': ['/nowhere/*'] } })).toEqual([
      '/nowhere/a',
      DENIED,
    ]);
  });

  it('allows what a lease names, and beside it any model', async () => {
    const lease = { fs_read: ['/nowhere/**'], 'tool.call': ['web.*'] };
    expect(await answersTo(ACTS, { lease })).toEqual([
      '/nowhere/a',
      DENIED,
      DENIED,
      'web.search',
      DENIED,
      'acme/large',
      DENIED,
    ]);
  });

  it('says the capability and the target in its refusals', async () => {
    let refused: unknown;
    const agent = agentNamed('it', async (ctx) => {
      refused = await ctx.authorize('net.fetch', 'https://evil.org/').catch((error: unknown) => error);
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const payload = { lease_request: { 'net.fetch': ['https://example.com/**'] } };
    await client.terminal(await client.accepted('it', {}, { payload }));
    expect(refused).toMatchObject({
      code: DENIED,
      retryable: false,
      details: { capability: 'net.fetch', target: 'https://evil.org/' },
    });
  });

  it('refuses what is no target with INVALID_ARGUMENT', async () => {
    const acts = [
      ['net.fetch', 'example.com'],
      ['net.fetch', 'https://me:pw@example.com/'],
      ['tool.call', ''],
    ] as const;
    expect(await answersTo(acts)).toEqual(acts.map(() => 'INVALID_ARGUMENT'));
  });

  it('refuses every act once the lease has run out, be the job slow to end', async () => {
    const codes: unknown[] = [];
    const agent = agentNamed('it', async (ctx) => {
      await untilAborted(ctx.signal).catch(() => undefined);
      for (const [capability, target] of ACTS) codes.push(await outcome(ctx.authorize(capability, target)));
    });
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    const payload = { lease_request: { expires_at: '2026-01-01T00:01:00Z' } };
    const jobId = await client.accepted('it', {}, { payload });
    await test.clock.advance(60_000);
    expect(await client.terminal(jobId)).toMatchObject({ payload: { code: 'LEASE_EXPIRED' } });
    expect(codes).toEqual(ACTS.map(() => 'LEASE_EXPIRED'));
  });

  it('refuses an agent that acts after its job has ended', async () => {
    let late: Promise<unknown> | undefined;
    let kept: JobContext | undefined;
    const agent = agentNamed('it', (ctx) => void (kept = ctx));
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    await client.terminal(await client.accepted('it'));
    late = kept?.authorize('fs.read', '/a');
    await expect(late).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    late = kept?.fs.readFile('/etc/hostname');
    await expect(late).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

describe('the worker profile of a job', () => {
  it('gates writing, the network and delegation by what its agent declares', async () => {
    const answers = ACTS.slice(0, 3);
    expect(await answersTo(answers, { profile: 'explore' })).toEqual(['/nowhere/a', DENIED, DENIED]);
    expect(await answersTo(answers, { profile: 'implementer' })).toEqual(TARGETS.slice(0, 3));
    const leaf: Profile = { role: 'general', max_spawn_depth: 0, tools: { explicit: ['web.search'] } };
    expect(
      await answersTo(
        [
          ['agent.delegate', 'asks'],
          ['tool.call', 'web.search'],
          ['tool.call', 'web.fetch'],
        ],
        { profile: leaf },
      ),
    ).toEqual([DENIED, 'web.search', DENIED]);
  });

  it('may be asked for by tool.invoke, and is then what both the agent and the request have', async () => {
    const acts = ACTS.slice(1, 3);
    const asked: Profile = { permissions: { write: true, network: false } };
    expect(await answersTo(acts, { asked })).toEqual(['/nowhere/a', DENIED]);
    expect(await answersTo(acts, { asked: 'general', profile: 'review' })).toEqual([DENIED, DENIED]);
  });

  it('that makes no sense is a job that is not accepted', async () => {
    await using test = bench({ agents: [asks()] });
    const client = await test.open();
    const id = client.invoke('asks', [], { payload: { profile: 'nobody' } });
    expect(await client.next('job.failed')).toMatchObject({
      correlation_id: id,
      payload: { code: 'INVALID_ARGUMENT', message: expect.stringContaining('profile') as string },
    });
  });

  it('is in the listings', async () => {
    const agent = agentNamed('it', () => 1, 'verifier');
    await using test = bench({ agents: [agent] });
    const client = await test.open();
    await client.terminal(await client.accepted('it'));
    client.send('session.list_jobs', {});
    const { payload } = await client.next('session.jobs');
    expect(payload).toMatchObject({
      jobs: [{ profile: { role: 'verifier', permissions: { write: false, network: false }, shell: 'full' } }],
    });
  });
});

describe('what a child may do (L4)', () => {
  const boss = (options: object, profile?: Profile) =>
    agentNamed(
      'boss',
      async (ctx, input) => {
        const child = await ctx.delegate('asks', { arguments: input, ...options });
        const ended = await child.outcome;
        return ended.status === 'completed' ? ended.value : ended;
      },
      profile,
    );

  async function childAnswers(
    options: object,
    setup: { lease?: object; boss?: Profile; child?: Profile } = {},
  ): Promise<unknown> {
    await using test = bench({ agents: [boss(options, setup.boss), asks(setup.child)] });
    const client = await test.open();
    const payload = setup.lease && { lease_request: setup.lease };
    const end = await client.terminal(await client.accepted('boss', ACTS.slice(0, 4), { payload }));
    return (end.payload as { readonly value?: unknown }).value ?? (end.payload as { code: string }).code;
  }

  it('is what its parent may, where it asks for nothing', async () => {
    const lease = { 'fs.read': ['/nowhere/**'], 'agent.delegate': ['asks'] };
    expect(await childAnswers({}, { lease })).toEqual(['/nowhere/a', DENIED, DENIED, DENIED]);
  });

  it('is what it asks for, within what its parent may', async () => {
    const lease = { 'fs.read': ['/nowhere/**'], 'tool.call': ['**'], 'agent.delegate': ['*'] };
    const leaseRequest = { 'fs.read': ['/nowhere/b'] };
    expect(await childAnswers({ leaseRequest }, { lease })).toEqual([DENIED, DENIED, DENIED, 'web.search']);
    const wider = { 'fs.read': ['/**'] };
    expect(await childAnswers({ leaseRequest: wider }, { lease })).toBe('LEASE_SUBSET_VIOLATION');
  });

  it('is refused where the parent may not delegate to it, by its lease or its depth', async () => {
    expect(await childAnswers({}, { lease: { 'agent.delegate': ['others'] } })).toBe(DENIED);
    expect(await childAnswers({}, { lease: { 'agent.delegate': ['asks@2.0.0'] } })).toBe(DENIED);
    expect(await childAnswers({}, { boss: { max_spawn_depth: 0 } })).toBe(DENIED);
  });

  it('is what the profiles of both have', async () => {
    const both = ['/nowhere/a', '/nowhere/a', 'https://example.com/a', 'web.search'];
    expect(await childAnswers({})).toEqual(both);
    const readOnly = ['/nowhere/a', DENIED, DENIED, 'web.search'];
    expect(await childAnswers({ profile: 'implementer' }, { boss: 'explore' })).toEqual(readOnly);
    expect(await childAnswers({ profile: 'review' })).toEqual(readOnly);
    expect(await childAnswers({}, { child: 'plan' })).toEqual(readOnly);
    expect(await childAnswers({ profile: 'general' }, { child: 'plan' })).toEqual(readOnly);
  });

  it('in the foreground is waited for by ctx.delegate', async () => {
    const order: string[] = [];
    const slow = agentNamed('slow', async () => {
      await Promise.resolve();
      order.push('child');
    });
    const parent = agentNamed('parent', async (ctx) => {
      await ctx.delegate('slow', { profile: { background: false } });
      order.push('parent');
    });
    await using test = bench({ agents: [slow, parent] });
    const client = await test.open();
    await client.terminal(await client.accepted('parent'));
    expect(order).toEqual(['child', 'parent']);
  });
});

describe('the model of a job', () => {
  const models = { default: 'acme/large', faster: { 'acme/large': 'acme/small' } };
  const uses = (profile?: Profile) =>
    agentNamed('uses', (ctx, input) => ctx.model.use((input as { model?: string }).model), profile);
  const delegates = (model: string | undefined, profile?: Profile) =>
    agentNamed('delegates', async (ctx) => {
      if (model !== undefined) await ctx.model.use(model);
      const child = await ctx.delegate('uses', { arguments: {}, ...(profile && { profile }) });
      const ended = await child.outcome;
      return ended.status === 'completed' ? ended.value : ended;
    });

  async function modelOf(
    agent: string,
    {
      model,
      lease,
      profile,
      below,
    }: { model?: string; lease?: object; profile?: Profile; below?: Profile } = {},
  ): Promise<unknown> {
    await using test = bench({ agents: [uses(profile), delegates(model, below)], models });
    const client = await test.open();
    const payload = lease && { lease_request: lease };
    const args = agent === 'uses' && model !== undefined ? { model } : {};
    const end = await client.terminal(await client.accepted(agent, args, { payload }));
    const { value, code } = end.payload as { readonly value?: { model: string }; readonly code?: string };
    return code ?? value?.model;
  }

  it('is by its route: the default, its faster sibling, or a certain one', async () => {
    expect(await modelOf('uses')).toBe('acme/large');
    expect(await modelOf('uses', { profile: { model: 'faster' } })).toBe('acme/small');
    expect(await modelOf('uses', { profile: { model: 'auto' } })).toBe('acme/small');
    const route: Exclude<ModelRoute, string> = { fixed: 'other/x' };
    expect(await modelOf('uses', { profile: { model: route } })).toBe('other/x');
  });

  it('is inherited from the parent, by the model that the parent uses', async () => {
    expect(await modelOf('delegates')).toBe('acme/large');
    expect(await modelOf('delegates', { model: 'other/x' })).toBe('other/x');
    expect(await modelOf('delegates', { below: { model: 'faster' } })).toBe('acme/small');
    expect(await modelOf('delegates', { model: 'other/x', below: { model: 'faster' } })).toBe('other/x');
  });

  it('has to be covered by the lease, with its provider', async () => {
    expect(await modelOf('uses', { lease: { model_use: ['acme/*'] } })).toBe('acme/large');
    expect(await modelOf('uses', { lease: { model_use: ['other/*'] } })).toBe(DENIED);
    expect(await modelOf('uses', { model: 'x', lease: { model_use: ['acme/*'] } })).toBe(DENIED);
    const profile: Profile = { provider: 'acme' };
    expect(await modelOf('uses', { model: 'x', profile, lease: { model_use: ['acme/*'] } })).toBe('x');
    expect(await modelOf('uses', { model: 'x', profile, lease: { model_use: ['x'] } })).toBe(DENIED);
  });

  it('is refused where none is known', async () => {
    await using test = bench({ agents: [uses()] });
    const client = await test.open();
    const end = await client.terminal(await client.accepted('uses', {}));
    expect(end.payload).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

describe('ctx.tools.call', () => {
  const add = defineTool<{ a: number; b: number }>({ name: 'math.add', run: ({ a, b }) => a + b });
  const fails = defineTool({
    name: 'math.fail',
    run: () => {
      throw new ArcpError('UNAVAILABLE', 'not now');
    },
  });
  const calls = agentNamed('calls', async (ctx, input) => {
    const { tool, args } = input as { tool: string; args: unknown };
    return outcome(ctx.tools.call(tool, args));
  });

  async function called(tool: string, lease?: object) {
    await using test = bench({ agents: [calls], tools: [add, fails] });
    const client = await test.open();
    const payload = lease && { lease_request: lease };
    const jobId = await client.accepted('calls', { tool, args: { a: 1, b: 2 } }, { payload });
    const end = await client.terminal(jobId);
    const told = client.seen('event.emit').map(({ payload }) => payload as { name: string; data: object });
    return { value: (end.payload as { value?: unknown }).value, told };
  }

  it('calls a tool of the runtime, and tells the call and its result', async () => {
    const { value, told } = await called('math.add', { 'tool.call': ['math.*'] });
    expect(value).toBe(3);
    const [call, result] = told;
    expect(call).toMatchObject({ name: 'tool_call', data: { tool: 'math.add', args: { a: 1, b: 2 } } });
    expect(result).toMatchObject({ name: 'tool_result', data: { result: 3 } });
    expect((result?.data as { call_id: string }).call_id).toBe((call?.data as { call_id: string }).call_id);
  });

  it('refuses a tool that the lease does not cover, and tells that; the job goes on (draft-1.1 §9)', async () => {
    const { value, told } = await called('math.add', { 'tool.call': ['web.*'] });
    expect(value).toBe(DENIED);
    expect(told.map(({ name }) => name)).toEqual(['tool_call', 'tool_result']);
    expect(told[1]).toMatchObject({ data: { error: { code: DENIED, retryable: false } } });
  });

  it('rejects with what the tool threw, and with NOT_FOUND where there is none', async () => {
    expect((await called('math.fail')).value).toBe('UNAVAILABLE');
    expect((await called('math.none')).value).toBe('NOT_FOUND');
  });

  it('is a table of names: one that is taken is refused', () => {
    expect(() => bench({ tools: [add, add] })).toThrow('twice');
    expect(() => defineTool({ name: 'web.*', run: () => 1 })).toThrow('not a tool name');
  });
});

describe('leases that are granted to a running job (RFC 0001 §15)', () => {
  const write = (ctx: JobContext) => outcome(ctx.authorize('fs.write', '/nowhere/a'));

  /** Asks for a lease, acts, waits for a sign, and acts again. */
  async function granted(then: (client: Awaited<ReturnType<typeof open>>) => Promise<void>) {
    const answers: unknown[] = [];
    let goOn: () => void = () => undefined;
    let acted: () => void = () => undefined;
    const second = new Promise<void>((resolve) => {
      acted = resolve;
    });
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const agent = agentNamed('it', async (ctx) => {
      answers.push(await write(ctx));
      await ctx.requestPermission({ permission: 'fs.write', resource: '/nowhere/*', leaseSeconds: 60 });
      answers.push(await write(ctx));
      acted();
      await gate;
      answers.push(await write(ctx));
    });
    await using test = bench({ agents: [agent], limits: { heartbeatIntervalMs: 86_400_000 } });
    const session = await open(test);
    await second;
    await then(session);
    goOn();
    await session.client.terminal(session.jobId);
    return answers;
  }

  async function open(test: ReturnType<typeof bench>) {
    const client = await test.open('ada', { extensions: ['arcpx.arcp.human.v1'] });
    const payload = { lease_request: { 'fs.read': ['/nowhere/**'] } };
    const jobId = await client.accepted('it', {}, { payload });
    const { id, payload: asked } = await client.next('permission.request');
    const { permission, resource, operation } = asked as Readonly<Record<string, unknown>>;
    client.send(
      'permission.grant',
      { permission, resource, operation, lease_seconds: 60 },
      { correlation_id: id, job_id: jobId },
    );
    const lease = await client.next('lease.granted');
    await test.clock.settle();
    return { test, client, jobId, leaseId: (lease.payload as { lease_id: string }).lease_id };
  }

  it('let it do what its own lease does not', async () => {
    expect(await granted(() => Promise.resolve())).toEqual([DENIED, '/nowhere/a', '/nowhere/a']);
  });

  it('end by themselves: LEASE_EXPIRED, and the job goes on', async () => {
    const answers = await granted(async ({ test }) => {
      await test.clock.advance(60_000);
    });
    expect(answers).toEqual([DENIED, '/nowhere/a', 'LEASE_EXPIRED']);
  });

  it('are extended by lease.refresh of their principal, which lease.extended answers', async () => {
    const answers = await granted(async ({ test, client, leaseId }) => {
      const other = await test.open('ada');
      const id = other.send('lease.refresh', { lease_id: leaseId, additional_seconds: 30 });
      const extended = {
        correlation_id: id,
        payload: { lease_id: leaseId, expires_at: '2026-01-01T00:01:30.000Z' },
      };
      expect(await other.next('lease.extended')).toMatchObject(extended);
      expect(await client.next('lease.extended')).toMatchObject(extended);
      await test.clock.advance(89_999);
    });
    expect(answers).toEqual([DENIED, '/nowhere/a', '/nowhere/a']);
  });

  it('are taken back by lease.revoked of their principal: LEASE_REVOKED, and no refresh brings them back', async () => {
    const answers = await granted(async ({ client, leaseId }) => {
      client.send('lease.revoked', { lease_id: leaseId, reason: 'enough' });
      expect(await client.next('lease.revoked')).toMatchObject({ payload: { reason: 'enough' } });
      const id = client.send('lease.refresh', { lease_id: leaseId, additional_seconds: 30 });
      expect(await client.next('nack')).toMatchObject({
        correlation_id: id,
        payload: { code: 'LEASE_REVOKED' },
      });
    });
    expect(answers).toEqual([DENIED, '/nowhere/a', 'LEASE_REVOKED']);
  });

  it('are for nobody else to touch, and unknown ones are nacked', async () => {
    const answers = await granted(async ({ test, leaseId }) => {
      const bob = await test.open('bob');
      for (const [type, payload] of [
        ['lease.revoked', { lease_id: leaseId, reason: 'mine' }],
        ['lease.refresh', { lease_id: leaseId, additional_seconds: 30 }],
      ] as const) {
        const id = bob.send(type, payload);
        expect(await bob.next('nack', (frame) => frame.correlation_id === id)).toMatchObject({
          payload: { code: DENIED },
        });
      }
      const id = bob.send('lease.refresh', { lease_id: 'lease_none', additional_seconds: 30 });
      expect(await bob.next('nack', (frame) => frame.correlation_id === id)).toMatchObject({
        payload: { code: 'NOT_FOUND' },
      });
    });
    expect(answers).toEqual([DENIED, '/nowhere/a', '/nowhere/a']);
  });
});
