/** Trust levels (RFC 0001 §15.6): what they decide, who may grant what, and elevation by a lease. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type ArcpError,
  anonymous,
  bearerTokens,
  defineAgent,
  TRUST,
  TRUST_LEVELS,
  type JobContext,
  type RuntimeOptions,
} from '../../../src/index.js';
import type { Logger } from '../../../src/index.js';
import { intersectPermissions, minShellPolicy } from '../../../src/protocol/worker-profile.js';
import { bench, type Bench } from '../bench.js';
import { DATA, lives, type Lives } from '../lives.js';
import type { RawClient } from '../raw-client.js';
import { asked, doing, verdict } from './asking.js';

const WRITE = { permission: 'fs.write', resource: '/data/**', operation: 'write' } as const;
const LIFT = { permission: 'trust.elevate.trusted', resource: '*', operation: '' } as const;

/** Principals named after their level; `root` is privileged. */
const levels = {
  scheme: 'level',
  authenticate: ({ token = '' }: { readonly token: string | undefined }) =>
    bearerTokens([
      ['out', 'out', 'untrusted'],
      ['mid', 'mid', 'constrained'],
      ['in', 'in', 'trusted'],
      ['root', 'root', 'privileged'],
      ['plain', 'plain'],
    ]).authenticate({ token, sessionId: '' }),
};

async function enter(test: Bench, principal: string): Promise<RawClient> {
  const client = test.raw();
  const auth = { scheme: 'level', token: principal };
  client.send('session.open', { auth, client: { kind: 'test', version: '0' } });
  const { payload } = await client.next('session.accepted');
  client.sessionId = payload.session_id;
  client.resumeToken = payload.resume_token ?? '';
  return client;
}

const grant = (client: RawClient, id: string, what: object): string =>
  client.send('permission.grant', { ...what, lease_seconds: 60 }, { correlation_id: id });

async function waiting(client: RawClient) {
  client.send('session.list_jobs', { filter: { waiting: true } });
  const { payload } = await client.next('session.jobs');
  return payload.jobs;
}

const leaf = defineAgent({ name: 'leaf', version: '1.0.0', run: () => 'leaf' });
/** Delegates as deep as it is told. */
const deep = defineAgent({
  name: 'deep',
  version: '1.0.0',
  profile: { max_spawn_depth: 8 },
  async run(input, ctx): Promise<unknown> {
    const { depth } = input as { depth: number };
    if (depth === 0) return 'bottom';
    try {
      const child = await ctx.delegate('deep', { arguments: { depth: depth - 1 } });
      const outcome = await child.outcome;
      return outcome.status === 'completed' ? outcome.value : outcome.status;
    } catch (error) {
      return (error as { code: string }).code;
    }
  },
});

describe('a trust level', () => {
  it.each([
    ['out', 'untrusted'],
    ['mid', 'constrained'],
    ['in', 'trusted'],
    ['root', 'privileged'],
    ['plain', 'trusted'],
  ])('comes with the principal, and its session is told: %s is %s', async (principal, level) => {
    await using test = bench({ authenticators: [levels] });
    const client = await enter(test, principal);
    const [accepted] = client.seen('session.accepted');
    expect(accepted?.payload).toMatchObject({ trust_level: level });
  });

  it('is what the runtime says of principals whose authenticator does not', async () => {
    await using test = bench({ trust: 'constrained', authenticators: [levels] });
    const client = test.raw();
    expect((await client.open('ada')).payload.trust_level).toBe('constrained');
    const nobody = await anonymous({ trust: 'untrusted' }).authenticate({
      token: undefined,
      sessionId: 'sess_1',
    });
    expect(nobody).toMatchObject({ trust: 'untrusted' });
  });

  it('has a rule, and less trust never means more', () => {
    const rules = TRUST_LEVELS.map((level) => TRUST[level]);
    for (const [at, rule] of rules.entries()) {
      const next = rules[at + 1];
      if (next === undefined) continue;
      expect(rule.delegationDepth).toBeLessThanOrEqual(next.delegationDepth);
      expect(Number(rule.grantsItself)).toBeLessThanOrEqual(Number(next.grantsItself));
      expect(Number(rule.approves)).toBeLessThanOrEqual(Number(next.approves));
      const { permissions, shell } = rule.ceiling;
      expect(intersectPermissions(permissions, next.ceiling.permissions)).toEqual(permissions);
      expect(minShellPolicy(shell, next.ceiling.shell)).toBe(shell);
      expect(rule.unnamed === 'allow' && next.unnamed === 'refuse').toBe(false);
    }
  });

  it.each([
    ['out', 1, 'PERMISSION_DENIED'],
    ['mid', 2, 'bottom'],
    ['mid', 3, 'PERMISSION_DENIED'],
    ['in', 8, 'bottom'],
  ])('bounds how deep jobs delegate: for %s, %i levels are %s', async (principal, depth, value) => {
    await using test = bench({ agents: [deep], authenticators: [levels] });
    const client = await enter(test, principal);
    const job = await client.accepted('deep', { depth });
    expect(await client.terminal(job)).toMatchObject({ payload: { value } });
  });

  it('bounds what a client adds to a job, too', async () => {
    await using test = bench({
      agents: [doing(() => new Promise(() => undefined)), leaf],
      authenticators: [levels],
    });
    const client = await enter(test, 'out');
    const job = await client.accepted('doing');
    const id = client.send('agent.delegate', { target: 'leaf', task: '' }, { job_id: job });
    expect(await client.next('job.failed', (frame) => frame.correlation_id === id)).toMatchObject({
      payload: { code: 'PERMISSION_DENIED', details: { trust_level: 'untrusted' } },
    });
  });
});

