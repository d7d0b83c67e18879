/** Acts that a lease does not cover, of jobs that ask for them (`uncovered-acts.ts`). */
import { afterEach, describe, expect, it } from 'vitest';
import {
  ArcpError,
  defineAgent,
  defineTool,
  type DelegateOptions,
  type JobContext,
  type RuntimeOptions,
} from '../../src/index.js';
import { bench } from './bench.js';
import { DATA, lives, type Lives } from './lives.js';
import type { Payload } from '../../src/protocol/messages.js';
import type { RawClient } from './raw-client.js';
import { answer, asked, CAN_ANSWER, verdict } from './questions/asking.js';

const LEASE = { 'fs.read': ['/data/in/**'] };
const DENIED = 'PERMISSION_DENIED';

type Act = (ctx: JobContext) => Promise<unknown>;

const outcome = (act: Promise<unknown>): Promise<unknown> =>
  act.catch((error: unknown) => ArcpError.from(error).code);

const agentThat = (
  name: string,
  act: Act,
  more: Parameters<typeof defineAgent>[0] extends infer D ? Partial<D> : never = {},
) =>
  defineAgent({
    name,
    version: '1.0.0',
    uncoveredActs: 'ask',
    ...more,
    run: (_input, ctx) => act(ctx),
  } as Parameters<typeof defineAgent>[0]);

function grant(client: RawClient, id: string, payload: object, seconds = 60): string {
  return client.send('permission.grant', { ...payload, lease_seconds: seconds }, { correlation_id: id });
}

async function start(test: ReturnType<typeof bench>, payload: object = {}, principal = 'ada') {
  const client = await test.open(principal, CAN_ANSWER);
  const job = await client.accepted('it', {}, { payload: { lease_request: LEASE, ...payload } });
  return { client, job };
}

