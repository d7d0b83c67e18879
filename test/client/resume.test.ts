/** What a lost connection means to the session and to what is in flight (law L3, decision 12). Each test pins one failure mode. */
import { describe, expect, it } from 'vitest';
import { drain, FakeRuntime, rejection, turn } from './fake-runtime.js';
import { percents, repeat, streaming } from './streaming-job.js';

describe('a session that can be resumed', () => {
  it('goes on after a drop without a gap and without a repeat: nobody who iterates notices', async () => {
    const { runtime, client, connection, job } = await streaming();
    const watching = drain(job);
    connection.drop();
    const second = await runtime.reconnected();
    expect((await second.resume('rt_2')).payload).toEqual({ resume_token: 'rt_1', last_event_seq: 2 });
    repeat(second, 1, 77);
    repeat(second, 2, 88);
    second.progress('job_1', 2);
    second.progress('job_1', 3);
    second.complete('job_1', { value: 'done' });
    const { items, error } = await watching;
    expect(error).toBeUndefined();
    expect(percents(items)).toEqual([1, 2, 3]);
    expect(await job.result()).toEqual({ value: 'done' });
    expect(client.session.id).toBe('sess_1');
  });

  it('uses each resume token once: the next drop resumes with the next token', async () => {
    const { runtime, connection, job } = await streaming();
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    second.progress('job_1', 2);
    await turn();
    second.drop();
    const third = await runtime.reconnected();
    expect((await third.resume('rt_3')).payload).toEqual({ resume_token: 'rt_2', last_event_seq: 3 });
    third.complete('job_1');
    expect(await job.result()).toEqual({});
  });

  it('keeps the same token when the reply to session.resume was lost', async () => {
    const { runtime, connection } = await streaming();
    connection.drop();
    const second = await runtime.reconnected();
    await second.next('session.resume');
    second.drop();
    const third = await runtime.reconnected(200);
    expect((await third.next('session.resume')).payload.resume_token).toBe('rt_1');
  });

  it('sends an invoke again, with the same id, that was not answered before the drop', async () => {
    const { runtime, client, connection } = await streaming();
    const invoking = client.invoke('echo', { once: true });
    const sent = await connection.next('tool.invoke');
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    const again = await second.next('tool.invoke');
    expect(again).toEqual(sent);
    second.event('job.accepted', { job_id: 'job_2' }, { job_id: 'job_2', correlation_id: again.id });
    expect((await invoking).id).toBe('job_2');
  });

  it('does not send again what was answered', async () => {
    const { runtime, client, connection } = await streaming();
    const invoking = client.invoke('echo');
    await connection.acceptJob('job_2');
    await invoking;
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    await turn();
    expect(second.unread).toEqual([]);
  });

  it('asks anew, with a fresh id, what is answered to a connection only', async () => {
    const { runtime, client, connection } = await streaming();
    const cancelling = client.cancel('job_1');
    const sent = await connection.next('cancel');
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    const again = await second.next('cancel');
    expect(again.id).not.toBe(sent.id);
    second.reply('cancel.accepted', { target: 'job', target_id: 'job_1' }, { correlation_id: again.id });
    await cancelling;
  });

  it('gives up a command that was sent five times without an answer: it may be what kills the connection', async () => {
    const { runtime, client, connection } = await streaming();
    const invoking = rejection(client.invoke('poison'));
    let current = connection;
    for (let token = 2; token <= 6; token++) {
      await current.next('tool.invoke');
      current.drop();
      current = await runtime.reconnected();
      await current.resume(`rt_${token}`);
    }
    expect(await invoking).toMatchObject({ code: 'UNAVAILABLE' });
    await turn();
    expect(current.unread).toEqual([]);
  });

  it('keeps commands until there is a session again, and sends them in order', async () => {
    const { runtime, client, connection } = await streaming();
    connection.drop();
    await turn();
    void client.invoke('a');
    void client.invoke('b');
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    expect((await second.next('tool.invoke')).payload.tool).toBe('a');
    expect((await second.next('tool.invoke')).payload.tool).toBe('b');
  });

  it('forgets a waiting command whose signal is aborted: it is never sent', async () => {
    const { runtime, client, connection } = await streaming();
    connection.drop();
    await turn();
    const stop = new AbortController();
    const invoking = rejection(client.invoke('a', {}, { signal: stop.signal }));
    await turn();
    stop.abort();
    expect(await invoking).toMatchObject({ code: 'CANCELLED' });
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    await turn();
    expect(second.unread).toEqual([]);
  });

  it('lets a waiting command run into its deadline while there is no connection', async () => {
    const { runtime, client, connection } = await streaming();
    connection.drop();
    await turn();
    runtime.unreachable = new Error('down');
    const invoking = rejection(client.invoke('a'));
    await turn();
    for (let i = 0; i < 40; i++) {
      await runtime.clock.advance(1_000);
      await turn();
    }
    expect(await invoking).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('ends what was in flight with RESUME_WINDOW_EXPIRED when the session is gone, and opens a new one', async () => {
    const { runtime, client, connection, job } = await streaming();
    const watching = drain(job);
    const sent = rejection(client.invoke('sent'));
    await connection.next('tool.invoke');
    connection.drop();
    await turn();
    const waiting = client.invoke('waiting');
    const second = await runtime.reconnected();
    await second.rejectResume('RESUME_WINDOW_EXPIRED');
    const expired = { code: 'RESUME_WINDOW_EXPIRED', retryable: false };
    expect(await sent).toMatchObject(expired);
    expect(await rejection(job.result())).toMatchObject(expired);
    expect((await watching).error).toMatchObject(expired);
    const third = await runtime.connections.take();
    await third.accept({ resumeToken: 'rt_9' });
    await third.acceptJob('job_w');
    expect((await waiting).id).toBe('job_w');
    expect(client.inFlight).toEqual({ calls: 0, jobs: 1 });
    expect(await second.end).toMatchObject({ code: 1000 });
  });

  it('waits on when the runtime asks to come back later', async () => {
    const { runtime, connection, job } = await streaming();
    connection.drop();
    const second = await runtime.reconnected();
    await second.rejectResume('UNAVAILABLE');
    const third = await runtime.reconnected(200);
    await third.resume('rt_2');
    third.complete('job_1');
    expect(await job.result()).toEqual({});
  });

  it('closes when session.resume is answered with a session that was not asked for', async () => {
    const { runtime, client, connection } = await streaming();
    connection.drop();
    const second = await runtime.reconnected();
    await second.next('session.resume');
    second.reply('session.accepted', {
      session_id: 'sess_2',
      runtime: { kind: 'fake', version: '1' },
      capabilities: {},
    });
    expect(await client.closed).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('acknowledges a new session from 1 again, and a resumed one from where it was', async () => {
    const { runtime, client, connection } = await streaming();
    for (let i = 0; i < 70; i++) connection.progress('job_1', 1);
    await turn();
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    for (let i = 0; i < 63; i++) second.progress('job_1', 1);
    await turn();
    expect([connection.acks, second.acks]).toEqual([[64], []]);
    second.progress('job_1', 1);
    await turn();
    expect(second.acks).toEqual([72 + 64]);
    second.drop();
    const third = await runtime.reconnected();
    await third.rejectResume('RESUME_WINDOW_EXPIRED');
    const fourth = await runtime.connections.take();
    await fourth.accept();
    const invoking = client.invoke('ticker');
    await fourth.acceptJob('job_2');
    await invoking;
    await runtime.clock.advance(250);
    expect(fourth.acks).toEqual([1]);
  });

  it('counts a new session from 1 again', async () => {
    const { runtime, client, connection } = await streaming();
    connection.drop();
    const second = await runtime.reconnected();
    await second.rejectResume('RESUME_WINDOW_EXPIRED');
    const third = await runtime.connections.take();
    await third.accept();
    const invoking = client.invoke('echo');
    await third.acceptJob('job_2');
    third.complete('job_2', { value: 1 });
    expect(await (await invoking).result()).toEqual({ value: 1 });
  });
});

describe('a session that cannot be resumed', () => {
  it('ends what was in flight with one retryable UNAVAILABLE when it drops; nothing hangs', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    const invoking = client.invoke('ticker');
    await connection.acceptJob('job_1');
    const job = await invoking;
    const watching = drain(job);
    const tree = drain(job.tree());
    const chunks = drain(job.chunks());
    const unanswered = rejection(client.invoke('echo'));
    await connection.next('tool.invoke');
    connection.drop();
    const lost = { code: 'UNAVAILABLE', retryable: true };
    expect(await unanswered).toMatchObject(lost);
    expect(await rejection(job.result())).toMatchObject(lost);
    expect((await watching).error).toMatchObject(lost);
    expect((await tree).error).toMatchObject(lost);
    expect((await chunks).error).toMatchObject(lost);
    expect(client.inFlight).toEqual({ calls: 0, jobs: 0 });
  });

  it('opens a new one for later calls', async () => {
    const runtime = new FakeRuntime();
    const { client, connection } = await runtime.open();
    connection.drop();
    await turn();
    const invoking = client.invoke('echo');
    const second = await runtime.reconnected();
    await second.accept();
    await second.acceptJob('job_1');
    expect((await invoking).id).toBe('job_1');
  });
});

describe('the numbering of a session', () => {
  it('drops repeats', async () => {
    const { connection, job } = await streaming();
    repeat(connection, 2, 99);
    repeat(connection, 1, 99);
    connection.complete('job_1');
    expect(percents((await drain(job)).items)).toEqual([1]);
  });

  it('ends what was in flight with one DATA_LOSS at a gap, and goes on from there', async () => {
    const { runtime, client, connection, job } = await streaming();
    const unanswered = rejection(client.invoke('echo'));
    await connection.next('tool.invoke');
    runtime.nextSeq();
    connection.progress('job_1', 3);
    const loss = { code: 'DATA_LOSS', message: 'events 3 to 3 of the session are missing' };
    expect(await rejection(job.result())).toMatchObject(loss);
    expect((await drain(job)).error).toMatchObject(loss);
    expect(await unanswered).toMatchObject(loss);
    const invoking = client.invoke('next');
    await connection.acceptJob('job_2');
    connection.complete('job_2', { value: 1 });
    expect(await (await invoking).result()).toEqual({ value: 1 });
  });

  it('finds the gap that a resume left', async () => {
    const { runtime, connection, job } = await streaming();
    connection.drop();
    const second = await runtime.reconnected();
    await second.resume('rt_2');
    runtime.nextSeq();
    second.complete('job_1');
    expect(await rejection(job.result())).toMatchObject({ code: 'DATA_LOSS' });
  });

  it('takes events that are not numbered as they come', async () => {
    const { connection, job } = await streaming();
    connection.reply('job.progress', { current: 5, percent: 5 }, { job_id: 'job_1' });
    connection.complete('job_1');
    expect(percents((await drain(job)).items)).toEqual([1, 5]);
  });
});