/** What the jobs of a principal are let do, of `acts`. */
async function letDo(ctx: JobContext, acts: readonly (readonly [string, string])[]) {
  const allowed: string[] = [];
  for (const [capability, target] of acts)
    await ctx.authorize(capability, target).then(
      () => allowed.push(capability),
      () => undefined,
    );
  const runs = (argv: readonly string[]): Promise<boolean> =>
    ctx.shell(argv).then(
      () => true,
      () => false,
    );
  return [...allowed, ...((await runs(['pwd'])) ? ['pwd'] : []), ...((await runs(['env'])) ? ['env'] : [])];
}

const ACTS = [
  ['fs.read', '/nowhere/a'],
  ['fs.write', '/nowhere/a'],
  ['net.fetch', 'https://example.com/a'],
  ['tool.call', 'web.search'],
] as const;
const LEASE = {
  'fs.read': ['/**'],
  'fs.write': ['/nowhere/**'],
  'net.fetch': ['https://example.com/**'],
};

describe('the ceiling of a trust level (T3)', () => {
  it.each([
    ['out', undefined, []],
    ['out', LEASE, ['fs.read']],
    ['mid', undefined, ['fs.read', 'fs.write', 'net.fetch', 'tool.call', 'pwd']],
    ['mid', LEASE, ['fs.read', 'fs.write', 'net.fetch', 'pwd']],
    ['in', undefined, ['fs.read', 'fs.write', 'net.fetch', 'tool.call', 'pwd', 'env']],
  ])(
    'is over the profiles and the leases of its jobs: %s under %j may %j',
    async (principal, lease, value) => {
      await using test = bench({ agents: [doing((ctx) => letDo(ctx, ACTS))], authenticators: [levels] });
      const client = await enter(test, principal);
      const job = await client.accepted('doing', {}, { payload: { ...(lease && { lease_request: lease }) } });
      expect(await client.terminal(job)).toMatchObject({ payload: { value } });
    },
  );

  it('is in the listing and in ctx.profile, and says so in a refusal', async () => {
    const agent = doing(async (ctx) => [
      ctx.profile.permissions,
      await ctx.authorize('fs.write', '/nowhere/a').catch((error: unknown) => (error as ArcpError).details),
    ]);
    await using test = bench({ agents: [agent], authenticators: [levels] });
    const client = await enter(test, 'out');
    const locked = { write: false, network: false };
    expect(await client.terminal(await client.accepted('doing'))).toMatchObject({
      payload: { value: [locked, { capability: 'fs.write', trust_level: 'untrusted' }] },
    });
    client.send('session.list_jobs', {});
    const { payload } = await client.next('session.jobs');
    expect(payload.jobs).toMatchObject([
      { profile: { role: 'general', permissions: locked, shell: 'none' } },
    ]);
  });

  it('is over a child as well, whatever its agent declares', async () => {
    const child = defineAgent({
      name: 'child',
      version: '1.0.0',
      profile: 'implementer',
      run: (_input, ctx) => letDo(ctx, ACTS),
    });
    const agent = doing(async (ctx) => await (await ctx.delegate('child')).outcome);
    await using test = bench({ agents: [agent, child], authenticators: [levels] });
    const client = await enter(test, 'mid');
    expect(await client.terminal(await client.accepted('doing'))).toMatchObject({
      payload: { value: { value: ['fs.read', 'fs.write', 'net.fetch', 'tool.call', 'pwd'] } },
    });
  });

  it('rises with an elevation, and falls with its end', async () => {
    let go: () => void = () => undefined;
    const agent = doing(async (ctx) => {
      const before = await letDo(ctx, ACTS);
      await ctx.requestPermission({ ...LIFT, leaseSeconds: 60 });
      const lifted = await letDo(ctx, ACTS);
      const gate = new Promise<void>((resolve) => (go = resolve));
      ctx.progress({ percent: 50 });
      await gate;
      return [before, lifted, await letDo(ctx, ACTS)];
    });
    await using test = bench({ agents: [agent], authenticators: [levels] });
    const owner = await enter(test, 'out');
    const root = await enter(test, 'root');
    const job = await owner.accepted('doing', {}, { payload: { lease_request: LEASE } });
    const { id } = await asked(owner, 'permission.request');
    await verdict(root, grant(root, id, LIFT));
    await owner.next('job.progress');
    await test.clock.advance(60_000);
    go();
    const lifted = ['fs.read', 'fs.write', 'net.fetch'];
    expect(await owner.terminal(job)).toMatchObject({
      payload: { value: [['fs.read'], lifted, ['fs.read']] },
    });
  });
});

