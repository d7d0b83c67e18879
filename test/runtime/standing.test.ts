/** What becomes of sessions whose credential was revoked or replaced, connected or not, and after a restart. */
import { afterEach, describe, expect, it } from 'vitest';
import { bearerTokens, defineAgent, type Authenticator, type BearerTokens } from '../../src/index.js';
import { bench, type Bench } from './bench.js';
import { DATA, lives } from './lives.js';
import type { RawClient } from './raw-client.js';
import { Completion } from '../../src/runtime/completion.js';

const refreshTimeoutMs = 5_000;

/** Runs until it is told to end. */
function patient() {
  const end = new Completion<undefined>();
  const agent = defineAgent({ name: 'patient', version: '1.0.0', run: () => end.promise });
  return { agent, end: () => end.resolve(undefined) };
}

function rotating(): { readonly tokens: BearerTokens; readonly authenticators: Authenticator[] } {
  const tokens = bearerTokens([
    ['old', 'ada'],
    ['bobs', 'bob'],
  ]);
  return { tokens, authenticators: [tokens] };
}

/** Ada's token is replaced. */
function replace(tokens: BearerTokens, runtime: Bench['runtime']): void {
  tokens.set([
    ['new', 'ada'],
    ['bobs', 'bob'],
  ]);
  runtime.recheck();
}

async function isOpen(client: RawClient): Promise<void> {
  client.send('ping', {});
  await client.next('pong');
}

async function isEvicted(client: RawClient): Promise<void> {
  expect((await client.next('session.evicted')).payload).toMatchObject({
    code: 'UNAUTHENTICATED',
    allow_resume: false,
  });
  expect(await client.closed()).toMatchObject({ code: 1008 });
}

describe('a revoked credential (S1)', () => {
  it('ends its sessions at once with 1008, those of others go on, and so do its jobs', async () => {
    const { tokens, authenticators } = rotating();
    const { agent, end } = patient();
    await using test = bench({ authenticators, agents: [agent] });
    const ada = await test.open('old');
    const bob = await test.open('bobs');
    const job = await ada.accepted('patient');
    tokens.set([['bobs', 'bob']]);
    test.runtime.recheck();
    await isEvicted(ada);
    await isOpen(bob);

    tokens.set([
      ['later', 'ada'],
      ['bobs', 'bob'],
    ]);
    const again = await test.open('later');
    again.send('job.subscribe', { job_id: job, history: true });
    expect((await again.next('job.subscribed')).payload.current_status).toBe('running');
    end();
    await again.terminal(job);
  });

  it('does not resume a session that was not connected: UNAUTHENTICATED, and then it is gone', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators });
    const ada = await test.open('old');
    ada.wire.destroy();
    await test.clock.settle();
    tokens.set([['bobs', 'bob']]);
    test.runtime.recheck();
    const back = test.raw();
    for (const code of ['UNAUTHENTICATED', 'RESUME_WINDOW_EXPIRED']) {
      back.send('session.resume', { resume_token: ada.resumeToken, last_event_seq: 0 });
      expect((await back.next('session.rejected')).payload.code).toBe(code);
    }
  });

  it('now of another principal lets nobody go on', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators });
    const ada = await test.open('old');
    tokens.set([['old', 'bob']]);
    test.runtime.recheck();
    await isEvicted(ada);
  });

  it('does nothing to sessions that showed none', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators });
    const anybody = await test.open('nobody');
    tokens.set([]);
    test.runtime.recheck();
    await isOpen(anybody);
  });
});

