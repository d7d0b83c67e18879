/** Opening a session. Each test pins one way in which it goes, or goes wrong. */
import { describe, expect, it } from 'vitest';
import { connect, ArcpError } from '../../src/client/index.js';
import { memoryPair } from '../../src/transport/memory.js';
import { FakeRuntime, rejection, turn } from './fake-runtime.js';

describe('connect', () => {
  it('opens a session with its token and tells what it can take', async () => {
    const runtime = new FakeRuntime();
    const connecting = runtime.connect({ token: 'secret', clientInfo: { kind: 'test', version: '9' } });
    const connection = await runtime.connections.take();
    const { payload } = await connection.accept({
      capabilities: { streaming: true, agents: [{ name: 'echo', versions: ['1.0.0'] }, 'bare'] },
    });
    const client = await connecting;
    expect(payload).toEqual({
      auth: { scheme: 'bearer', token: 'secret' },
      client: { kind: 'test', version: '9' },
      capabilities: {
        streaming: true,
        durable_jobs: true,
        human_input: true,
        interrupt: true,
        extensions: [
          'arcpx.arcp.delegate.v1',
          'arcpx.arcp.handoff.v1',
          'arcpx.arcp.human.v1',
          'arcpx.arcp.workflow.v1',
          'arcpx.arcp.agents.v1',
        ],
        artifacts: true,
      },
    });
    expect(client.session).toMatchObject({ id: 'sess_1', runtime: { kind: 'fake' } });
    expect(client.agents()).toEqual([
      { name: 'echo', versions: ['1.0.0'] },
      { name: 'bare', versions: [], anyVersion: true },
    ]);
  });

  it('asks for an anonymous session when it has no token', async () => {
    const runtime = new FakeRuntime();
    void runtime.connect();
    const { payload } = await (await runtime.connections.take()).accept();
    expect(payload.auth).toEqual({ scheme: 'none' });
    expect(payload.capabilities).toMatchObject({ anonymous: true });
  });

  it('takes single capabilities from its caller', async () => {
    const runtime = new FakeRuntime();
    void runtime.connect({ token: 't', capabilities: { extensions: [], heartbeat_interval_seconds: 5 } });
    const { payload } = await (await runtime.connections.take()).accept();
    expect(payload.capabilities).toEqual({
      streaming: true,
      durable_jobs: true,
      human_input: true,
      interrupt: true,
      artifacts: true,
      extensions: [],
      heartbeat_interval_seconds: 5,
    });
  });

  it('rejects with the error of session.rejected, closes the socket and does not try again', async () => {
    const runtime = new FakeRuntime();
    const connecting = rejection(runtime.connect({ token: 'wrong' }));
    const connection = await runtime.connections.take();
    const open = await connection.next('session.open');
    connection.reply(
      'session.rejected',
      { code: 'UNAUTHENTICATED', message: 'no such token' },
      { correlation_id: open.id },
    );
    expect(await connecting).toMatchObject({ code: 'UNAUTHENTICATED', message: 'no such token' });
    expect(await connection.end).toMatchObject({ code: 1000 });
    expect(runtime.dials).toBe(1);
    expect(runtime.clock.pending).toBe(0);
  });

  it('rejects at once, even for a retryable refusal: only a client that was connected reconnects', async () => {
    const runtime = new FakeRuntime();
    const connecting = rejection(runtime.connect());
    const connection = await runtime.connections.take();
    await connection.next('session.open');
    connection.reply('session.rejected', { code: 'UNAVAILABLE', message: 'draining' });
    expect(await connecting).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(runtime.clock.pending).toBe(0);
  });

  it('rejects with UNAVAILABLE and the cause when the runtime cannot be reached', async () => {
    const runtime = new FakeRuntime();
    runtime.unreachable = new Error('ECONNREFUSED');
    const error = await rejection(runtime.connect());
    expect(error).toBeInstanceOf(ArcpError);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true, cause: runtime.unreachable });
    expect(runtime.clock.pending).toBe(0);
  });

  it('rejects with UNAVAILABLE and the close code when the socket closes before there is a session', async () => {
    const runtime = new FakeRuntime();
    const connecting = rejection(runtime.connect());
    const connection = await runtime.connections.take();
    connection.close(1008, 'hello timeout');
    expect(await connecting).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the connection was closed (1008: hello timeout)',
      details: { close_code: 1008 },
    });
  });

  it('rejects with DEADLINE_EXCEEDED when the runtime says nothing, and closes the socket', async () => {
    const runtime = new FakeRuntime();
    const connecting = rejection(runtime.connect());
    const connection = await runtime.connections.take();
    await connection.next('session.open');
    await runtime.clock.advance(10_000);
    expect(await connecting).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await connection.end).toMatchObject({ code: 1000 });
  });

  it('rejects with DEADLINE_EXCEEDED when dialling never ends, and closes a socket that comes later', async () => {
    const runtime = new FakeRuntime();
    const [late, server] = memoryPair();
    let connected: () => void = () => undefined;
    const dialled = new Promise<typeof late>((resolve) => (connected = () => resolve(late)));
    const ended = new Promise((resolve) => {
      server.start({ message: () => undefined, closed: resolve });
    });
    const connecting = rejection(connect('ws://fake', { dial: () => dialled, clock: runtime.clock }));
    await runtime.clock.advance(10_000);
    expect(await connecting).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    connected();
    expect(await ended).toMatchObject({ code: 1000 });
  });

  it('rejects with INVALID_REQUEST when session.accepted is malformed', async () => {
    const runtime = new FakeRuntime();
    const connecting = rejection(runtime.connect());
    const connection = await runtime.connections.take();
    await connection.next('session.open');
    connection.raw(runtime.frame('session.accepted', { session_id: 7 }, {}));
    expect(await connecting).toMatchObject({ code: 'INVALID_REQUEST' });
  });

  it('ignores what has no place before there is a session', async () => {
    const runtime = new FakeRuntime();
    const connecting = runtime.connect();
    const connection = await runtime.connections.take();
    connection.raw('not JSON');
    connection.reply('log', { level: 'info', message: 'hello' });
    await connection.accept();
    expect((await connecting).session.id).toBe('sess_1');
  });

  it('takes events that come in the same read as session.accepted', async () => {
    const runtime = new FakeRuntime();
    const connecting = runtime.connect();
    const connection = await runtime.connections.take();
    await connection.accept();
    connection.reply('session.ping', { nonce: 'n', sent_at: new Date().toISOString() });
    await connecting;
    expect((await connection.next('session.pong')).payload.ping_nonce).toBe('n');
  });

  describe('with a challenge', () => {
    const challenge = { challenge: 'c1', challenge_id: 'c1', type: 'opaque' };

    it('answers through `respond`, as often as it is asked', async () => {
      const runtime = new FakeRuntime();
      const connecting = runtime.connect({ respond: ({ challenge: asked }) => `answer to ${asked}` });
      const connection = await runtime.connections.take();
      const open = await connection.next('session.open');
      connection.reply('session.challenge', challenge, { correlation_id: open.id });
      expect((await connection.next('session.authenticate')).payload).toEqual({
        response: 'answer to c1',
        challenge_id: 'c1',
      });
      connection.reply('session.challenge', { ...challenge, challenge: 'c2' });
      expect((await connection.next('session.authenticate')).payload.response).toBe('answer to c2');
      connection.reply('session.accepted', {
        session_id: 'sess_2',
        runtime: { kind: 'fake', version: '1' },
        capabilities: {},
      });
      expect((await connecting).session.id).toBe('sess_2');
    });

    it('rejects with UNAUTHENTICATED when it cannot answer', async () => {
      const runtime = new FakeRuntime();
      const connecting = rejection(runtime.connect());
      const connection = await runtime.connections.take();
      connection.reply('session.challenge', challenge);
      expect(await connecting).toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    it('rejects with UNAUTHENTICATED and the cause when `respond` throws', async () => {
      const runtime = new FakeRuntime();
      const cause = new Error('no key');
      const connecting = rejection(runtime.connect({ respond: () => Promise.reject(cause) }));
      const connection = await runtime.connections.take();
      connection.reply('session.challenge', challenge);
      expect(await connecting).toMatchObject({ code: 'UNAUTHENTICATED', cause });
    });

    it('rejects with what session.unauthenticated says', async () => {
      const runtime = new FakeRuntime();
      const connecting = rejection(runtime.connect({ respond: () => 'wrong' }));
      const connection = await runtime.connections.take();
      connection.reply('session.challenge', challenge);
      await connection.next('session.open');
      await connection.next('session.authenticate');
      connection.reply('session.unauthenticated', {
        code: 'UNAUTHENTICATED',
        message: 'wrong',
        reason: 'wrong',
      });
      expect(await connecting).toMatchObject({ code: 'UNAUTHENTICATED', message: 'wrong' });
    });
  });

  describe('with a signal', () => {
    it('does not even dial when it is aborted already', async () => {
      const runtime = new FakeRuntime();
      const cause = new Error('changed my mind');
      const connecting = runtime.connect({ signal: AbortSignal.abort(cause) });
      expect(await rejection(connecting)).toMatchObject({ code: 'CANCELLED', cause });
      expect(runtime.dials).toBe(0);
    });

    it('gives up while dialling, and tells the dial so', async () => {
      const runtime = new FakeRuntime();
      const giveUp = new AbortController();
      let told: AbortSignal | undefined;
      const connecting = rejection(
        connect('ws://fake', {
          clock: runtime.clock,
          signal: giveUp.signal,
          dial: (_url, { signal }) => {
            told = signal;
            return new Promise(() => undefined);
          },
        }),
      );
      giveUp.abort();
      expect(await connecting).toMatchObject({ code: 'CANCELLED' });
      expect(told?.aborted).toBe(true);
      expect(runtime.clock.pending).toBe(0);
    });

    it('gives up in the middle of the handshake and closes the socket', async () => {
      const runtime = new FakeRuntime();
      const giveUp = new AbortController();
      const connecting = rejection(runtime.connect({ signal: giveUp.signal }));
      const connection = await runtime.connections.take();
      await connection.next('session.open');
      giveUp.abort();
      expect(await connecting).toMatchObject({ code: 'CANCELLED' });
      expect(await connection.end).toMatchObject({ code: 1000 });
      expect(runtime.clock.pending).toBe(0);
    });

    it('has no part in the client once there is one', async () => {
      const runtime = new FakeRuntime();
      const giveUp = new AbortController();
      const { client, connection } = await runtime.open({ signal: giveUp.signal });
      giveUp.abort();
      await turn();
      const pinging = client.ping();
      const ping = await connection.next('ping');
      connection.reply('pong', {}, { correlation_id: ping.id });
      expect(await pinging).toBe(0);
    });
  });

  it('refuses a limit that is none, before anything is dialled', async () => {
    const runtime = new FakeRuntime();
    expect(await rejection(runtime.connect({ limits: { callTimeoutMs: 0 } }))).toBeInstanceOf(RangeError);
    expect(runtime.dials).toBe(0);
  });
});
