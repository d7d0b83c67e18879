/** Law L3: sessions outlive sockets. What a client missed is replayed in the same numbering, gap-free, then comes the tail. */
import { describe, expect, it } from 'vitest';
import { ArcpError, defineAgent, type JobContext } from '../../src/index.js';
import { bench } from './bench.js';
import type { RawClient } from './raw-client.js';

/** An agent that does as the test tells it. */
function puppet() {
  const contexts: JobContext[] = [];
  const ends: (() => void)[] = [];
  const agent = defineAgent({
    name: 'puppet',
    version: '1.0.0',
    run: (_input, ctx) =>
      new Promise((resolve) => {
        contexts.push(ctx);
        ends.push(() => {
          resolve('over');
        });
      }),
  });
  return {
    agent,
    say: (...messages: string[]) => {
      for (const message of messages) contexts[0]?.log('info', message);
    },
    end: () => ends[0]?.(),
  };
}

function told(client: RawClient): [number | undefined, string][] {
  return client
    .events()
    .map((frame) => [frame.event_seq, frame.type === 'log' ? frame.payload.message : frame.type]);
}

async function rejected(client: RawClient, token: string, lastEventSeq: number): Promise<void> {
  const id = client.send('session.resume', { resume_token: token, last_event_seq: lastEventSeq });
  expect(await client.next('session.rejected')).toMatchObject({
    correlation_id: id,
    payload: { code: 'RESUME_WINDOW_EXPIRED' },
  });
}

describe('after a drop', () => {
  it('the replay begins where the client stopped reading, with the same numbers, and the live tail follows (L3)', async () => {
    const { agent, say, end } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    const jobId = await first.accepted('puppet');
    say('one');
    await first.next('log');
    first.wire.destroy();
    say('two', 'three');
    await test.clock.settle();
    const second = test.raw();
    const resumed = await second.resume(first.resumeToken, 3);
    expect(resumed).toMatchObject({
      session_id: first.sessionId,
      payload: { replayed_from: 4, replayed: true },
    });
    say('four');
    end();
    await second.terminal(jobId);
    expect(told(second)).toEqual([
      [4, 'two'],
      [5, 'three'],
      [6, 'four'],
      [7, 'job.completed'],
    ]);
    expect(second.frames[0]?.type).toBe('session.resumed');
  });

  it('what was sent but not seen is sent again, byte for byte', async () => {
    const { agent, say } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    await first.accepted('puppet');
    say('one');
    await first.next('log');
    const seen = first.events();
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    await test.clock.settle();
    expect(second.events()).toEqual(seen);
  });

  it('a session that is caught up is resumed without a replay (decision 12)', async () => {
    const { agent, say } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    await first.accepted('puppet');
    await test.clock.settle();
    first.wire.destroy();
    const second = test.raw();
    expect(await second.resume(first.resumeToken, 2)).toMatchObject({ payload: { replayed: false } });
    await test.clock.settle();
    expect(second.events()).toEqual([]);
    say('later');
    expect(await second.next('log')).toMatchObject({ event_seq: 3 });
  });

  it('ids of commands are remembered, so that a repeat of one is dropped (RFC 0001 §6.4)', async () => {
    const { agent } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    await first.accepted('puppet', {}, { id: 'msg_once' });
    first.wire.destroy();
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    second.invoke('puppet', {}, { id: 'msg_once' });
    await test.clock.settle();
    expect(second.seen('job.accepted')).toHaveLength(1);
  });
});