describe('what a job asks to be allowed', () => {
  it.each(['out', 'mid'])(
    'cannot be granted by %s itself, but by somebody privileged, who sees it',
    async (principal) => {
      await using test = bench({
        agents: [doing((ctx) => ctx.requestPermission(WRITE))],
        authenticators: [levels],
      });
      const owner = await enter(test, principal);
      const root = await enter(test, 'root');
      const job = await owner.accepted('doing');
      const { id } = await asked(owner, 'permission.request');
      expect(await verdict(owner, grant(owner, id, WRITE))).toBe('PERMISSION_DENIED');
      expect(await waiting(root)).toMatchObject([{ job_id: job, waiting_for: [{ id, payload: WRITE }] }]);
      expect(await verdict(root, grant(root, id, WRITE))).toBe('ack');
      expect((await owner.next('permission.grant')).payload.granted_by).toBe('root');
      expect((await owner.terminal(job)).type).toBe('job.completed');
    },
  );

  it('is not the business of others who are trusted: they neither see nor answer it', async () => {
    await using test = bench({
      agents: [doing((ctx) => ctx.requestPermission(WRITE))],
      authenticators: [levels],
    });
    const owner = await enter(test, 'out');
    const other = await enter(test, 'in');
    await owner.accepted('doing');
    const { id } = await asked(owner, 'permission.request');
    expect(await waiting(other)).toEqual([]);
    expect(await verdict(other, grant(other, id, WRITE))).toBe('PERMISSION_DENIED');
  });

  it('is all that somebody privileged sees of the jobs of others', async () => {
    await using test = bench({
      agents: [
        doing((ctx) => Promise.all([ctx.ask('secret?', { default: 1 }), ctx.requestPermission(WRITE)])),
        leaf,
      ],
      authenticators: [levels],
    });
    const owner = await enter(test, 'in');
    const root = await enter(test, 'root');
    await owner.terminal(await owner.accepted('leaf'));
    await owner.accepted('doing');
    const question = await owner.next('event.emit');
    await asked(owner, 'permission.request');
    const [listed, ...rest] = await waiting(root);
    expect(rest).toEqual([]);
    expect(listed?.waiting_for?.map(({ type }) => type)).toEqual(['permission.request']);
    root.send('session.list_jobs', {});
    expect((await root.next('session.jobs')).payload.jobs).toEqual([]);
    const by = { responded_by: 'root', responded_at: '2026-01-01T00:00:00Z' };
    const sent = root.send('human.input.response', { value: 1, ...by }, { correlation_id: question.id });
    expect(await verdict(root, sent)).toBe('PERMISSION_DENIED');
  });
});

