/** What else is asked of a runtime, what it asks of the client, and what concerns nobody. */
import { describe, expect, it } from 'vitest';
import { drain, FakeRuntime, rejection, turn } from './fake-runtime.js';

describe('cancel', () => {
  it('resolves on cancel.accepted and carries reason and deadline', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const cancelling = client.cancel('job_9', { reason: 'enough', deadlineMs: 100 });
    const cancel = await connection.next('cancel');
    expect(cancel.payload).toEqual({ target: 'job', target_id: 'job_9', reason: 'enough', deadline_ms: 100 });
    connection.reply('cancel.accepted', { target: 'job', target_id: 'job_9' }, { correlation_id: cancel.id });
    await cancelling;
    expect(client.inFlight.calls).toBe(0);
  });

  it.each([
    ['already_terminal', 'FAILED_PRECONDITION'],
    ['not_cancellable', 'FAILED_PRECONDITION'],
    ['not_found', 'NOT_FOUND'],
    ['permission_denied', 'PERMISSION_DENIED'],
    ['no such in-flight job', 'FAILED_PRECONDITION'],
  ])('rejects when it is refused: %s is %s (decision 8)', async (reason, code) => {
    const { client, connection } = await new FakeRuntime().open();
    const cancelling = rejection(client.cancel('job_9'));
    const cancel = await connection.next('cancel');
    connection.reply('cancel.refused', { target_id: 'job_9', reason }, { correlation_id: cancel.id });
    expect(await cancelling).toMatchObject({ code, details: { reason } });
  });

  it('rejects with the code of a nack', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const cancelling = rejection(client.cancel('job_9'));
    const cancel = await connection.next('cancel');
    connection.reply('nack', { code: 'NOT_FOUND', message: 'no' }, { correlation_id: cancel.id });
    expect(await cancelling).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('delegate', () => {
  it('sends agent.delegate on behalf of a job, and follows the child in its own right and in the tree', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const invoking = client.invoke('parent');
    await connection.acceptJob('job_1');
    const parent = await invoking;
    const delegating = client.delegate('child', {
      task: 'count',
      context: { hint: 'fast' },
      arguments: { n: 3 },
      budget: ['USD:1'],
      parentJobId: parent.id,
    });
    const delegate = await connection.next('agent.delegate');
    expect(delegate).toMatchObject({
      job_id: 'job_1',
      payload: {
        target: 'child',
        task: 'count',
        context: { hint: 'fast', arguments: { n: 3 } },
        cost_budget: ['USD:1'],
      },
    });
    connection.event(
      'job.accepted',
      { job_id: 'job_2', parent_job_id: 'job_1' },
      { job_id: 'job_2', correlation_id: delegate.id },
    );
    const child = await delegating;
    connection.complete('job_2', { value: 3 });
    connection.complete('job_1');
    expect(await child.result()).toEqual({ value: 3 });
    expect((await drain(parent.tree())).items.map(({ type, job_id }) => `${job_id ?? ''} ${type}`)).toEqual([
      'job_1 job.accepted',
      'job_2 job.accepted',
      'job_2 job.completed',
      'job_1 job.completed',
    ]);
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });
});

describe('what concerns no call', () => {
  it('answers ping and session.ping with their nonces', async () => {
    const { connection } = await new FakeRuntime().open();
    connection.reply('ping', { nonce: 'a' }, { id: 'msg_ping' });
    expect(await connection.next('pong')).toMatchObject({
      payload: { nonce: 'a' },
      correlation_id: 'msg_ping',
    });
    connection.reply('session.ping', { nonce: 'b', sent_at: new Date().toISOString() }, { id: 'msg_sping' });
    expect(await connection.next('session.pong')).toMatchObject({
      payload: { ping_nonce: 'b', received_at: '2026-01-01T00:00:00.000Z' },
      correlation_id: 'msg_sping',
    });
  });

  it('measures a ping', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const pinging = client.ping();
    const ping = await connection.next('ping');
    await runtime.clock.advance(12);
    connection.reply('pong', {}, { correlation_id: ping.id });
    expect(await pinging).toBe(12);
  });

  it('tells listeners of nacks and of messages that belong to nothing, until they stop listening', async () => {
    const { client, connection } = await new FakeRuntime().open();
    const kinds: string[] = [];
    const stop = client.on('notice', ({ kind }) => kinds.push(kind));
    connection.reply('nack', { code: 'UNIMPLEMENTED', message: 'no' });
    connection.progress('job_unknown', 50);
    connection.raw('[');
    await turn();
    expect(kinds).toEqual(['nack', 'unrouted', 'undecodable']);
    connection.reply('pong', {}, { correlation_id: 'msg_long_ago' });
    stop();
    connection.progress('job_unknown', 60);
    await turn();
    expect(kinds).toHaveLength(3);
  });

  it('acknowledges what it received: every 64 events, and the rest when it is quiet', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const invoking = client.invoke('ticker');
    await connection.acceptJob('job_1');
    await invoking;
    for (let i = 0; i < 63; i++) connection.progress('job_1', 1);
    await turn();
    expect(connection.acks).toEqual([64]);
    await runtime.clock.advance(1_000);
    expect(connection.acks).toEqual([64]);
    for (let i = 0; i < 36; i++) connection.progress('job_1', 1);
    await runtime.clock.advance(249);
    expect(connection.acks).toEqual([64]);
    await runtime.clock.advance(1);
    expect(connection.acks).toEqual([64, 100]);
    await runtime.clock.advance(1_000);
    expect(connection.acks).toEqual([64, 100]);
  });
});
