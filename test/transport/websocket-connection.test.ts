/** One WebSocket at the server, against a peer that keeps no rules: refused frames, order of writes, pings. */
import { describe, expect, it } from 'vitest';
import { CLOSE_CODES } from '../../src/transport/transport.js';
import { disposals, listen } from './listening.js';
import { RawPeer } from './raw-peer.js';
import { turns } from './recorder.js';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

function closeOf(payload: Buffer | undefined): { code: number; reason: string } {
  if (payload === undefined) throw new Error('the connection ended without a close frame');
  return { code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) };
}

describe('frames that are refused', () => {
  it('are closed with 1009 and a reason when too large, as soon as their header is read (L6, L7)', async () => {
    const { open } = await listen({ maxFrameBytes: 1_000 });
    const { peer, recorder } = await open();
    peer.send(TEXT, '"fits"');
    peer.send(TEXT, 'only the beginning', 2_000_000);
    const end = { code: 1009, reason: 'the frame is larger than 1000 bytes' };
    expect(closeOf((await peer.frame())?.payload)).toEqual(end);
    expect(await recorder.ended()).toEqual(end);
    expect(recorder.frames).toEqual(['"fits"']);
  });

  it('are closed with 1007 when not UTF-8 (RFC 6455 §8.1)', async () => {
    const { open } = await listen();
    const { peer, recorder } = await open();
    peer.send(TEXT, Buffer.from([0xc3, 0x28]));
    const end = { code: 1007, reason: 'the frame is not valid UTF-8' };
    expect(closeOf((await peer.frame())?.payload)).toEqual(end);
    expect(await recorder.ended()).toEqual(end);
  });

  it('are closed with 1002 when they break the protocol', async () => {
    const { open } = await listen();
    const { peer, recorder } = await open();
    peer.socket.write(Buffer.from([0x81, 0x01, 0x31]));
    const end = { code: 1002, reason: 'the frame breaks the WebSocket protocol' };
    expect(closeOf((await peer.frame())?.payload)).toEqual(end);
    expect(await recorder.ended()).toEqual(end);
  });

  it('are handed over as such when binary, and the connection goes on (L6)', async () => {
    const { open } = await listen();
    const { peer, transport, recorder } = await open();
    peer.send(BINARY, Buffer.from([1, 2, 3]));
    peer.send(TEXT, '"text"');
    expect(await recorder.received(1)).toEqual(['"text"']);
    expect(recorder.binaries.map((bytes) => [...bytes])).toEqual([[1, 2, 3]]);
    transport.send('"still here"');
    expect((await peer.frame())?.payload.toString()).toBe('"still here"');
  });

  it('are ignored when binary and nobody asked for them', async () => {
    const received: string[] = [];
    const { listener } = await listen({
      onConnection: (transport) => {
        transport.start({
          message: (frame) => {
            received.push(frame);
            transport.close(CLOSE_CODES.normal, '');
          },
          closed: () => undefined,
        });
      },
    });
    const peer = await RawPeer.open(listener.port);
    disposals.push(() => peer.socket.destroy());
    peer.send(BINARY, Buffer.from([1]));
    peer.send(TEXT, '"text"');
    expect((await peer.frame())?.opcode).toBe(CLOSE);
    expect(received).toEqual(['"text"']);
  });
});

describe('writing', () => {
  it('lets pongs of ws come between our frames, never within one', async () => {
    const { open } = await listen();
    const { peer, transport, recorder } = await open();
    const frames = Array.from({ length: 300 }, (_, index) =>
      JSON.stringify(`${index} ${'ü'.repeat(index * 3)}`),
    );
    const pings = new Set<string>();
    for (const [index, frame] of frames.entries()) {
      transport.send(frame);
      if (index % 10 !== 0) continue;
      pings.add(`${index}`);
      peer.send(PING, `${index}`);
      await turns(1);
    }
    peer.send(TEXT, '"end"');
    await recorder.received(1);
    const texts: string[] = [];
    while (texts.length < frames.length || pings.size > 0) {
      const frame = await peer.frame();
      if (frame?.opcode === TEXT) texts.push(frame.payload.toString());
      else if (frame?.opcode === PONG) pings.delete(frame.payload.toString());
      else expect.unreachable(`opcode ${frame?.opcode ?? 'none'}`);
    }
    expect(texts).toEqual(frames);
  });

  it('ends with the close frame: before it everything sent, after it nothing (T2, T4)', async () => {
    const { open } = await listen();
    const { peer, transport } = await open();
    const frames = Array.from({ length: 100 }, (_, index) => JSON.stringify('x'.repeat(index * 20)));
    for (const frame of frames) transport.send(frame);
    transport.close(CLOSE_CODES.goingAway, 'enough');
    transport.send('"late"');
    await turns(2);
    transport.send('"later"');
    for (const frame of frames) expect((await peer.frame())?.payload.toString()).toBe(frame);
    expect(closeOf((await peer.frame())?.payload)).toEqual({ code: 1001, reason: 'enough' });
    peer.send(CLOSE, Buffer.from([0x03, 0xe9]));
    expect((await peer.rest()).length).toBe(0);
  });

  it('writes what the turn had gathered before it answers the close of the peer (T4)', async () => {
    const { listener } = await listen({
      onConnection: (transport) => {
        transport.start({
          message: () => {
            transport.send('"answer"');
          },
          closed: () => undefined,
        });
      },
    });
    const peer = await RawPeer.open(listener.port);
    disposals.push(() => peer.socket.destroy());
    peer.socket.cork();
    peer.send(TEXT, '"question"');
    peer.send(CLOSE, Buffer.from([0x03, 0xe8]));
    peer.socket.uncork();
    expect((await peer.frame())?.payload.toString()).toBe('"answer"');
    expect(await peer.frame()).toMatchObject({ opcode: CLOSE });
    expect((await peer.rest()).length).toBe(0);
  });
});

describe('pings', () => {
  it('come every 30 seconds by default, from one timer for all connections', async () => {
    const { open, pingEvery, pingAll } = await listen();
    const [first, second] = [await open(), await open()];
    expect(pingEvery()).toBe(30_000);
    pingAll();
    expect((await first.peer.frame())?.opcode).toBe(PING);
    expect((await second.peer.frame())?.opcode).toBe(PING);
  });

  it('drop a peer at the third when it answered neither of two', async () => {
    const { open, pingAll } = await listen();
    const { peer, recorder } = await open();
    pingAll();
    pingAll();
    expect([(await peer.frame())?.opcode, (await peer.frame())?.opcode]).toEqual([PING, PING]);
    expect(recorder.ends).toEqual([]);
    pingAll();
    expect(await recorder.ended()).toEqual({ code: 1006, reason: 'no answer to 2 pings' });
  });

  it.each([
    ['a pong', PONG],
    ['a frame', TEXT],
  ])('leave a peer alone that sends %s in between', async (_, opcode) => {
    const { open, pingAll } = await listen();
    const { peer, recorder } = await open();
    for (let round = 1; round <= 4; round++) {
      pingAll();
      pingAll();
      expect([(await peer.frame())?.opcode, (await peer.frame())?.opcode]).toEqual([PING, PING]);
      peer.send(opcode, '');
      peer.send(PING, 'is that read?');
      expect((await peer.frame())?.opcode).toBe(PONG);
    }
    expect(recorder.ends).toEqual([]);
  });
});
