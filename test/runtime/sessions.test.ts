/** Sessions: how one is opened, refused, greeted too late, closed, and how many there may be (decisions 16, 21, 24). */
import { describe, expect, it } from 'vitest';
import { defineAgent } from '../../src/index.js';
import { untilAborted } from '../../src/conformance/agents/wait.js';
import { bench } from './bench.js';

const forever = defineAgent({
  name: 'forever',
  version: '1.0.0',
  run: (_in, ctx) => untilAborted(ctx.signal),
});
const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });
const client = { kind: 'test', version: '0' };
const asAda = { auth: { scheme: 'bearer', token: 'ada' }, client };

describe('session.open', () => {
  it('is answered with session.accepted: correlated, with the session, the runtime and a resume token', async () => {
    await using test = bench({ agents: [echo] });
    const raw = test.raw();
    const id = raw.send('session.open', asAda);
    const accepted = await raw.next('session.accepted');
    expect(accepted.correlation_id).toBe(id);
    expect(accepted.session_id).toBe(accepted.payload.session_id);
    expect(accepted.event_seq).toBeUndefined();
    expect(accepted.payload).toMatchObject({
      runtime: { kind: 'arcp-runtime' },
      capabilities: { agents: [{ name: 'echo', versions: ['1.0.0'] }], heartbeat_interval_seconds: 30 },
    });
    // 128 random bits and more, in base64url, behind the prefix (decision 12).
    expect(accepted.payload.resume_token).toMatch(/^rt_.+\.[\w-]{22,}$/);
  });

  it('sends nothing unsolicited after the handshake', async () => {
    await using test = bench({ agents: [echo] });
    const raw = await test.open();
    await test.clock.advance(120_000);
    expect(raw.frames.map(({ type }) => type)).toEqual(['session.accepted']);
  });

  it.each([
    ['a scheme that is not configured', { auth: { scheme: 'mtls' }, client }],
    ['a wrong token', { auth: { scheme: 'bearer', token: 'eve' }, client }],
    ['no token', { auth: { scheme: 'bearer' }, client }],
    ['a scheme named like a property of objects', { auth: { scheme: '__proto__' }, client }],
  ])('with %s is session.rejected UNAUTHENTICATED, and may be tried again', async (_what, payload) => {
    await using test = bench();
    const raw = test.raw();
    const id = raw.send('session.open', payload);
    const rejected = await raw.next('session.rejected');
    expect(rejected).toMatchObject({ correlation_id: id, payload: { code: 'UNAUTHENTICATED' } });
    expect(rejected.session_id).toBeUndefined();
    expect(JSON.stringify(rejected)).not.toContain('eve');
    await raw.open('ada');
  });

  it.each([{}, { auth: {}, client }, { auth: { scheme: 'none' } }, { auth: { scheme: 'none' }, client: 7 }])(
    'that is malformed is session.rejected INVALID_ARGUMENT: %j',
    async (payload) => {
      await using test = bench();
      const raw = test.raw();
      const id = raw.send('session.open', payload);
      expect(await raw.next('session.rejected')).toMatchObject({
        correlation_id: id,
        payload: { code: 'INVALID_ARGUMENT' },
      });
    },
  );

  it('a second time is a nack FAILED_PRECONDITION, and the session goes on', async () => {
    await using test = bench({ agents: [echo] });
    const raw = await test.open();
    const id = raw.send('session.open', asAda);
    expect(await raw.next('nack')).toMatchObject({
      correlation_id: id,
      payload: { code: 'FAILED_PRECONDITION', ack_for: id },
    });
    expect(await raw.terminal(await raw.accepted('echo', 1))).toMatchObject({ payload: { value: 1 } });
  });

  it('within ten seconds, or the connection is closed with 1008', async () => {
    await using test = bench();
    const raw = test.raw();
    await test.clock.advance(9_999);
    expect(raw.end).toBeUndefined();
    await test.clock.advance(1);
    expect(await raw.closed()).toMatchObject({
      code: 1008,
      reason: expect.stringContaining('10000 ms') as string,
    });
  });

  it('five times in vain closes the connection with 1008', async () => {
    await using test = bench();
    const raw = test.raw();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect(raw.end).toBeUndefined();
      raw.send('session.open', { auth: { scheme: 'bearer', token: 'eve' }, client });
      await raw.next('session.rejected');
    }
    expect(await raw.closed()).toMatchObject({ code: 1008 });
    expect(test.clock.pending).toBe(0);
  });
});

describe('before a session is accepted', () => {
  it('anything but a handshake message is dropped (decision 16)', async () => {
    await using test = bench({ agents: [echo] });
    const raw = test.raw();
    raw.invoke('echo');
    raw.send('ping', {});
    raw.send('cancel', { target: 'job', target_id: 'job_1' });
    await test.clock.settle();
    expect(raw.frames).toEqual([]);
    await raw.open('ada');
    await test.clock.settle();
    expect(raw.frames.map(({ type }) => type)).toEqual(['session.accepted']);
  });

  it('frames that cannot be read are answered, and too many of them close the connection', async () => {
    await using test = bench();
    const raw = test.raw();
    for (let attempt = 0; attempt < 5; attempt += 1) raw.sendText('{');
    expect(await raw.closed()).toMatchObject({ code: 1008 });
    expect(raw.seen('nack')).toHaveLength(5);
  });
});

