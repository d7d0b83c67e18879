/** Law L3 where it is close: a session is resumed while its store takes its time, or by two connections at once (C5). */
import { describe, expect, it } from 'vitest';
import { slowStore } from '../store/slow-store.js';
import { bench, type Bench } from './bench.js';
import type { RawClient } from './raw-client.js';

/** A session that is open and kept, on a store that from then on waits for the test. */
async function setUp() {
  const store = slowStore({ durable: true });
  store.atOnce = true;
  const test = bench({ store });
  await test.runtime.recover();
  const first = await test.open();
  await test.clock.settle();
  store.atOnce = false;
  return { store, test, first };
}

/** Asks for the session, and lets the runtime hear it. */
async function asks(test: Bench, token: string): Promise<RawClient> {
  const client = test.raw();
  client.send('session.resume', { resume_token: token, last_event_seq: 0 });
  await test.clock.settle();
  return client;
}

async function pings(client: RawClient): Promise<void> {
  const id = client.send('ping', {});
  await client.next('pong', (frame) => frame.correlation_id === id);
}

describe('of two that resume a session at once', () => {
  it('the latest gets it, the other is closed, and the token of the latest holds (C5)', async () => {
    const { store, test, first } = await setUp();
    await using _test = test;
    const second = await asks(test, first.resumeToken);
    const third = await asks(test, first.resumeToken);
    store.atOnce = true;
    store.commit();
    const resumed = await third.next('session.resumed');
    expect(await second.closed()).toMatchObject({ code: 1000 });
    expect(second.frames).toEqual([]);
    await pings(third);
    third.transport.close(1000, '');
    await test.clock.settle();
    const fourth = test.raw();
    expect(await fourth.resume(resumed.payload.resume_token, 0)).toMatchObject({
      session_id: first.sessionId,
    });
  });

  it('the one that goes away first takes nothing from the other', async () => {
    const { store, test, first } = await setUp();
    await using _test = test;
    const second = await asks(test, first.resumeToken);
    const third = await asks(test, first.resumeToken);
    second.transport.close(1000, '');
    await test.clock.settle();
    store.atOnce = true;
    store.commit();
    await third.next('session.resumed');
    await test.clock.advance(3_600_000);
    await pings(third);
  });

  it('where the latest goes away before it is answered, the token that both had still holds', async () => {
    const { store, test, first } = await setUp();
    await using _test = test;
    await asks(test, first.resumeToken);
    const third = await asks(test, first.resumeToken);
    third.transport.close(1000, '');
    await test.clock.settle();
    store.atOnce = true;
    store.commit();
    await test.clock.settle();
    expect(await test.raw().resume(first.resumeToken, 0)).toMatchObject({ session_id: first.sessionId });
  });
});

it('a resume that cannot be stored is refused for now, and the session stays (L6)', async () => {
  const { store, test, first } = await setUp();
  await using _test = test;
  const second = await asks(test, first.resumeToken);
  store.atOnce = true;
  store.refuse();
  expect(await second.next('session.rejected')).toMatchObject({
    payload: { code: 'UNAVAILABLE', retryable: true },
  });
  await test.clock.settle();
  expect(await test.raw().resume(first.resumeToken, 0)).toMatchObject({ session_id: first.sessionId });
});

it('a session that ends while it is resumed is not given to anybody', async () => {
  const { store, test, first } = await setUp();
  await using _test = test;
  const second = await asks(test, first.resumeToken);
  await test.clock.advance(600_001);
  store.atOnce = true;
  store.commit();
  expect(await second.closed()).toMatchObject({ code: 1008 });
  expect(second.seen('session.resumed')).toEqual([]);
});
