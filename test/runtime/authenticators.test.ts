/** Authenticators: challenge and response (RFC 0001 §8.2), and authenticators that do not keep their word. */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bearerTokens, type Authenticator } from '../../src/index.js';
import type { AuthOutcome } from '../../src/runtime/authenticator.js';
import { Completion } from '../../src/runtime/completion.js';
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

  it('the wrong answer is session.unauthenticated, and the challenge is spent', async () => {
    await using test = bench({ authenticators: [hmac] });
    const raw = test.raw();
    raw.send('session.open', { auth: { scheme: 'hmac' }, client });
    const { payload } = await raw.next('session.challenge');
    const wrong = raw.send('session.authenticate', { response: 'guess' });
    expect(await raw.next('session.unauthenticated')).toMatchObject({
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
    const answer = when === 'at once' ? 'session.rejected' : 'session.unauthenticated';
    const { payload } = await raw.next(answer);
    expect(payload.code).toBe('UNAUTHENTICATED');
    expect(payload.message).not.toContain('directory');
    await test.open('ada');
  });
});

describe('bearer tokens', () => {
  it('several may stand for one principal, and none is guessed by its beginning', async () => {
    const authenticator = bearerTokens([
      ['one', 'ada'],
      ['two', 'ada'],
    ]);
    const asked = async (token: string) =>
      (await authenticator.authenticate({ token, sessionId: 'sess_1' })).kind;
    expect(await Promise.all(['one', 'two', 'on', 'onee', ''].map(asked))).toEqual([
      'accepted',
      'accepted',
      'rejected',
      'rejected',
      'rejected',
    ]);
  });
});

it('a bearer token that is empty is refused: it would let in whoever sends none of substance', () => {
  expect(() => bearerTokens([['', 'ada']])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

it('a scheme that is not configured is refused with the names of those that are', async () => {
  await using test = bench();
  const raw = test.raw();
  raw.send('session.open', { auth: { scheme: 'mtls' }, client });
  const { payload } = await raw.next('session.rejected');
  expect(payload.message).toContain('not configured');
  expect(payload.message).toContain('none, bearer');
});

describe('an authenticator that takes its time', () => {
  function slow() {
    const asked: Completion<AuthOutcome>[] = [];
    const ask = (): Promise<AuthOutcome> => {
      const completion = new Completion<AuthOutcome>();
      asked.push(completion);
      return completion.promise;
    };
    const authenticators: Authenticator[] = [
      { scheme: 'slow', authenticate: ask },
      { scheme: 'asks', authenticate: () => ({ kind: 'challenge', challenge: 'c', verify: ask }) },
    ];
    return { authenticators, asked };
  }
  const accepted: AuthOutcome = { kind: 'accepted', principal: 'ada' };
  const open = { auth: { scheme: 'slow' }, client };

  it('lets in whom it accepts, and nothing counts before but handshakes, which are held', async () => {
    const { authenticators, asked } = slow();
    await using test = bench({ authenticators });
    const raw = test.raw();
    const id = raw.send('session.open', open);
    raw.send('ping', {});
    const second = raw.send('session.open', open);
    await test.clock.settle();
    expect(raw.frames).toEqual([]);
    expect(asked).toHaveLength(1);
    asked[0]?.resolve(accepted);
    expect((await raw.next('session.accepted')).correlation_id).toBe(id);
    expect(await raw.next('nack')).toMatchObject({ correlation_id: second });
    expect(raw.seen('pong')).toEqual([]);
  });

  it('takes the next handshake after it has refused one', async () => {
    const { authenticators, asked } = slow();
    await using test = bench({ authenticators });
    const raw = test.raw();
    raw.send('session.open', open);
    await test.clock.settle();
    const second = raw.send('session.open', open);
    asked[0]?.resolve({ kind: 'rejected', message: 'no' });
    await raw.next('session.rejected');
    asked[1]?.resolve(accepted);
    expect((await raw.next('session.accepted')).correlation_id).toBe(second);
  });

  it('may look at the answer to a challenge for a while, too', async () => {
    const { authenticators, asked } = slow();
    await using test = bench({ authenticators });
    const raw = test.raw();
    raw.send('session.open', { auth: { scheme: 'asks' }, client });
    await raw.next('session.challenge');
    const answer = raw.send('session.authenticate', { response: 'r' });
    await test.clock.settle();
    asked[0]?.resolve(accepted);
    expect((await raw.next('session.accepted')).correlation_id).toBe(answer);
  });

  it.each<[string, (asked: Completion<AuthOutcome>) => void]>([
    [
      'rejects its promise',
      (asked) => {
        asked.reject(new Error('no directory'));
      },
    ],
    [
      'gives what is no outcome',
      (asked) => {
        asked.resolve(undefined as unknown as AuthOutcome);
      },
    ],
  ])('and %s lets nobody in', async (_what, settle) => {
    const { authenticators, asked } = slow();
    await using test = bench({ authenticators });
    const raw = test.raw();
    raw.send('session.open', open);
    await test.clock.settle();
    for (const one of asked) settle(one);
    const { payload } = await raw.next('session.rejected');
    expect(payload).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(payload.message).not.toContain('directory');
    await raw.open('ada');
  });

  it('is waited for no longer than for a greeting, and what it says later does not count: 1008', async () => {
    const { authenticators, asked } = slow();
    await using test = bench({ authenticators });
    const raw = test.raw();
    raw.send('session.open', open);
    await test.clock.advance(10_000);
    expect(await raw.closed()).toMatchObject({ code: 1008 });
    asked[0]?.resolve(accepted);
    await test.clock.settle();
    expect(raw.frames).toEqual([]);
  });

  it('is not flooded meanwhile: more handshakes than may fail close the connection (L7)', async () => {
    const { authenticators } = slow();
    await using test = bench({ authenticators });
    const raw = test.raw();
    for (let n = 0; n < 7; n += 1) raw.send('session.open', open);
    expect(await raw.closed()).toMatchObject({ code: 1008 });
  });
});
