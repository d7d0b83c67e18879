/** Credentials of jobs, issued by a real gateway: who gets them, who never sees them, and that none outlives its job. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineAgent, sqliteStore, type LogFields } from '../../src/index.js';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { bench } from './bench.js';
import { Gateway } from './gateway.js';
import { DATA, lives } from './lives.js';
import type { RawClient } from './raw-client.js';

const LEASE = {
  cost_budget: ['USD:0.30', 'credits:5'],
  model_use: ['gpt-5*'],
  expires_at: '2026-01-01T01:00:00Z',
};
const TAKES = { provisioned_credentials: true };
const leased = { payload: { lease_request: LEASE } };

const waiting = (name: string, recovery: 'fail' | 'restart') =>
  defineAgent({
    name,
    version: '1.0.0',
    recovery,
    run: (_input, ctx) =>
      new Promise((_resolve, reject) =>
        ctx.signal.addEventListener('abort', () => {
          reject(ctx.signal.reason as Error);
        }),
      ),
  });
const wait = waiting('wait', 'restart');
const quick = defineAgent({ name: 'quick', version: '1.0.0', run: () => 'done' });

let gateway: Gateway;

beforeEach(async () => {
  gateway = await Gateway.start();
});

afterEach(() => {
  gateway.close();
});

const credentials = () => gateway.credentials;

/** What happens outside of the fake clock has happened. */
async function until(condition: () => boolean): Promise<void> {
  for (let patience = 0; patience < 2_000 && !condition(); patience += 1)
    await new Promise((resolve) => setImmediate(resolve));
  expect(condition()).toBe(true);
}

