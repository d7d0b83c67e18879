/** When a connection counts as lost, and how it is made again. Each test pins one failure mode. */
import { describe, expect, it } from 'vitest';
import type { ConnectionChange } from '../../src/client/index.js';
import type { TransportHandlers } from '../../src/transport/transport.js';
import { FakeRuntime, rejection, turn } from './fake-runtime.js';
import { streaming } from './streaming-job.js';

describe('coming back', () => {
  it('tries with growing delays, tells of each, and closes with UNAVAILABLE after maxAttempts', async () => {
    const runtime = new FakeRuntime();
    const changes: ConnectionChange[] = [];
    const { client, connection } = await runtime.open({ reconnect: { maxAttempts: 3 }, resumeToken: 'rt_1' });
    client.on('connection', (change) => changes.push(change));
    const invoking = client.invoke('ticker');
    await connection.acceptJob('job_1');
    const job = await invoking;
    runtime.unreachable = new Error('down');
    connection.drop();
    for (const delay of [100, 200, 400]) {
      await turn();
      await runtime.clock.advance(delay);
    }
    const gaveUp = {
      code: 'UNAVAILABLE',
      message: expect.stringContaining('gave up after 3 attempts') as string,
    };
    expect(await client.closed).toMatchObject(gaveUp);
    expect(await rejection(job.result())).toMatchObject(gaveUp);
    expect(await rejection(client.invoke('later'))).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(changes.map((change) => (change.state === 'waiting' ? change.delayMs : change.state))).toEqual([
      100,
      200,
      400,
      'closed',
    ]);
    expect(runtime.dials).toBe(4);
    expect(runtime.clock.pending).toBe(0);
  });

  it('begins with the shortest delay again after a success', async () => {
    const { runtime, client, connection } = await streaming();
    const changes: ConnectionChange[] = [];
    client.on('connection', (change) => changes.push(change));
    connection.drop();
    const second = await runtime.reconnected(100);
    await second.resume('rt_2');
    await turn();
    second.drop();
    const third = await runtime.reconnected(100);
    await third.resume('rt_3');
    await turn();
    expect(changes).toMatchObject([
      { state: 'waiting', delayMs: 100 },
      { state: 'open', resumed: true },
      { state: 'waiting', delayMs: 100 },
      { state: 'open', resumed: true },
    ]);
  });

  it('closes at once when it is told not to reconnect', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ reconnect: false, resumeToken: 'rt_1' });
    connection.close(1001, 'going away');
    expect(await client.closed).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the connection was closed (1001: going away)',
    });
    expect(runtime.clock.pending).toBe(0);
  });

  it('closes with the error of a refusal that trying again does not change', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    connection.drop();
    const second = await runtime.reconnected();
    await second.next('session.open');
    second.reply('session.rejected', { code: 'UNAUTHENTICATED', message: 'token revoked' });
    expect(await client.closed).toMatchObject({ code: 'UNAUTHENTICATED', message: 'token revoked' });
    expect(runtime.clock.pending).toBe(0);
  });

  it('closes with the reason when the runtime evicts the session', async () => {
    const { runtime, client, connection, job } = await streaming();
    connection.reply('session.evicted', {
      code: 'CANCELLED',
      reason: 'CANCELLED',
      message: 'by the operator',
    });
    expect(await client.closed).toMatchObject({ code: 'CANCELLED', message: 'by the operator' });
    expect(await rejection(job.result())).toMatchObject({ code: 'CANCELLED' });
    expect(runtime.clock.pending).toBe(0);
  });

  it('ignores what an old socket still says', async () => {
    const runtime = new FakeRuntime();
    const heard: TransportHandlers[] = [];
    const dial = async () => {
      const transport = await runtime.dial();
      return Object.assign(Object.create(transport) as typeof transport, {
        send: transport.send.bind(transport),
        close: transport.close.bind(transport),
        start: (handlers: TransportHandlers) => {
          heard.push(handlers);
          transport.start(handlers);
        },
      });
    };
    const { client, connection } = await runtime.open({ dial, resumeToken: 'rt_1' });
    const invoking = client.invoke('echo');
    await connection.acceptJob('job_1');
    const job = await invoking;
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    await turn();
    heard[0]?.message(runtime.frame('job.completed', { value: 'old' }, { job_id: 'job_1', event_seq: 2 }));
    heard[0]?.closed({ code: 1006, reason: 'again' });
    second.complete('job_1', { value: 'new' });
    expect(await job.result()).toEqual({ value: 'new' });
    expect(runtime.dials).toBe(2);
  });
});

describe('a connection that is open but dead', () => {
  it('is found by an unanswered ping after silence, and made again', async () => {
    const { runtime, connection, job } = await streaming();
    await runtime.clock.advance(60_000);
    await connection.next('ping');
    await runtime.clock.advance(30_000);
    expect(await connection.end).toMatchObject({ code: 1000 });
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    second.complete('job_1');
    expect(await job.result()).toEqual({});
  });

  it('is not one as long as anything comes', async () => {
    const { runtime, connection, job } = await streaming();
    for (let i = 0; i < 5; i++) {
      await runtime.clock.advance(60_000);
      const ping = await connection.next('ping');
      connection.reply('pong', {}, { correlation_id: ping.id });
      await turn();
    }
    connection.complete('job_1');
    expect(await job.result()).toEqual({});
    expect(runtime.dials).toBe(1);
  });
});
