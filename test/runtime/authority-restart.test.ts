/** What a job may do is the same after the process was killed: the leases that it was granted, and its profile (U3, L1). */
import { afterEach, describe, expect, it } from 'vitest';
import { defineAgent, type JobContext } from '../../src/index.js';
import type { LeaseId } from '../../src/runtime/job-authority.js';
import { DATA, lives, type Lives } from './lives.js';
import { asked, CAN_ANSWER, verdict } from './questions/asking.js';
import type { RawClient } from './raw-client.js';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** The code of what refuses, or `done`. */
const outcome = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (error as { code: string }).code,
  );

/** An agent that lends its context to the test, in each of its attempts. */
class Lent {
  #lend: (ctx: JobContext) => void = () => undefined;
  #next!: Promise<JobContext>;
  readonly agent = this.declaring();

  constructor() {
    this.#expect();
  }

  declaring(profile?: Parameters<typeof defineAgent>[0]['profile']) {
    return defineAgent({
      name: 'lends',
      version: '1.0.0',
      recovery: 'restart',
      ...(profile === undefined ? {} : { profile }),
      run: (_input, ctx) => {
        this.#lend(ctx);
        return new Promise((_resolve, reject) => {
          ctx.signal.addEventListener('abort', () => {
            reject(ctx.signal.reason as Error);
          });
        });
      },
    });
  }

  #expect(): void {
    this.#next = new Promise((resolve) => (this.#lend = resolve));
  }

  /** The context of the attempt that begins next. */
  async context(): Promise<JobContext> {
    const ctx = await this.#next;
    this.#expect();
    return ctx;
  }
}

let current: Lives | undefined;

afterEach(async () => {
  await current?.end();
});

/** The next life from so many milliseconds after the start on, with the client of the last one; its jobs go on. */
async function nextLife(all: Lives, client: RawClient, at: number) {
  const life = await all.next({}, START + at);
  const back = life.raw();
  await back.resume(client.resumeToken, client.lastSeq);
  await life.clock.advance(1_000);
  return { life, client: back };
}

async function listed(client: RawClient) {
  const id = client.send('session.list_jobs', {});
  return (await client.next('session.jobs', (frame) => frame.correlation_id === id)).payload.jobs;
}

