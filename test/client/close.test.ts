/** Closing a client, from every phase of its connection. */
import { describe, expect, it } from 'vitest';
import { drain, FakeRuntime, rejection, turn } from './fake-runtime.js';

describe('close', () => {
  it('says session.close, waits for session.closed, then closes the socket', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const closing = client.close({ reason: 'bye' });
    const close = await connection.next('session.close');
    expect(close.payload).toEqual({ reason: 'bye' });
    connection.reply('session.closed', {}, { correlation_id: close.id });
    await closing;
    expect(await connection.end).toMatchObject({ code: 1000 });
    expect(runtime.clock.pending).toBe(0);
    expect(await client.closed).toMatchObject({ code: 'CANCELLED', message: 'bye' });
  });

  it('waits no longer than closeTimeoutMs', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const closing = client.close();
    await connection.next('session.close');
    await runtime.clock.advance(1_000);
    await closing;
    expect(await connection.end).toMatchObject({ code: 1000 });
  });

  it('is over when the runtime closes the socket first', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const closing = client.close();
    connection.close(1000);
    await closing;
    expect(runtime.clock.pending).toBe(0);
    expect(runtime.dials).toBe(1);
  });

  it('does nothing more when it is called again', async () => {
    const { client, connection } = await new FakeRuntime().open();
    let over = 0;
    const closings = [1, 2, 3].map(() => client.close().then(() => (over += 1)));
    await connection.next('session.close');
    await turn();
    expect(over).toBe(0);
    connection.reply('session.closed', {});
    await Promise.all(closings);
    await client.close();
    expect(connection.unread).toEqual([]);
  });

  it('leaves the jobs to the runtime, unless it is told to cancel them (decision 21)', async () => {
    const { client, connection } = await new FakeRuntime().open();
    void client.close({ cancelJobs: true });
    expect((await connection.next('session.close')).payload).toEqual({ dispose_jobs: 'cancel' });
  });

  it('still takes what comes before session.closed, and ends the rest with CANCELLED', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = [client.invoke('a'), client.invoke('b')];
    await connection.acceptJob('job_a');
    await connection.acceptJob('job_b');
    const [a, b] = await Promise.all(invoking);
    if (a === undefined || b === undefined) throw new Error('unreachable');
    const unanswered = rejection(client.invoke('c'));
    const watching = drain(b);
    const closing = client.close();
    connection.complete('job_a', { value: 1 });
    connection.reply('session.closed', {});
    await closing;
    expect(await a.result()).toEqual({ value: 1 });
    expect(await rejection(b.result())).toMatchObject({ code: 'CANCELLED' });
    expect((await watching).error).toMatchObject({ code: 'CANCELLED' });
    expect(await unanswered).toMatchObject({ code: 'CANCELLED' });
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('refuses later calls with FAILED_PRECONDITION', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const closing = client.close();
    connection.reply('session.closed', {});
    expect(await rejection(client.ping())).toMatchObject({ code: 'FAILED_PRECONDITION' });
    await closing;
    expect(await rejection(client.invoke('echo'))).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('ends the backoff: nothing is dialled any more, and what waited ends with CANCELLED', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ resumeToken: 'rt_1' });
    connection.drop();
    await turn();
    const waiting = rejection(client.invoke('echo'));
    await turn();
    await client.close();
    expect(await waiting).toMatchObject({ code: 'CANCELLED' });
    await runtime.clock.advance(100_000);
    await turn();
    expect(runtime.dials).toBe(1);
    expect(runtime.clock.pending).toBe(0);
  });

  it('ends a handshake of a reconnect', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open({ resumeToken: 'rt_1' });
    connection.drop();
    const second = await runtime.reconnected();
    await second.next('session.resume');
    await client.close();
    expect(await second.end).toMatchObject({ code: 1000 });
    expect(runtime.clock.pending).toBe(0);
  });
});
