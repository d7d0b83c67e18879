/** Law L6: bad input gets a clear error and changes nothing (decisions 14, 16, 20, 25). */
import { WebSocket } from 'ws';
import { describe, expect, it } from 'vitest';
import { anonymous, createRuntime, defineAgent, listen } from '../../src/index.js';
import { bench } from './bench.js';

const echo = defineAgent({ name: 'echo', version: '1.0.0', run: (input) => input });

describe('on an open session', () => {
  it.each<[string, string, object, string]>([
    ['an unknown core type', 'job.dance', {}, 'UNIMPLEMENTED'],
    ['a type of nobody', 'nonsense', {}, 'UNIMPLEMENTED'],
    ['a reserved name', 'x-thing', {}, 'UNIMPLEMENTED'],
    ['an extension that was not agreed on', 'arcpx.acme.dance.v1', {}, 'UNIMPLEMENTED'],
    ['a type named like a property of objects', '__proto__', {}, 'UNIMPLEMENTED'],
    ['a type that runtimes send', 'job.completed', {}, 'INVALID_ARGUMENT'],
    ['a handshake type that runtimes send', 'session.closed', {}, 'INVALID_ARGUMENT'],
    [
      'a handoff where there is nobody to hand over to',
      'agent.handoff',
      { runtime: { kind: 'elsewhere' }, agent: 'echo' },
      'FAILED_PRECONDITION',
    ],
    ['a payload that is wrong', 'cancel', { target: 'planet', target_id: 'x' }, 'INVALID_ARGUMENT'],
    [
      'an integer beyond 2^53 in a typed field',
      'session.ack',
      { last_processed_seq: 2 ** 53 },
      'INVALID_ARGUMENT',
    ],
    ['a lone surrogate in a typed field', 'ping', { nonce: '\ud800' }, 'INVALID_ARGUMENT'],
  ])('%s is a nack, correlated, and the session goes on', async (_what, type, payload, code) => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    const id = client.send(type, payload);
    const nack = await client.next('nack');
    expect(nack).toMatchObject({
      correlation_id: id,
      session_id: client.sessionId,
      payload: { code, ack_for: id, retryable: false },
    });
    expect(nack.event_seq).toBeUndefined();
    expect(nack.payload.message).not.toBe('');
    expect(await client.terminal(await client.accepted('echo', 1))).toMatchObject({ payload: { value: 1 } });
  });

  it('an extension that calls itself optional is dropped in silence (decision 16)', async () => {
    await using test = bench();
    const client = await test.open();
    client.send('arcpx.acme.dance.v1', {}, { extensions: { optional: true } });
    client.send('ping', {});
    await client.next('pong');
    expect(client.seen('nack')).toEqual([]);
  });

  it.each(['', 'hello', '[]', 'null', '7', '"text"', '{', '{"type":"ping"}', '{"id":7}', '\u0000'])(
    'the frame %j is a nack INVALID_ARGUMENT without correlation',
    async (frame) => {
      await using test = bench();
      const client = await test.open();
      client.sendText(frame);
      const nack = await client.next('nack');
      expect(nack.payload.code).toBe('INVALID_ARGUMENT');
      expect(nack.correlation_id).toBeUndefined();
      client.send('ping', {});
      await client.next('pong');
    },
  );

  it('a frame that nests too deep is a nack, whatever is in it', async () => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    client.sendText('['.repeat(20_000));
    expect(await client.next('nack')).toMatchObject({ payload: { code: 'INVALID_ARGUMENT' } });
    client.sendText(`{"id":${'['.repeat(20_000)}${']'.repeat(20_000)}}`);
    expect(await client.next('nack')).toMatchObject({ payload: { code: 'INVALID_ARGUMENT' } });
  });

  it('a frame as deep as is allowed comes back as deep as it is', async () => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    let args: unknown = 1;
    for (let depth = 0; depth < 126; depth += 1) args = [args];
    expect(await client.terminal(await client.accepted('echo', args))).toMatchObject({
      payload: { value: args },
    });
  });

  it('a repeat of a message id is dropped (RFC 0001 §6.4)', async () => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    client.invoke('echo', 1, { id: 'msg_same' });
    client.invoke('echo', 1, { id: 'msg_same' });
    client.send('ping', {}, { id: 'msg_same' });
    await test.clock.settle();
    expect(client.seen('job.accepted')).toHaveLength(1);
    expect(client.seen('pong')).toEqual([]);
  });

  it('ids are remembered up to a limit, and of each session by itself (L7)', async () => {
    await using test = bench({ limits: { maxRememberedCommands: 2 } });
    const [client, other] = [await test.open(), await test.open()];
    for (const id of ['msg_a', 'msg_b', 'msg_c', 'msg_a', 'msg_c']) client.send('ping', {}, { id });
    other.send('ping', {}, { id: 'msg_c' });
    await other.next('pong');
    await test.clock.settle();
    expect(client.seen('pong').map(({ correlation_id }) => correlation_id)).toEqual([
      'msg_a',
      'msg_b',
      'msg_c',
      'msg_a',
    ]);
  });

  it('a refused frame does not use its id up', async () => {
    await using test = bench();
    const client = await test.open();
    client.send('ping', { nonce: 7 }, { id: 'msg_x' });
    await client.next('nack');
    client.send('ping', {}, { id: 'msg_x' });
    await client.next('pong');
  });

  it('a session_id that is missing or foreign does not matter: that of the connection counts (decision 14)', async () => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    const jobId = await client.accepted('echo', 1, { session_id: 'sess_somebody_else' });
    expect(await client.terminal(jobId)).toMatchObject({ session_id: client.sessionId });
  });

  it('any arcp version is taken, and 1.1 is written (decision 20)', async () => {
    await using test = bench();
    const client = await test.open();
    client.send('ping', {}, { arcp: '99.7-beta' });
    expect((await client.next('pong')).arcp).toBe('1.1');
  });

  it('free values pass as JSON gives them: own keys named __proto__ and numbers of any size (decision 25)', async () => {
    await using test = bench({ agents: [echo] });
    const client = await test.open();
    const id = 'msg_raw';
    client.sendText(
      `{"arcp":"1.1","id":"${id}","type":"tool.invoke","timestamp":"2026-01-01T00:00:00Z","payload":{"tool":"echo","arguments":{"__proto__":{"polluted":true},"n":1e300}}}`,
    );
    const terminal = await client.next('job.completed');
    expect(JSON.stringify(terminal.payload)).toBe('{"value":{"__proto__":{"polluted":true},"n":1e+300}}');
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

it('a binary frame is a nack INVALID_ARGUMENT, and the connection goes on', async () => {
  const runtime = createRuntime({ agents: [echo], authenticators: [anonymous()] });
  const server = await listen(runtime, { port: 0 });
  const socket = new WebSocket(server.url);
  const frames: { type: string; payload: { code?: string } }[] = [];
  const arrived = (count: number): Promise<void> =>
    new Promise((resolve) => {
      socket.on('message', (data: Buffer) => {
        frames.push(JSON.parse(data.toString()) as (typeof frames)[number]);
        if (frames.length === count) resolve();
      });
    });
  await new Promise((resolve) => socket.on('open', resolve));
  const two = arrived(2);
  const open = { auth: { scheme: 'none' }, client: { kind: 't', version: '0' } };
  socket.send(Buffer.from([1, 2, 3]));
  socket.send(
    JSON.stringify({
      arcp: '1.1',
      id: 'msg_1',
      type: 'session.open',
      timestamp: '2026-01-01T00:00:00Z',
      payload: open,
    }),
  );
  await two;
  expect(frames).toMatchObject([
    { type: 'nack', payload: { code: 'INVALID_ARGUMENT' } },
    { type: 'session.accepted' },
  ]);
  socket.close();
  await server.close();
  await runtime.close();
});