describe('a replaced credential (S2)', () => {
  it('is asked for with session.refresh; the new one is acknowledged, and the session goes on', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators, limits: { refreshTimeoutMs } });
    const ada = await test.open('old');
    replace(tokens, test.runtime);
    const { payload } = await ada.next('session.refresh');
    expect(payload.deadline_ms).toBe(refreshTimeoutMs);
    expect(Date.parse(payload.deadline ?? '') - test.clock.now()).toBe(refreshTimeoutMs);
    const answer = ada.send('session.authenticate', { response: 'new' });
    expect((await ada.said(answer)).type).toBe('ack');
    await test.clock.advance(2 * refreshTimeoutMs);
    await isOpen(ada);
    test.runtime.recheck();
    await isOpen(ada);
    expect(ada.seen('session.refresh')).toHaveLength(1);
  });

  it('that is not shown in time ends the session, whatever wrong answers came', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators, limits: { refreshTimeoutMs } });
    const ada = await test.open('old');
    replace(tokens, test.runtime);
    await ada.next('session.refresh');
    await test.clock.advance(refreshTimeoutMs - 1);
    for (const [response, code] of [
      ['old', 'UNAUTHENTICATED'],
      ['bobs', 'PERMISSION_DENIED'],
    ] as const) {
      const said = await ada.said(ada.send('session.authenticate', { response }));
      expect(said.payload).toMatchObject({ code });
      expect(JSON.stringify(said)).not.toContain(`"${response}"`);
    }
    await isOpen(ada);
    await test.clock.advance(1);
    await isEvicted(ada);
  });

  it('is not guessed: after too many wrong answers the session ends before its deadline (L7)', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators, limits: { maxHandshakeFailures: 3 } });
    const ada = await test.open('old');
    replace(tokens, test.runtime);
    for (const guess of ['a', 'b', 'c', 'd']) ada.send('session.authenticate', { response: guess });
    await isEvicted(ada);
    expect(ada.seen('nack').length).toBeLessThanOrEqual(3);
  });

  it('that comes back is good again, and nothing follows', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators, limits: { refreshTimeoutMs } });
    const ada = await test.open('old');
    replace(tokens, test.runtime);
    await ada.next('session.refresh');
    tokens.set([['old', 'ada']]);
    await test.clock.advance(refreshTimeoutMs);
    await isOpen(ada);
  });

  it('that was not asked for is a nack FAILED_PRECONDITION', async () => {
    await using test = bench();
    const ada = await test.open('ada');
    const said = await ada.said(ada.send('session.authenticate', { response: 'ada' }));
    expect(said.payload).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('is needed to resume: without it the session waits on', async () => {
    const { tokens, authenticators } = rotating();
    await using test = bench({ authenticators });
    const ada = await test.open('old');
    replace(tokens, test.runtime);
    ada.wire.destroy();
    const back = test.raw();
    const resume = { resume_token: ada.resumeToken, last_event_seq: 0 };
    back.send('session.resume', resume);
    expect((await back.next('session.rejected')).payload.code).toBe('UNAUTHENTICATED');
    back.send('session.resume', { ...resume, auth: { scheme: 'bearer', token: 'new' } });
    await back.next('session.resumed');
    test.runtime.recheck();
    await isOpen(back);
    expect(back.seen('session.refresh')).toEqual([]);
  });
});

describe('an authenticator that fails (S4)', () => {
  it('ends no session, and lets none be resumed until it works', async () => {
    const { tokens } = rotating();
    let broken = false;
    const authenticator: Authenticator = {
      ...tokens,
      standing(digest, principal) {
        if (broken) throw new Error('the directory is down');
        return tokens.standing?.(digest, principal) ?? 'good';
      },
    };
    await using test = bench({ authenticators: [authenticator] });
    const ada = await test.open('old');
    broken = true;
    test.runtime.recheck();
    await isOpen(ada);
    ada.wire.destroy();
    const back = test.raw();
    const resume = { resume_token: ada.resumeToken, last_event_seq: 0 };
    back.send('session.resume', resume);
    expect((await back.next('session.rejected')).payload.code).toBe('UNAUTHENTICATED');
    broken = false;
    await back.resume(ada.resumeToken, 0);
  });
});

describe.each(DATA)('after a restart on %s (S3)', (_name, make) => {
  let history: ReturnType<typeof lives> | undefined;
  afterEach(() => history?.end());

  it.each(['revoked', 'replaced'] as const)(
    'a session whose credential was %s is not resumed with it',
    async (kind) => {
      const { tokens, authenticators } = rotating();
      history = lives(make(), { authenticators });
      const first = await history.next();
      const ada = await first.open('old');
      tokens.set(kind === 'revoked' ? [['bobs', 'bob']] : [['new', 'ada']]);
      const second = await history.next();
      const back = second.raw();
      const resume = { resume_token: ada.resumeToken, last_event_seq: 0 };
      back.send('session.resume', resume);
      expect((await back.next('session.rejected')).payload.code).toBe('UNAUTHENTICATED');
      back.send('session.resume', { ...resume, auth: { scheme: 'bearer', token: 'new' } });
      if (kind === 'replaced') await back.next('session.resumed');
      else expect((await back.next('session.rejected')).payload.code).toBe('UNAUTHENTICATED');
    },
  );

  it('a session that was refreshed is resumed as before', async () => {
    const { tokens, authenticators } = rotating();
    history = lives(make(), { authenticators });
    const first = await history.next();
    const ada = await first.open('old');
    replace(tokens, first.runtime);
    expect((await ada.said(ada.send('session.authenticate', { response: 'new' }))).type).toBe('ack');
    const second = await history.next();
    await second.raw().resume(ada.resumeToken, 0);
  });
});