describe('a resume token (decision 12)', () => {
  it('is rotated at every use; the old one dies with the first frame on the new connection', async () => {
    await using test = bench();
    const first = await test.open();
    first.wire.destroy();
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    expect(second.resumeToken).not.toBe(first.resumeToken);
    second.send('ping', {});
    await second.next('pong');
    second.wire.destroy();
    await rejected(test.raw(), first.resumeToken, 0);
    await test.raw().resume(second.resumeToken, 0);
  });

  it('still works when the reply with the new one was lost: nobody is locked out', async () => {
    const { agent, say } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    await first.accepted('puppet');
    await test.clock.settle();
    first.wire.destroy();
    const second = test.raw();
    second.wire.pause();
    second.send('session.resume', { resume_token: first.resumeToken, last_event_seq: 2 });
    await test.clock.settle();
    second.wire.destroy();
    expect(second.frames).toEqual([]);
    const third = test.raw();
    await third.resume(first.resumeToken, 2);
    say('still there');
    expect(await third.next('log')).toMatchObject({ event_seq: 3 });
    third.send('ping', {});
    await third.next('pong');
    await rejected(test.raw(), first.resumeToken, 2);
  });

  it('outlives a repeat of the frame that used it, which says nothing of what the client has', async () => {
    await using test = bench();
    const first = await test.open();
    first.wire.destroy();
    const second = test.raw();
    second.wire.pause();
    const frame = { resume_token: first.resumeToken, last_event_seq: 0 };
    second.send('session.resume', frame, { id: 'msg_again' });
    second.send('session.resume', frame, { id: 'msg_again' });
    await test.clock.settle();
    second.wire.destroy();
    const third = test.raw();
    await third.resume(first.resumeToken, 0);
    expect(third.seen('nack')).toEqual([]);
  });

  it('kills the unseen successor of the token that is used again', async () => {
    await using test = bench();
    const first = await test.open();
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    const third = test.raw();
    await third.resume(first.resumeToken, 0);
    expect(await second.closed()).toMatchObject({ code: 1000 });
    await rejected(test.raw(), second.resumeToken, 0);
    third.send('ping', {});
    await third.next('pong');
  });

  it.each(['rt_', 'rt_x', 'rt_x.y', 'nonsense', 'rt_a.b.c', 'rt_.', 'rt___proto__.x'])(
    'that is none, %j, is session.rejected RESUME_WINDOW_EXPIRED',
    async (token) => {
      await using test = bench();
      await rejected(test.raw(), token, 0);
    },
  );

  it('with the right session and a wrong secret changes nothing for the session', async () => {
    await using test = bench();
    const first = await test.open();
    await rejected(test.raw(), `${first.resumeToken.slice(0, -2)}xx`, 0);
    first.send('ping', {});
    await first.next('pong');
  });
});

describe('a resume that is not covered', () => {
  it('from beyond the latest event is RESUME_WINDOW_EXPIRED', async () => {
    await using test = bench();
    const first = await test.open();
    await rejected(test.raw(), first.resumeToken, 1);
  });

  it('from before what is kept is RESUME_WINDOW_EXPIRED', async () => {
    const { agent, say } = puppet();
    await using test = bench({ agents: [agent], limits: { maxReplayEvents: 2 } });
    const first = await test.open();
    await first.accepted('puppet');
    say('a', 'b', 'c');
    await test.clock.settle();
    first.wire.destroy();
    await rejected(test.raw(), first.resumeToken, 0);
  });

  it('because a job of its replay was forgotten is RESUME_WINDOW_EXPIRED', async () => {
    const { agent, end } = puppet();
    await using test = bench({ agents: [agent], limits: { finishedJobTtlMs: 1_000 } });
    const first = await test.open();
    const jobId = await first.accepted('puppet');
    first.wire.destroy();
    end();
    await test.clock.settle();
    await test.clock.advance(2_001);
    expect(jobId).toMatch(/^job_/);
    await rejected(test.raw(), first.resumeToken, 1);
  });
});

describe('the resume window', () => {
  it('counts from the drop, not from the opening (decision 12)', async () => {
    await using test = bench({ limits: { resumeWindowMs: 60_000 } });
    const first = await test.open();
    await test.clock.advance(3_600_000);
    first.wire.destroy();
    await test.clock.settle();
    await test.clock.advance(59_999);
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    second.wire.destroy();
    await test.clock.settle();
    await test.clock.advance(60_000);
    await rejected(test.raw(), second.resumeToken, 0);
  });

  it('leaves the jobs of an expired session running', async () => {
    const { agent, end } = puppet();
    await using test = bench({ agents: [agent], limits: { resumeWindowMs: 1_000 } });
    const first = await test.open();
    const jobId = await first.accepted('puppet');
    first.wire.destroy();
    await test.clock.advance(1_001);
    const second = await test.open();
    second.send('cancel', { target: 'job', target_id: jobId });
    await second.next('cancel.accepted');
    end();
  });
});

