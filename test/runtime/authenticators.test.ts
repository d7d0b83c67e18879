/** Authenticators: challenge and response (RFC 0001 §8.2), and authenticators that do not keep their word. */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bearerTokens, type Authenticator } from '../../src/index.js';
import { bench } from './bench.js';

const SECRET = 'kept by both';
const client = { kind: 'test', version: '0' };

function answerTo(challenge: string): string {
  return createHmac('sha256', SECRET).update(challenge).digest('hex');
}

const hmac: Authenticator = {
  scheme: 'hmac',
  authenticate: ({ token, sessionId }) => ({
    kind: 'challenge',
    challenge: `nonce of ${sessionId}`,
    verify: (response) =>
      response === answerTo(`nonce of ${sessionId}`)
        ? { kind: 'accepted', principal: token ?? 'somebody' }
        : { kind: 'rejected', message: 'that is not the answer' },
  }),
};

describe('challenge and response', () => {
  it('the right answer opens the session, correlated to it', async () => {
    await using test = bench({ authenticators: [hmac] });
    const raw = test.raw();
    const open = raw.send('session.open', { auth: { scheme: 'hmac', token: 'ada' }, client });
    const challenge = await raw.next('session.challenge');
    expect(challenge.correlation_id).toBe(open);
    const answer = raw.send('session.authenticate', { response: answerTo(challenge.payload.challenge) });
    const accepted = await raw.next('session.accepted');
    expect(accepted.correlation_id).toBe(answer);
    expect(challenge.payload.challenge).toBe(`nonce of ${accepted.payload.session_id}`);
  });

  it('the wrong answer is rejected, and the challenge is spent', async () => {
    await using test = bench({ authenticators: [hmac] });
    const raw = test.raw();
    raw.send('session.open', { auth: { scheme: 'hmac' }, client });
    const { payload } = await raw.next('session.challenge');
    const wrong = raw.send('session.authenticate', { response: 'guess' });
    expect(await raw.next('session.rejected')).toMatchObject({
      correlation_id: wrong,
      payload: { code: 'UNAUTHENTICATED' },
    });
    const late = raw.send('session.authenticate', { response: answerTo(payload.challenge) });
    expect(await raw.next('nack')).toMatchObject({
      correlation_id: late,
      payload: { code: 'FAILED_PRECONDITION' },
    });
  });

  it('an answer that nobody asked for is a nack FAILED_PRECONDITION', async () => {
    await using test = bench({ authenticators: [hmac] });
    const raw = test.raw();
    const id = raw.send('session.authenticate', { response: 'x' });
    expect(await raw.next('nack')).toMatchObject({
      correlation_id: id,
      payload: { code: 'FAILED_PRECONDITION' },
    });
    await raw.open('ada');
  });

  it('a challenge does not stop the clock of the greeting: 1008 after ten seconds', async () => {
    await using test = bench({ authenticators: [hmac] });
    const raw = test.raw();
    await test.clock.advance(6_000);
    raw.send('session.open', { auth: { scheme: 'hmac' }, client });
    await raw.next('session.challenge');
    await test.clock.advance(4_000);
    expect(await raw.closed()).toMatchObject({ code: 1008 });
  });

  it('another session.open takes the place of a challenge', async () => {
    await using test = bench({ authenticators: [hmac] });
    const raw = test.raw();
    raw.send('session.open', { auth: { scheme: 'hmac' }, client });
    await raw.next('session.challenge');
    await raw.open('ada');
  });
});

describe('an authenticator that throws', () => {
  it.each<[string, Authenticator]>([
    [
      'at once',
      {
        scheme: 'broken',
        authenticate: () => {
          throw new Error('no directory');
        },
      },
    ],
    [
      'when it verifies',
      {
        scheme: 'broken',
        authenticate: () => ({
          kind: 'challenge',
          challenge: 'c',
          verify: () => {
            throw new Error('no directory');
          },
        }),
      },
    ],
  ])('%s lets nobody in, says nothing of why, and bothers nobody else', async (when, broken) => {
    await using test = bench({ authenticators: [broken] });
    const raw = test.raw();
    raw.send('session.open', { auth: { scheme: 'broken' }, client });
    if (when !== 'at once') {
      await raw.next('session.challenge');
      raw.send('session.authenticate', { response: 'r' });
    }
    const { payload } = await raw.next('session.rejected');
    expect(payload.code).toBe('UNAUTHENTICATED');
    expect(payload.message).not.toContain('directory');
    await test.open('ada');
  });
});

describe('bearer tokens', () => {
  it('several may stand for one principal, and none is guessed by its beginning', () => {
    const authenticator = bearerTokens([
      ['one', 'ada'],
      ['two', 'ada'],
    ]);
    const asked = (token: string) => authenticator.authenticate({ token, sessionId: 'sess_1' }).kind;
    expect(['one', 'two', 'on', 'onee', ''].map(asked)).toEqual([
      'accepted',
      'accepted',
      'rejected',
      'rejected',
      'rejected',
    ]);
  });
});