describe('anonymous sessions', () => {
  it('are strangers to each other: one cannot cancel the job of another (decision 10)', async () => {
    await using test = bench({ agents: [forever] });
    const [one, other] = [await test.open('nobody'), await test.open('nobody')];
    const jobId = await one.accepted('forever');
    other.send('cancel', { target: 'job', target_id: jobId });
    expect(await other.next('cancel.refused')).toMatchObject({ payload: { reason: 'permission_denied' } });
  });

  it('share one quota of sessions (decision 24)', async () => {
    await using test = bench({ limits: { maxSessionsPerPrincipal: 2 } });
    await test.open('nobody');
    const second = await test.open('nobody');
    const third = test.raw();
    third.send('session.open', { auth: { scheme: 'none' }, client });
    expect(await third.next('session.rejected')).toMatchObject({ payload: { code: 'RESOURCE_EXHAUSTED' } });
    await test.open('ada');
    second.send('session.close', {});
    await second.closed();
    await third.open();
  });

  it('are let in only where the runtime says so, which its capabilities tell', async () => {
    await using test = bench();
    const accepted = await test.raw().open('ada', { anonymous: true });
    expect(accepted.payload.capabilities).toMatchObject({ anonymous: true });
  });
});

describe('sessions of one principal', () => {
  it('that can be resumed count against the limit, until their window is over (decision 24)', async () => {
    await using test = bench({ limits: { maxSessionsPerPrincipal: 1, resumeWindowMs: 60_000 } });
    const first = await test.open();
    first.wire.destroy();
    await test.clock.settle();
    const second = test.raw();
    second.send('session.open', asAda);
    expect(await second.next('session.rejected')).toMatchObject({ payload: { code: 'RESOURCE_EXHAUSTED' } });
    await test.open('bob');
    await test.clock.advance(60_000);
    await test.open();
  });
});

describe('pings', () => {
  it('ping is answered with pong, session.ping with session.pong, both correlated and with the nonce', async () => {
    await using test = bench();
    const raw = await test.open();
    const ping = raw.send('ping', { nonce: 'n1' });
    expect(await raw.next('pong')).toMatchObject({
      correlation_id: ping,
      payload: { nonce: 'n1', ack_for: ping, received_at: '2026-01-01T00:00:00.000Z' },
    });
    const bare = raw.send('ping', {});
    expect((await raw.next('pong')).correlation_id).toBe(bare);
    const other = raw.send('session.ping', { nonce: 'n2', sent_at: '2026-01-01T00:00:00Z' });
    expect(await raw.next('session.pong')).toMatchObject({
      correlation_id: other,
      payload: { ping_nonce: 'n2' },
    });
  });
});

describe('session.close', () => {
  it('is answered with session.closed, then the connection is closed, and jobs go on (decision 21)', async () => {
    await using test = bench({ agents: [forever] });
    const [raw, watcher] = [await test.open(), await test.open()];
    const jobId = await raw.accepted('forever');
    const id = raw.send('session.close', { reason: 'done' });
    expect(await raw.next('session.closed')).toMatchObject({ correlation_id: id, session_id: raw.sessionId });
    expect(await raw.closed()).toMatchObject({ code: 1000 });
    watcher.send('cancel', { target: 'job', target_id: jobId });
    expect(await watcher.next('cancel.accepted')).toMatchObject({ payload: { target_id: jobId } });
  });

  it('with dispose_jobs "cancel" cancels the jobs of the session and of no other', async () => {
    await using test = bench({ agents: [forever] });
    const [raw, other] = [await test.open(), await test.open()];
    const mine = await raw.accepted('forever');
    const theirs = await other.accepted('forever');
    raw.send('session.close', { dispose_jobs: 'cancel' });
    await raw.closed();
    await test.clock.settle();
    other.send('cancel', { target: 'job', target_id: mine });
    expect(await other.next('cancel.refused')).toMatchObject({ payload: { reason: 'already_terminal' } });
    expect(other.story(theirs)).toEqual(['job.accepted', 'job.started']);
  });

  it('ends the session for good: its token is worth nothing any more', async () => {
    await using test = bench();
    const raw = await test.open();
    raw.send('session.close', {});
    await raw.closed();
    const again = test.raw();
    again.send('session.resume', { resume_token: raw.resumeToken, last_event_seq: 0 });
    expect(await again.next('session.rejected')).toMatchObject({
      payload: { code: 'RESUME_WINDOW_EXPIRED' },
    });
  });
});

describe('the heartbeat interval', () => {
  it.each([
    [undefined, 30],
    [5, 5],
    [300, 30],
    [0.0001, 0.1],
    [0.2504, 0.25],
  ])('is the shorter one of both sides, and no shorter than the limit: %s gives %s', async (asked, given) => {
    await using test = bench();
    const { payload } = await test
      .raw()
      .open('ada', asked === undefined ? {} : { heartbeat_interval_seconds: asked });
    expect(payload.capabilities.heartbeat_interval_seconds).toBe(given);
  });
});