describe('a job with a lease', () => {
  it('is accepted with a credential of its own, bounded as its lease is, digit for digit', async () => {
    await using test = bench({ agents: [wait], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    const id = client.invoke('wait', {}, leased);
    const { payload } = await client.next('job.accepted', (frame) => frame.correlation_id === id);
    const [secret] = gateway.keys.keys();
    expect(payload.credentials).toEqual([
      {
        id: expect.stringMatching(/^cred_/) as string,
        scheme: 'bearer',
        value: secret,
        endpoint: gateway.url,
        constraints: {
          'cost.budget': ['USD:0.3', 'credits:5'],
          'model.use': ['gpt-5*'],
          expires_at: '2026-01-01T01:00:00.000Z',
        },
      },
    ]);
    const key = gateway.keys.get(secret ?? '');
    expect(key?.request).toMatchObject({
      models: ['gpt-5*'],
      duration: '3600s',
      metadata: { principal: 'ada', agent: 'wait@1.0.0' },
    });
    expect(key?.text).toContain('"max_budget":0.3}');
  });

  it('without a lease, or of a client that does not take credentials, gets none', async () => {
    await using test = bench({ agents: [quick], credentials: credentials() });
    const [takes, other] = [await test.open('ada', TAKES), await test.open('ada')];
    await takes.terminal(await takes.accepted('quick'));
    await other.terminal(await other.accepted('quick', {}, leased));
    expect(gateway.keys.size).toBe(0);
    expect(gateway.revoked).toEqual([]);
    for (const client of [takes, other]) expect(JSON.stringify(client.frames)).not.toContain('sk-virtual');
  });

  it('loses its credential with its end, whatever that is', async () => {
    await using test = bench({ agents: [wait, quick], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    await client.terminal(await client.accepted('quick', {}, leased));
    await until(() => gateway.revoked.length === 1);
    const cancelled = await client.accepted('wait', {}, leased);
    client.send('cancel', { target: 'job', target_id: cancelled });
    await client.terminal(cancelled);
    await until(() => gateway.revoked.length === 2);
    const expiring = await client.accepted('wait', {}, leased);
    await test.clock.advance(3_600_000);
    expect(await client.terminal(expiring)).toMatchObject({ payload: { code: 'LEASE_EXPIRED' } });
    await until(() => gateway.revoked.length === 3);
    expect(gateway.keys.size).toBe(0);
  });

  it('is refused without being accepted when the gateway does not issue, and nothing is left there', async () => {
    await using test = bench({ agents: [quick], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    gateway.failures.set('/key/generate', { status: 500, times: 1 });
    const id = client.invoke('quick', {}, { ...leased, idempotency_key: 'once' });
    const refused = await client.next('job.failed');
    expect(refused).toMatchObject({
      correlation_id: id,
      payload: { code: 'UNAVAILABLE', message: 'the credential of the job could not be issued' },
    });
    expect(client.seen('job.accepted')).toEqual([]);
    // The key stands for nothing: the same request may be tried again.
    const jobId = await client.accepted('quick', {}, { ...leased, idempotency_key: 'once' });
    await client.terminal(jobId);
  });

  it('asked for twice under one key while it waits for its credential is one job', async () => {
    await using test = bench({ agents: [wait], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    const extra = { ...leased, idempotency_key: 'once' };
    const ids = [client.invoke('wait', {}, extra), client.invoke('wait', {}, extra)];
    const jobs = [];
    for (const id of ids) {
      const { payload } = await client.next('job.accepted', (frame) => frame.correlation_id === id);
      jobs.push(payload.job_id);
      expect(payload.credentials).toHaveLength(1);
    }
    expect(new Set(jobs).size).toBe(1);
    expect(gateway.keys.size).toBe(1);
  });
});

describe('the value of a credential', () => {
  it('is seen by the session that asked, also when it resumes, and by no other of the same principal', async () => {
    await using test = bench({ agents: [wait], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    const other = await test.open('ada', TAKES);
    other.send('subscribe', { filter: {} });
    await other.next('subscribe.accepted');
    const jobId = await client.accepted('wait', {}, leased);
    other.send('job.subscribe', { job_id: jobId, history: true });
    other.send('session.list_jobs', {});
    await other.next('session.jobs');
    await test.clock.settle();
    expect(other.story(jobId)).toContain('job.accepted');
    expect(JSON.stringify(other.frames)).not.toContain('sk-virtual');
    client.wire.destroy();
    const again = test.raw();
    await again.resume(client.resumeToken, 0);
    const { payload } = await again.next('job.accepted');
    expect(payload.credentials?.[0]?.value).toBe([...gateway.keys.keys()][0]);
  });

  it('is in no file and in no log line, and neither is the master key', async () => {
    const lines: string[] = [];
    const note = (fields: LogFields, message: string): void =>
      void lines.push(JSON.stringify({ fields, message }));
    const logger = { debug: note, info: note, warn: note, error: note };
    const folder = mkdtempSync(join(tmpdir(), 'arcp-credentials-'));
    try {
      const store = sqliteStore({ folder });
      const life = bench({ agents: [quick, wait], store, credentials: credentials(), logger });
      await life.runtime.recover();
      const client = await life.open('ada', TAKES);
      await client.accepted('wait', {}, leased);
      gateway.failures.set('/key/generate', { status: 500, times: 1 });
      client.invoke('quick', {}, leased);
      await client.next('job.failed');
      await life.clock.settle();
      const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) =>
        one.isFile(),
      );
      const written = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
      expect(written.length).toBeGreaterThan(0);
      expect(written.join('')).toContain('job.accepted');
      for (const text of [...written, ...lines]) expect(text).not.toMatch(/sk-virtual|sk-master/);
      await life.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('an occurrence of a schedule', () => {
  const command = { type: 'tool.invoke', payload: { tool: 'wait', arguments: {}, lease_request: LEASE } };

  async function scheduled(client: RawClient, when: object, job: object = command): Promise<void> {
    const id = client.send('job.schedule', { job, when });
    expect(await client.said(id)).toMatchObject({ type: 'ack' });
  }

  /** What a subscription tells of. */
  const watched = (type: string) => (frame: AnyEnvelope) =>
    frame.type === 'subscribe.event' && frame.payload.event['type'] === type;

  it('has a credential for the session that scheduled it, each one its own (X5)', async () => {
    await using test = bench({ agents: [wait], credentials: credentials() });
    const [client, other] = [await test.open('ada', TAKES), await test.open('ada', TAKES)];
    other.send('subscribe', { filter: {} });
    await other.next('subscribe.accepted');
    const rule = { every: 'FREQ=MINUTELY;COUNT=2' };
    await scheduled(client, rule);
    const told: unknown[] = [];
    for (const wanted of [1, 2]) {
      await test.clock.advance(wanted === 1 ? 0 : 60_000);
      await until(() => client.seen('job.accepted').length === wanted);
      const { payload } = await client.next('job.accepted');
      told.push(payload.credentials?.[0]?.value);
    }
    expect(new Set(told)).toEqual(new Set(gateway.keys.keys()));
    expect(told).toHaveLength(2);
    expect(other.seen(watched('job.accepted'))).toHaveLength(2);
    expect(JSON.stringify(other.frames)).not.toContain('sk-virtual');
  });

  it('has one that its session takes when it resumes', async () => {
    await using test = bench({ agents: [wait], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    await scheduled(client, { after: 60 });
    client.wire.destroy();
    await test.clock.advance(60_000);
    await until(() => gateway.keys.size === 1);
    const again = test.raw();
    await again.resume(client.resumeToken, 0);
    const { payload } = await again.next('job.accepted');
    expect(payload.credentials?.[0]?.value).toBe([...gateway.keys.keys()][0]);
  });

  it('has none where its session is gone or does not take any, and is no less a job', async () => {
    const limits = { resumeWindowMs: 1_000 };
    await using test = bench({ agents: [quick], credentials: credentials(), limits });
    const [gone, takesNone] = [await test.open('ada', TAKES), await test.open('ada')];
    const later = await test.open('ada', TAKES);
    later.send('subscribe', { filter: {} });
    await later.next('subscribe.accepted');
    const job = { ...command, payload: { ...command.payload, tool: 'quick' } };
    await scheduled(gone, { after: 60 }, job);
    await scheduled(takesNone, { after: 60 }, job);
    gone.wire.destroy();
    await test.clock.advance(60_000);
    for (const _ of [1, 2])
      expect(await later.next('subscribe.event', watched('job.completed'))).toBeDefined();
    expect(gateway.generated).toEqual([]);
  });

  it('begins without one where its session ends while it is issued, and nothing is left', async () => {
    await using test = bench({ agents: [quick], credentials: credentials() });
    const [client, later] = [await test.open('ada', TAKES), await test.open('ada', TAKES)];
    later.send('subscribe', { filter: {} });
    await later.next('subscribe.accepted');
    const job = { ...command, payload: { ...command.payload, tool: 'quick' } };
    await scheduled(client, { after: 60 }, job);
    const closing = test.clock.advance(60_000);
    client.send('session.close', {});
    await closing;
    await later.next('subscribe.event', watched('job.completed'));
    await until(() => gateway.keys.size === 0);
    expect(gateway.revoked).toHaveLength(gateway.generated.length);
  });

  it('waits for the gateway, and has one credential in the end (H3)', async () => {
    await using test = bench({ agents: [wait], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    await scheduled(client, { after: 60 });
    const failure = { status: 503, times: 1 };
    gateway.failures.set('/key/generate', failure);
    await test.clock.advance(60_000);
    await until(() => failure.times === 0);
    expect(client.seen('job.accepted')).toEqual([]);
    await until(() => test.clock.pending > 0);
    await test.clock.advance(60_000);
    const { payload } = await client.next('job.accepted');
    expect(payload.credentials).toHaveLength(1);
    expect(gateway.keys.size).toBe(1);
  });
});

describe('a credential that cannot be revoked', () => {
  it('is tried again, later and later, until it is gone', async () => {
    await using test = bench({ agents: [quick], credentials: credentials() });
    const client = await test.open('ada', TAKES);
    const failure = { status: 503, times: 0 };
    gateway.failures.set('/key/delete', failure);
    const jobId = await client.accepted('quick', {}, leased);
    failure.times = 3;
    await client.terminal(jobId);
    for (let left = 2; left >= 0; left -= 1) {
      await until(() => failure.times <= left);
      expect(gateway.revoked).toEqual([]);
      await until(() => test.clock.pending > 0);
      await test.clock.advance(1_000 * 2 ** (2 - left));
    }
    await until(() => gateway.revoked.length === 1);
  });
});

describe.each(DATA)('with the %s store, after the process was killed', (_name, make) => {
  it('what belongs to a job that is gone is revoked, and a job that goes on has a fresh value', async () => {
    const all = lives(make(), { agents: [wait, waiting('mortal', 'fail')], credentials: credentials() });
    try {
      const client = await (await all.next()).open('ada', TAKES);
      await client.accepted('mortal', {}, leased);
      const jobId = await client.accepted('wait', {}, leased);
      await client.next('job.started', (frame) => frame.job_id === jobId);
      const before = [...gateway.keys.keys()];
      const second = await all.next();
      await until(() => gateway.revoked.length === 2 && gateway.keys.size === 1);
      expect(new Set(gateway.revoked)).toEqual(new Set(before));
      const again = second.raw();
      await again.resume(client.resumeToken, 0);
      const [fresh] = gateway.keys.keys();
      const { payload } = await again.next('job.accepted', (frame) => frame.job_id === jobId);
      expect(payload.credentials?.[0]?.value).toBe(fresh);
      const rotated = await again.next(
        'event.emit',
        ({ payload: { name } }) => name === 'credential_rotated',
      );
      expect(rotated.job_id).toBe(jobId);
    } finally {
      await all.end();
    }
  });
});