/** Asks to be lifted, and then delegates. */
const lifting = doing(
  async (ctx) => {
    await ctx.requestPermission({ ...LIFT, leaseSeconds: 60 });
    return (await ctx.delegate('leaf').catch((error: unknown) => error)) instanceof Error
      ? 'refused'
      : 'delegated';
  },
  { recovery: 'restart' },
);

describe('an elevation', () => {
  it('lifts the job while its lease lasts, and is told by a log and a metric', async () => {
    let go: () => void = () => undefined;
    const lines: Readonly<Record<string, unknown>>[] = [];
    const note = (fields: Readonly<Record<string, unknown>>, message: string): void => {
      lines.push({ ...fields, message });
    };
    const logger: Logger = { debug: note, info: note, warn: note, error: note };
    const agent = doing(async (ctx) => {
      await ctx.requestPermission({ ...LIFT, leaseSeconds: 60 });
      const first = await ctx.delegate('leaf').then(() => 'delegated');
      await new Promise<void>((resolve) => (go = resolve));
      const second = await ctx.delegate('leaf').catch((error: unknown) => (error as { code: string }).code);
      return [first, second];
    });
    await using test = bench({ agents: [agent, leaf], authenticators: [levels], logger });
    const owner = await enter(test, 'out');
    const root = await enter(test, 'root');
    const job = await owner.accepted('doing');
    const { id } = await asked(owner, 'permission.request');
    await verdict(root, grant(root, id, LIFT));
    const dims = { from: 'untrusted', to: 'trusted', granted_by: 'root' };
    expect((await owner.next('log')).payload).toMatchObject({ level: 'warn', attributes: dims });
    expect((await owner.next('metric')).payload).toMatchObject({ name: 'trust.elevation', value: 1, dims });
    expect(lines).toContainEqual(expect.objectContaining({ message: 'trust elevated', job, ...dims }));
    await test.clock.advance(60_000);
    go();
    expect(await owner.terminal(job)).toMatchObject({
      payload: { value: ['delegated', 'PERMISSION_DENIED'] },
    });
  });

  it('ends when its lease is revoked, and is extended by nobody who could not grant it', async () => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const agent = doing(async (ctx) => {
      await ctx.requestPermission({ ...LIFT, leaseSeconds: 60 });
      await ctx.delegate('leaf');
      await gate;
      return ctx.delegate('leaf').catch((error: unknown) => (error as { code: string }).code);
    });
    await using test = bench({ agents: [agent, leaf], authenticators: [levels] });
    const owner = await enter(test, 'out');
    const root = await enter(test, 'root');
    const job = await owner.accepted('doing');
    const { id } = await asked(owner, 'permission.request');
    await verdict(root, grant(root, id, LIFT));
    const { lease_id } = (await owner.next('lease.granted')).payload as { lease_id: string };
    await owner.next('job.completed', (frame) => frame.job_id !== job);
    const refresh = owner.send('lease.refresh', { lease_id, additional_seconds: 60 });
    expect(await verdict(owner, refresh)).toBe('PERMISSION_DENIED');
    owner.send('lease.revoked', { lease_id, reason: 'enough' });
    await owner.next('lease.revoked');
    go();
    expect(await owner.terminal(job)).toMatchObject({ payload: { value: 'PERMISSION_DENIED' } });
  });

  it('is granted by nobody for themselves, not even by who is trusted', async () => {
    const agent = doing((ctx) => ctx.requestPermission({ ...LIFT, permission: 'trust.elevate.privileged' }));
    await using test = bench({ agents: [agent], authenticators: [levels] });
    const owner = await enter(test, 'in');
    await owner.accepted('doing');
    const { id } = await asked(owner, 'permission.request');
    const what = { ...LIFT, permission: 'trust.elevate.privileged' };
    expect(await verdict(owner, grant(owner, id, what))).toBe('PERMISSION_DENIED');
    expect(owner.seen('lease.granted')).toEqual([]);
  });

  it.each([
    ['to a level that there is not', 'trust.elevate.god', 'INVALID_ARGUMENT'],
    ['to what the job is', 'trust.elevate.trusted', 'FAILED_PRECONDITION'],
  ])('is not asked for %s', async (_what, permission, code) => {
    const agent = doing((ctx) => ctx.requestPermission({ permission, resource: '*' }));
    await using test = bench({ agents: [agent], authenticators: [levels] });
    const owner = await enter(test, 'in');
    expect(await owner.terminal(await owner.accepted('doing'))).toMatchObject({ payload: { code } });
  });

  it('is not inherited: a child has its principal’s level', async () => {
    const parent = defineAgent({
      name: 'parent',
      version: '1.0.0',
      async run(_input, ctx) {
        await ctx.requestPermission({ ...LIFT, leaseSeconds: 60 });
        const outcome = await (await ctx.delegate('deep', { arguments: { depth: 1 } })).outcome;
        return outcome.status === 'completed' ? outcome.value : outcome.status;
      },
    });
    await using test = bench({ agents: [parent, deep], authenticators: [levels] });
    const owner = await enter(test, 'out');
    const root = await enter(test, 'root');
    const job = await owner.accepted('parent');
    const { id } = await asked(owner, 'permission.request');
    await verdict(root, grant(root, id, LIFT));
    expect(await owner.terminal(job)).toMatchObject({ payload: { value: 'PERMISSION_DENIED' } });
  });
});

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