describe.each(DATA)('on %s, after a restart', (_name, make) => {
  /** Has the job granted a lease for a minute. */
  async function lease(ctx: JobContext, client: RawClient, resource: string): Promise<LeaseId> {
    const what = { permission: 'fs.write', resource, operation: 'write' } as const;
    const requested = ctx.requestPermission(what);
    const { id } = await asked(client, 'permission.request');
    const grant = { ...what, lease_seconds: 60 };
    await verdict(client, client.send('permission.grant', grant, { correlation_id: id }));
    return (await requested).leaseId as LeaseId;
  }

  async function refresh(client: RawClient, lease_id: LeaseId, additional_seconds: number) {
    return client.answerTo(client.send('lease.refresh', { lease_id, additional_seconds }));
  }

  /** A job with three leases of a minute, of which one is extended by a minute and one is revoked. */
  async function begun() {
    const lent = new Lent();
    const all = (current = lives(make(), { agents: [lent.agent], limits: { restartBackoffMs: 1 } }));
    const client = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await client.accepted('lends', {}, { payload: { lease_request: { 'fs.read': ['/**'] } } });
    const ctx = await lent.context();
    const ids = {
      extended: await lease(ctx, client, '/nowhere/extended'),
      revoked: await lease(ctx, client, '/nowhere/revoked'),
      plain: await lease(ctx, client, '/nowhere/plain'),
    };
    expect(await refresh(client, ids.extended, 60)).toMatchObject({
      type: 'lease.extended',
      payload: { expires_at: '2026-01-01T00:02:00.000Z' },
    });
    client.send('lease.revoked', { lease_id: ids.revoked, reason: 'enough' });
    await client.next('lease.revoked');
    return { lent, all, client, job, ids };
  }

  /** What comes of an act under each of the leases, and under none. */
  async function acts(ctx: JobContext) {
    const act = (name: string) => outcome(ctx.authorize('fs.write', `/nowhere/${name}`));
    return Promise.all(['extended', 'revoked', 'plain', 'never'].map(act));
  }

  it('leases hold as long as they were granted or extended, to the millisecond, and those revoked stay so', async () => {
    const { lent, all, client } = await begun();
    const second = await nextLife(all, client, MINUTE - 2_000);
    const again = await lent.context();
    expect(again.attempt).toBe(2);
    expect(await acts(again)).toEqual(['done', 'LEASE_REVOKED', 'done', 'PERMISSION_DENIED']);
    await second.life.clock.advance(999);
    expect(await acts(again)).toEqual(['done', 'LEASE_REVOKED', 'done', 'PERMISSION_DENIED']);
    await second.life.clock.advance(1);
    expect(await acts(again)).toEqual(['done', 'LEASE_REVOKED', 'LEASE_EXPIRED', 'PERMISSION_DENIED']);
    const third = await nextLife(all, second.client, 2 * MINUTE - 1_001);
    const last = await lent.context();
    expect(await acts(last)).toEqual(['done', 'LEASE_REVOKED', 'LEASE_EXPIRED', 'PERMISSION_DENIED']);
    await third.life.clock.advance(1);
    expect(await acts(last)).toEqual([
      'LEASE_EXPIRED',
      'LEASE_REVOKED',
      'LEASE_EXPIRED',
      'PERMISSION_DENIED',
    ]);
  });

  it('leases are extended and revoked as before, and what that changes lasts for another life', async () => {
    const { lent, all, client, ids } = await begun();
    const second = await nextLife(all, client, 90_000);
    await lent.context();
    expect(await refresh(second.client, ids.revoked, 60)).toMatchObject({
      type: 'nack',
      payload: { code: 'LEASE_REVOKED' },
    });
    // One that has run out holds from now on.
    expect(await refresh(second.client, ids.plain, 60)).toMatchObject({
      type: 'lease.extended',
      payload: { lease_id: ids.plain, expires_at: '2026-01-01T00:02:31.000Z' },
    });
    second.client.send('lease.revoked', { lease_id: ids.extended, reason: 'no more' });
    await second.client.next('lease.revoked');
    await nextLife(all, second.client, 100_000);
    const last = await lent.context();
    expect(await acts(last)).toEqual(['LEASE_REVOKED', 'LEASE_REVOKED', 'done', 'PERMISSION_DENIED']);
  });

  it('leases of a job that has ended are gone', async () => {
    const { all, client, job, ids } = await begun();
    client.send('cancel', { target: 'job', target_id: job });
    await client.terminal(job);
    const second = await nextLife(all, client, MINUTE);
    expect(await refresh(second.client, ids.plain, 60)).toMatchObject({
      type: 'nack',
      payload: { code: 'NOT_FOUND' },
    });
  });

  it('a job has the profile that it had, whatever its agent declares by now, and so do listings of it', async () => {
    const profile = {
      role: 'verifier',
      permissions: { write: true, network: false },
      shell: 'none',
      tools: { explicit: ['math.add'] },
      max_spawn_depth: 1,
    } as const;
    const lent = new Lent();
    const all = (current = lives(make(), { agents: [lent.agent], limits: { restartBackoffMs: 1 } }));
    const first = await (await all.next()).open('ada', CAN_ANSWER);
    const job = await first.accepted('lends', {}, { payload: { profile } });
    const ctx = await lent.context();
    expect(ctx.profile).toMatchObject(profile);
    const before = await listed(first);
    const { role, permissions, shell } = profile;
    expect(before).toMatchObject([{ job_id: job, profile: { role, permissions, shell } }]);
    const answers = async (ctx: JobContext) => [
      await outcome(ctx.authorize('fs.write', '/nowhere/a')),
      await outcome(ctx.authorize('net.fetch', 'https://example.com/')),
      await outcome(ctx.authorize('tool.call', 'math.add')),
      await outcome(ctx.authorize('tool.call', 'math.sub')),
      await outcome(ctx.shell(['true'])),
      await outcome(ctx.authorize('agent.delegate', 'lends')),
    ];
    const [allowed, denied] = ['done', 'PERMISSION_DENIED'];
    const expected = [allowed, denied, allowed, denied, denied, allowed];
    expect(await answers(ctx)).toEqual(expected);
    const life = await all.next({ agents: [lent.declaring('general')] });
    const client = life.raw();
    await client.resume(first.resumeToken, first.lastSeq);
    await life.clock.advance(1_000);
    const again = await lent.context();
    expect(again.jobId).toBe(job);
    expect(again.profile).toEqual(ctx.profile);
    expect(await answers(again)).toEqual(expected);
    expect(await listed(client)).toMatchObject([{ profile: before[0]?.profile }]);
    await again.delegate('lends');
    const child = await lent.context();
    expect(child.parentJobId).toBe(job);
    expect(await answers(child)).toEqual([allowed, denied, allowed, denied, denied, denied]);
  });
});