describe('an act that the lease does not cover', () => {
  it('becomes a request to the owner, and goes on when it is granted; what is covered is not asked for', async () => {
    const acts: Act = async (ctx) => [
      await ctx.authorize('fs.read', '/data/in/a'),
      await ctx.authorize('fs.write', '/data/out'),
      await ctx.authorize('fs.write', '/data/out'),
      await outcome(ctx.authorize('fs.write', '/data/out/other')),
    ];
    await using test = bench({ agents: [agentThat('it', acts)] });
    const { client, job } = await start(test);
    const { id, payload } = await asked(client, 'permission.request');
    expect(payload).toMatchObject({ permission: 'fs.write', resource: '/data/out' });
    expect(client.seen('job.heartbeat').at(-1)?.payload).toMatchObject({ state: 'blocked' });
    expect(await verdict(client, grant(client, id, payload))).toBe('ack');
    const second = await asked(client, 'permission.request');
    expect(second.payload.resource).toBe('/data/out/other');
    client.send('permission.deny', { ...second.payload, reason: 'no' }, { correlation_id: second.id });
    const value = ['/data/in/a', '/data/out', '/data/out', DENIED];
    expect(await client.terminal(job)).toMatchObject({ payload: { value } });
    expect(client.seen('lease.granted')).toHaveLength(1);
  });

  it('that is denied is PERMISSION_DENIED with the reason, and not asked for again (E3)', async () => {
    const acts: Act = async (ctx) => {
      const first = await ctx.authorize('fs.write', '/data/a').catch((error: unknown) => error);
      return [ArcpError.from(first).toPayload(), await outcome(ctx.authorize('fs.write', '/data/a'))];
    };
    await using test = bench({ agents: [agentThat('it', acts)] });
    const { client, job } = await start(test);
    const { id, payload } = await asked(client, 'permission.request');
    client.send('permission.deny', { ...payload, reason: 'not today' }, { correlation_id: id });
    expect(await client.terminal(job)).toMatchObject({
      payload: {
        value: [
          {
            code: DENIED,
            message: 'fs.write of /data/a: not today',
            details: { capability: 'fs.write', target: '/data/a' },
          },
          DENIED,
        ],
      },
    });
    expect(client.seen('permission.request')).toHaveLength(1);
  });

  it('is asked for again when its lease has run out, and not when that was revoked', async () => {
    let next: () => void = () => undefined;
    const acts: Act = async (ctx) => {
      const answers: unknown[] = [];
      for (let turn = 0; turn < 3; turn += 1) {
        answers.push(await outcome(ctx.authorize('fs.write', '/data/a')));
        const gate = new Promise<void>((resolve) => (next = resolve));
        ctx.progress({ percent: turn });
        await gate;
      }
      return answers;
    };
    await using test = bench({ agents: [agentThat('it', acts)] });
    const { client, job } = await start(test);
    const first = await asked(client, 'permission.request');
    grant(client, first.id, first.payload, 10);
    await client.next('job.progress');
    await client.next('lease.granted');
    await test.clock.advance(10_000);
    next();
    const second = await asked(client, 'permission.request');
    grant(client, second.id, second.payload, 10);
    const { lease_id } = (await client.next('lease.granted')).payload as { lease_id: string };
    await client.next('job.progress');
    client.send('lease.revoked', { lease_id, reason: 'enough' });
    await client.next('lease.revoked');
    next();
    await client.next('job.progress');
    next();
    expect(await client.terminal(job)).toMatchObject({
      payload: { value: ['/data/a', '/data/a', 'LEASE_REVOKED'] },
    });
    expect(client.seen('permission.request')).toHaveLength(2);
  });

  it('is asked for once by acts that come together', async () => {
    const acts: Act = (ctx) =>
      Promise.all([ctx.authorize('fs.write', '/data/a'), ctx.authorize('fs.write', '/data/a')]);
    await using test = bench({ agents: [agentThat('it', acts)] });
    const { client, job } = await start(test);
    const { id, payload } = await asked(client, 'permission.request');
    grant(client, id, payload);
    expect(await client.terminal(job)).toMatchObject({ payload: { value: ['/data/a', '/data/a'] } });
    expect(client.seen('permission.request')).toHaveLength(1);
  });

  it('is also a child that it asks for: the owner is asked, and the job goes on with the child when it is granted', async () => {
    const acts: Act = async (ctx) => {
      const [one, same] = await Promise.all([
        ctx.delegate('kid', { key: 'k' }),
        ctx.delegate('kid', { key: 'k' }),
      ]);
      const refusal = await outcome(ctx.delegate('other'));
      return [one.jobId === same.jobId, await one.outcome, refusal];
    };
    const kid = agentThat('kid', () => Promise.resolve('done'));
    const other = agentThat('other', () => Promise.resolve('never'));
    await using test = bench({ agents: [agentThat('it', acts), kid, other] });
    const { client, job } = await start(test, {
      lease_request: { ...LEASE, 'agent.delegate': ['nobody'] },
    });
    const { id, payload } = await asked(client, 'permission.request');
    expect(payload).toMatchObject({ permission: 'agent.delegate', resource: 'kid@1.0.0' });
    expect(client.seen('job.accepted')).toHaveLength(1);
    grant(client, id, payload);
    const second = await asked(client, 'permission.request');
    expect(second.payload.resource).toBe('other@1.0.0');
    client.send('permission.deny', { ...second.payload, reason: 'no' }, { correlation_id: second.id });
    expect(await client.terminal(job)).toMatchObject({
      payload: { value: [true, { status: 'completed', value: 'done' }, DENIED] },
    });
    expect(client.seen('permission.request')).toHaveLength(2);
    expect(client.seen('job.accepted')).toHaveLength(2);
    const refused = client.seen('event.emit').map(({ payload }) => payload as Payload<'event.emit'>);
    expect(refused.filter(({ name }) => name === 'agent.delegate.refused')).toMatchObject([
      { name: 'agent.delegate.refused', data: { target: 'other', code: DENIED } },
    ]);
  });

  it('is no child that could not be begun anyhow: nobody is asked for what is not hosted, or lies too deep', async () => {
    const acts: Act = async (ctx) => [
      await outcome(ctx.delegate('nobody')),
      await outcome(ctx.delegate('it')),
    ];
    await using test = bench({ agents: [agentThat('it', acts)], limits: { maxDelegationDepth: 0.5 } });
    const { client, job } = await start(test, { lease_request: { ...LEASE, 'agent.delegate': ['x'] } });
    expect(await client.terminal(job)).toMatchObject({ payload: { value: [DENIED, DENIED] } });
    expect(client.seen('permission.request')).toEqual([]);
  });

  it.each<[what: string, options: DelegateOptions]>([
    ['that asks for more than its parent has', { leaseRequest: { 'fs.read': ['/etc/**'] } }],
    ['with a budget that its parent does not have', { budget: ['USD:2.00'] }],
    ['under a lease that has run out', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['with a profile that is none', { profile: { role: 'boss' } as never }],
  ])('is no child %s: nobody is asked for it', async (_what, options) => {
    const kid = agentThat('kid', () => Promise.resolve('never'));
    const acts: Act = async (ctx) => outcome(ctx.delegate('kid', options));
    await using test = bench({ agents: [agentThat('it', acts), kid] });
    const lease = { ...LEASE, 'agent.delegate': ['nobody'], cost_budget: ['USD:1.00'] };
    const { client, job } = await start(test, { lease_request: lease });
    expect(await client.terminal(job)).toMatchObject({ type: 'job.completed' });
    expect(client.seen('permission.request')).toEqual([]);
    expect(client.seen('job.accepted')).toHaveLength(1);
  });

  it('is no child where no more may be launched', async () => {
    const kid = agentThat('kid', () => Promise.resolve('never'));
    const acts: Act = async (ctx) => outcome(ctx.delegate('kid'));
    await using test = bench({ agents: [agentThat('it', acts), kid] });
    const lease = { ...LEASE, 'agent.delegate': ['nobody'], cost_budget: ['launches:0'] };
    const { client, job } = await start(test, { lease_request: lease });
    expect(await client.terminal(job)).toMatchObject({ type: 'job.completed' });
    expect(client.seen('permission.request')).toEqual([]);
  });

  it('waits for whoever interrupts the job meanwhile, also when it is granted (E4)', async () => {
    const done: string[] = [];
    const acts: Act = async (ctx) => {
      done.push(await ctx.authorize('fs.write', '/data/a'));
      return ctx.guidance();
    };
    await using test = bench({ agents: [agentThat('it', acts)] });
    const { client, job } = await start(test);
    const { id, payload } = await asked(client, 'permission.request');
    const interrupt = client.send('interrupt', { target: 'job', target_id: job, prompt: 'Why?' });
    expect(await verdict(client, interrupt)).toBe('ack');
    const why = await asked(client, 'human.input.request');
    expect(await verdict(client, grant(client, id, payload))).toBe('ack');
    expect(done).toEqual([]);
    expect(client.story(job)).not.toContain('job.completed');
    answer(client, why.id, 'so');
    expect(await client.terminal(job)).toMatchObject({
      payload: { value: [{ prompt: 'Why?', value: 'so' }] },
    });
    expect(done).toEqual(['/data/a']);
  });

  it('is also a call of a tool, a model and a program that reads', async () => {
    const tool = defineTool({ name: 'text.trim', run: () => 'trimmed' });
    const acts: Act = async (ctx) => [
      await ctx.tools.call('text.trim'),
      (await ctx.model.use('acme/large')).model,
      (await ctx.shell(['wc', '-c', '/dev/null'])).exitCode,
    ];
    await using test = bench({ agents: [agentThat('it', acts, { profile: 'explore' })], tools: [tool] });
    const { client, job } = await start(test, { lease_request: { ...LEASE, 'model.use': ['acme/small'] } });
    const permissions: string[] = [];
    for (let count = 0; count < 4; count += 1) {
      const { id, payload } = await asked(client, 'permission.request');
      permissions.push(payload.permission);
      grant(client, id, payload);
    }
    expect(permissions).toEqual(['tool.call', 'model.use', 'fs.read', 'fs.read']);
    expect(await client.terminal(job)).toMatchObject({ payload: { value: ['trimmed', 'acme/large', 0] } });
  });
});

describe('nothing is asked', () => {
  it.each<
    [
      what: string,
      options: Partial<RuntimeOptions>,
      agent: 'ask' | 'refuse' | undefined,
      asked: string | undefined,
      asks: boolean,
    ]
  >([
    ['where nobody wants it', {}, undefined, undefined, false],
    ['unless the runtime says so', { uncoveredActs: 'ask' }, undefined, undefined, true],
    ['where the agent says otherwise', { uncoveredActs: 'ask' }, 'refuse', undefined, false],
    ['unless the request says so', {}, 'refuse', 'ask', true],
    ['where the request says otherwise', { uncoveredActs: 'ask' }, 'ask', 'refuse', false],
  ])('%s (E1)', async (_what, options, uncoveredActs, wish, asks) => {
    const agent = defineAgent({
      name: 'it',
      version: '1.0.0',
      ...(uncoveredActs && { uncoveredActs }),
      run: (_input, ctx) => outcome(ctx.authorize('fs.write', '/data/a')),
    });
    await using test = bench({ agents: [agent], ...options });
    const { client, job } = await start(test, wish === undefined ? {} : { uncovered_acts: wish });
    if (asks) {
      const { id, payload } = await asked(client, 'permission.request');
      grant(client, id, payload);
    }
    const value = asks ? '/data/a' : DENIED;
    expect(await client.terminal(job)).toMatchObject({ payload: { value } });
  });

  it.each<[what: string, act: Act]>([
    ['for what the profile does not have', (ctx) => ctx.authorize('net.fetch', 'https://example.com/')],
    ['for a name with a star, which no pattern says', (ctx) => ctx.authorize('fs.read', '/data/*')],
  ])('%s (E2)', async (_what, act) => {
    const agent = agentThat('it', (ctx) => outcome(act(ctx)), { profile: 'explore' });
    await using test = bench({ agents: [agent] });
    const { client, job } = await start(test);
    expect(await client.terminal(job)).toMatchObject({ payload: { value: DENIED } });
    expect(client.seen('permission.request')).toEqual([]);
  });

  it('of a child that a job above it may not do by its own lease; what that may do is asked for (L4)', async () => {
    const child = agentThat('child', async (ctx) => [
      await outcome(ctx.authorize('fs.write', '/data/out')),
      await outcome(ctx.authorize('fs.read', '/data/in/b')),
    ]);
    const parent = agentThat('it', async (ctx) => {
      await ctx.authorize('fs.write', '/data/out');
      const leaseRequest = { 'fs.read': ['/data/in/a'] };
      return await (
        await ctx.delegate('child', { leaseRequest })
      ).outcome;
    });
    await using test = bench({ agents: [parent, child] });
    const lease = { ...LEASE, 'agent.delegate': ['**'] };
    const { client, job } = await start(test, { lease_request: lease });
    const first = await asked(client, 'permission.request');
    grant(client, first.id, first.payload);
    const second = await asked(client, 'permission.request');
    expect(second.payload).toMatchObject({ permission: 'fs.read', resource: '/data/in/b' });
    grant(client, second.id, second.payload);
    expect(await client.terminal(job)).toMatchObject({
      payload: { value: { value: [DENIED, '/data/in/b'] } },
    });
    expect(client.seen('permission.request')).toHaveLength(2);
  });
});

let current: Lives | undefined;
afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, when the process is killed', (_name, make) => {
  it('what was asked for is still open, and a denial or a grant holds for the next attempt', async () => {
    const acts: Act = async (ctx) => {
      const answers = [
        await outcome(ctx.authorize('fs.write', '/data/a')),
        await outcome(ctx.authorize('fs.write', '/data/b')),
      ];
      await ctx.ask('Go on?');
      return answers;
    };
    const all = (current = lives(make(), { agents: [agentThat('it', acts, { recovery: 'restart' })] }));
    const first = await all.next();
    const { client, job } = await start(first);
    const one = await asked(client, 'permission.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(client.resumeToken, client.lastSeq);
    expect(await verdict(back, grant(back, one.id, one.payload))).toBe('ack');
    await second.clock.advance(2_000);
    const two = await asked(back, 'permission.request');
    expect(two.payload.resource).toBe('/data/b');
    back.send('permission.deny', { ...two.payload, reason: 'no' }, { correlation_id: two.id });
    const question = await asked(back, 'human.input.request');
    const third = await all.next();
    const again = third.raw();
    await again.resume(back.resumeToken, back.lastSeq);
    again.send(
      'human.input.response',
      { value: 'yes', responded_by: 'ada', responded_at: '2026-01-01T00:00:00Z' },
      { correlation_id: question.id },
    );
    await third.clock.advance(4_000);
    expect(await again.terminal(job)).toMatchObject({ payload: { value: ['/data/a', DENIED] } });
    expect(again.seen('permission.request')).toEqual([]);
  });
});