describe('a live session', () => {
  it('is taken over: the old socket is closed and hears nothing more, the new one misses nothing', async () => {
    const { agent, say } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    await first.accepted('puppet');
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    expect(await first.closed()).toMatchObject({ code: 1000 });
    say('after');
    await second.next('log');
    expect(told(second).map(([seq]) => seq)).toEqual([1, 2, 3]);
    expect(first.seen('log')).toEqual([]);
    first.send('ping', {});
    await test.clock.settle();
    expect(first.seen('pong')).toEqual([]);
  });

  it('is not ended by the late close of the socket that it left', async () => {
    await using test = bench({ limits: { resumeWindowMs: 1_000 } });
    const first = await test.open();
    const second = test.raw();
    await second.resume(first.resumeToken, 0);
    await first.closed();
    await test.clock.advance(5_000);
    second.send('ping', {});
    await second.next('pong');
  });
});

it('a session.resume on an open session is a nack FAILED_PRECONDITION', async () => {
  await using test = bench();
  const raw = await test.open();
  raw.send('session.resume', { resume_token: raw.resumeToken, last_event_seq: 0 });
  expect(await raw.next('nack')).toMatchObject({ payload: { code: 'FAILED_PRECONDITION' } });
  expect(new ArcpError('RESUME_WINDOW_EXPIRED', '').retryable).toBe(false);
});

it('a resume beyond what the session was told is refused, and leaves the session and its connection alone (L6)', async () => {
  await using test = bench();
  const client = await test.open();
  const raw = test.raw();
  raw.send('session.resume', { resume_token: client.resumeToken, last_event_seq: 1 });
  expect(await raw.next('session.rejected')).toMatchObject({
    payload: { code: 'RESUME_WINDOW_EXPIRED', details: { last_event_seq: 0 } },
  });
  const ping = client.send('ping', {});
  await client.next('pong', (frame) => frame.correlation_id === ping);
  await raw.resume(client.resumeToken, 0);
  expect(await client.closed()).toMatchObject({ code: 1000 });
});

describe('a resume that brings credentials', () => {
  const auth = (token: string) => ({ auth: { scheme: 'bearer', token } });

  it('is taken from the principal of the session', async () => {
    const { agent, say } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open('ada');
    await first.accepted('puppet');
    first.wire.destroy();
    say('missed');
    await test.clock.settle();
    const second = test.raw();
    second.send('session.resume', { resume_token: first.resumeToken, last_event_seq: 2, ...auth('ada') });
    expect(await second.next('session.resumed')).toMatchObject({ session_id: first.sessionId });
    expect(await second.next('log')).toMatchObject({ event_seq: 3, payload: { message: 'missed' } });
  });

  it.each([
    ['another principal', auth('bob'), 'PERMISSION_DENIED'],
    ['nobody that is known', auth('eve'), 'UNAUTHENTICATED'],
    ['a scheme that is not configured', { auth: { scheme: 'mtls' } }, 'UNAUTHENTICATED'],
    ['nobody at all', { auth: { scheme: 'none' } }, 'PERMISSION_DENIED'],
  ])('is refused from %s, and the session stays as it was', async (_who, credentials, code) => {
    await using test = bench();
    const first = await test.open('ada');
    const second = test.raw();
    second.send('session.resume', { resume_token: first.resumeToken, last_event_seq: 0, ...credentials });
    expect(await second.next('session.rejected')).toMatchObject({ payload: { code } });
    expect(first.end).toBeUndefined();
    const third = test.raw();
    await third.resume(first.resumeToken, 0);
    expect(third.sessionId).toBe(first.sessionId);
  });

  it('is taken from an anonymous client for its own session only', async () => {
    await using test = bench();
    const first = await test.open('nobody');
    const second = test.raw();
    second.send('session.resume', {
      resume_token: first.resumeToken,
      last_event_seq: 0,
      auth: { scheme: 'none' },
    });
    expect(await second.next('session.resumed')).toMatchObject({ session_id: first.sessionId });
  });
});

describe('a close that allows to resume', () => {
  it('keeps the session while a job of it runs, as after a drop', async () => {
    const { agent, say, end } = puppet();
    await using test = bench({ agents: [agent] });
    const first = await test.open();
    const jobId = await first.accepted('puppet');
    first.send('session.close', { allow_resume: true });
    await first.next('session.closed');
    await first.closed();
    say('missed');
    end();
    await test.clock.settle();
    const second = test.raw();
    await second.resume(first.resumeToken, 2);
    await second.terminal(jobId);
    expect(told(second)).toEqual([
      [3, 'missed'],
      [4, 'job.completed'],
    ]);
  });

  it('ends a session that has no jobs', async () => {
    await using test = bench();
    const first = await test.open();
    first.send('session.close', { allow_resume: true });
    await first.closed();
    await rejected(test.raw(), first.resumeToken, 0);
  });
});
