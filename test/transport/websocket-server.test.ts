/** A WebSocket port: health probes, who may connect, opening and closing it. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Transport } from '../../src/transport/transport.js';
import { CLOSE_CODES } from '../../src/transport/transport.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { disposals, listen } from './listening.js';
import { RawPeer } from './raw-peer.js';
import { Recorder, turns } from './recorder.js';

const TEXT = 1;
const CLOSE = 8;

describe('health probes', () => {
  it.each([
    ['/healthz', true, true, 200, { live: true }],
    ['/healthz?verbose', true, false, 200, { live: true }],
    ['/healthz', false, false, 503, { live: false }],
    ['/readyz', true, true, 200, { ready: true }],
    ['/readyz', true, false, 503, { ready: false }],
  ])('%s with live=%s ready=%s is %i', async (path, live, ready, status, body) => {
    const { listener } = await listen({ health: () => ({ live, ready }) });
    const response = await fetch(`http://127.0.0.1:${listener.port}${path}`);
    expect([response.status, await response.json()]).toEqual([status, body]);
  });

  it.each([
    ['GET', '/', 426],
    ['GET', '/metrics', 404],
    ['GET', '/healthz/x', 404],
    ['POST', '/healthz', 405],
    ['HEAD', '/healthz', 200],
  ])('%s %s is %i', async (method, path, status) => {
    const { listener } = await listen();
    const response = await fetch(`http://127.0.0.1:${listener.port}${path}`, { method });
    expect(response.status).toBe(status);
    if (status === 426) expect(response.headers.get('upgrade')).toBe('websocket');
    await response.arrayBuffer();
  });

  it('are answered while no connection is taken any more', async () => {
    const { listener, refused } = await listen();
    listener.stopAccepting();
    await expect(dialWebSocket(listener.url)).rejects.toMatchObject({ details: { status: 503 } });
    expect(refused).toEqual([{ reason: 'going_away', origin: undefined }]);
    expect((await fetch(`http://127.0.0.1:${listener.port}/readyz`)).status).toBe(200);
  });
});

describe('origins (decision 24)', () => {
  const allowedOrigins = ['https://App.example.com', 'http://localhost:5173/', 'https://plain.example:443'];

  it.each([
    ['https://app.example.com', 101],
    ['HTTPS://APP.EXAMPLE.COM', 101],
    ['http://localhost:5173', 101],
    ['https://plain.example', 101],
    ['http://app.example.com', 403],
    ['https://app.example.com:8443', 403],
    ['https://app.example.com.evil.example', 403],
    ['https://evil.example/https://app.example.com', 403],
    ['http://localhost', 403],
    ['null', 403],
    ['', 403],
    ['https://app.example.com, https://evil.example', 403],
  ])('%s gets %i', async (origin, status) => {
    const { listener, refused } = await listen({ allowedOrigins });
    const peer = await RawPeer.connect(listener.port);
    disposals.push(() => peer.socket.destroy());
    expect(await peer.handshake({ Origin: origin })).toContain(`HTTP/1.1 ${status} `);
    expect(refused).toEqual(status === 101 ? [] : [{ reason: 'origin', origin: origin.toLowerCase() }]);
  });

  it('are refused when they equal the Host, which a rebound name would', async () => {
    const { listener } = await listen();
    const peer = await RawPeer.connect(listener.port);
    const head = await peer.handshake({ Host: 'evil.example', Origin: 'http://evil.example' });
    expect(head).toContain('HTTP/1.1 403 ');
    expect((await peer.rest()).toString()).toBe('{"error":"web pages of this origin may not connect"}');
  });

  it('are found in the header of the old handshake too', async () => {
    const { listener } = await listen();
    const peer = await RawPeer.connect(listener.port);
    const headers = { 'Sec-WebSocket-Version': '8', 'Sec-WebSocket-Origin': 'http://evil.example' };
    expect(await peer.handshake(headers)).toContain('HTTP/1.1 403 ');
  });

  it.each(['*', 'null', 'example.com', 'https://example.com/path', 'https://u:p@example.com', 'https://'])(
    'cannot be allowed as %s',
    async (origin) => {
      await expect(listen({ allowedOrigins: [origin] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );
});

describe('opening and closing', () => {
  it('says that the port is in use', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    disposals.push(() => squatter.close());
    const { port } = squatter.address() as AddressInfo;
    await expect(listen({ port })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `cannot listen on 127.0.0.1:${port}: the port is in use (EADDRINUSE)`,
    });
  });

  it.each([
    ['127.0.0.1', 'ws://127.0.0.1:'],
    ['0.0.0.0', 'ws://127.0.0.1:'],
    ['localhost', 'ws://localhost:'],
  ])('on %s shows an address that can be dialled', async (host, url) => {
    const { listener } = await listen({ host });
    expect(listener.url).toBe(`${url}${listener.port}`);
    const transport = await dialWebSocket(listener.url);
    transport.close(CLOSE_CODES.normal, '');
  });

  it.each([0, -1, 1.5, 2 ** 31, Number.NaN])('does not take %d as the frame limit', async (maxFrameBytes) => {
    await expect(listen({ maxFrameBytes })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('refuses connections beyond the limit with 503, and takes them again when there is room (L7)', async () => {
    const { listener, open, refused } = await listen({ maxConnections: 2 });
    const { transport, recorder, peer } = await open();
    await open();
    await expect(dialWebSocket(listener.url)).rejects.toMatchObject({ details: { status: 503 } });
    expect(refused).toEqual([{ reason: 'too_many_connections', origin: undefined }]);
    transport.close(CLOSE_CODES.normal, '');
    peer.socket.destroy();
    await recorder.ended();
    await open();
  });

  it('keeps nothing in memory before the start: the peer is not read', async () => {
    let transport: Transport | undefined;
    const { listener } = await listen({ onConnection: (accepted) => (transport = accepted) });
    const peer = await RawPeer.open(listener.port);
    disposals.push(() => peer.socket.destroy());
    const payload = 'x'.repeat(60_000);
    const frames = 500;
    for (let sent = 0; sent < frames; sent++) peer.send(TEXT, payload);
    await turns(50);
    expect(peer.socket.writableLength).toBeGreaterThan(0);
    const recorder = new Recorder();
    transport?.start(recorder);
    await recorder.received(frames);
  });

  it('closes everyone with 1001, frees the port, and does so once', async () => {
    const { listener, open } = await listen();
    const polite = await open();
    const rude = await open();
    void polite.peer.frame().then((frame) => {
      polite.peer.send(CLOSE, frame?.payload ?? '');
    });
    const closing = listener.close();
    expect(listener.close()).toBe(closing);
    await closing;
    const end = { code: 1001, reason: 'the server is going away' };
    expect([polite.recorder.ends, rude.recorder.ends]).toEqual([[end], [end]]);
    await expect(dialWebSocket(listener.url)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const next = await listen({ port: listener.port });
    expect(next.listener.port).toBe(listener.port);
  });

  it('does not wait for a request that is never finished', async () => {
    const { listener } = await listen();
    const peer = await RawPeer.connect(listener.port);
    peer.socket.write('GET /healthz HTTP/1.1\r\nHost:');
    await turns(5);
    await listener.close();
    expect((await peer.rest()).length).toBe(0);
  });
});