describe.each(DATA)('with the %s store, when the process is killed', (_name, make) => {
  it('jobs and sessions keep their level, and an elevation lasts as long as its lease', async () => {
    const options: Omit<RuntimeOptions, 'clock' | 'store'> = {
      agents: [lifting, leaf],
      authenticators: [levels],
    };
    const all = (current = lives(make(), options));
    const first = await all.next();
    const owner = await enter(first, 'out');
    const root = await enter(first, 'root');
    const job = await owner.accepted('doing');
    const { id } = await asked(owner, 'permission.request');
    const second = await all.next();
    const back = second.raw();
    await back.resume(owner.resumeToken, owner.lastSeq);
    expect(await verdict(back, grant(back, id, LIFT))).toBe('PERMISSION_DENIED');
    const rootBack = second.raw();
    await rootBack.resume(root.resumeToken, root.lastSeq);
    expect(await verdict(rootBack, grant(rootBack, id, LIFT))).toBe('ack');
    const third = await all.next();
    const again = third.raw();
    await again.resume(back.resumeToken, back.lastSeq);
    await third.clock.advance(2_000);
    expect(await again.terminal(job)).toMatchObject({ payload: { value: 'delegated' } });
  });

  it.each([
    ['that was extended holds until its new end', { additional_seconds: 600 }, 'delegated'],
    ['that was taken back stays so', { reason: 'enough' }, 'refused'],
  ])('an elevation %s', async (_what, step, then) => {
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    const agent = doing(
      async (ctx) => {
        await ctx.requestPermission({ ...LIFT, leaseSeconds: 60 });
        await (ctx.attempt === 1 ? new Promise(() => undefined) : gate);
        return ctx.delegate('leaf').then(
          () => 'delegated',
          () => 'refused',
        );
      },
      { recovery: 'restart' },
    );
    const all = (current = lives(make(), { agents: [agent, leaf], authenticators: [levels] }));
    const first = await all.next();
    const owner = await enter(first, 'out');
    const root = await enter(first, 'root');
    const job = await owner.accepted('doing');
    const { id } = await asked(owner, 'permission.request');
    await verdict(root, grant(root, id, LIFT));
    const { lease_id } = (await owner.next('lease.granted')).payload as { lease_id: string };
    const isRevoked = 'reason' in step;
    root.send(isRevoked ? 'lease.revoked' : 'lease.refresh', { lease_id, ...step });
    await owner.next(isRevoked ? 'lease.revoked' : 'lease.extended');
    const second = await all.next();
    const back = second.raw();
    await back.resume(owner.resumeToken, owner.lastSeq);
    await second.clock.advance(120_000);
    go();
    expect(await back.terminal(job)).toMatchObject({ payload: { value: then } });
  });
});
