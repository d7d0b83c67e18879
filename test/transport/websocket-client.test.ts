/** Dialling, in Node and as a browser would: every way it fails, in words, and what it must not say. */
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { ArcpError } from '../../src/protocol/errors.js';
import type { DialOptions } from '../../src/transport/websocket-client.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { Recorder } from './recorder.js';

const disposals: (() => unknown)[] = [];

afterEach(async () => {
  vi.unstubAllGlobals();
  for (const dispose of disposals.splice(0)) await dispose();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  disposals.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A WebSocket peer that is not ours. */
async function foreignPeer(): Promise<{ url: string; peer: Promise<WebSocket>; server: WebSocketServer }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  disposals.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  const peer = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, peer, server };
}

async function failure(address: string, options?: DialOptions): Promise<ArcpError> {
  const outcome: unknown = await dialWebSocket(address, options).catch((error: unknown) => error);
  if (!(outcome instanceof ArcpError)) return expect.unreachable('the dial has to fail with an ArcpError');
  return outcome;
}

function pretendToBeABrowser(): void {
  vi.stubGlobal('WebSocket', WebSocket);
  vi.stubGlobal('process', { ...process, versions: {} });
}

describe('dialling that fails', () => {
  it('says that nothing listens there', async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await failure(`ws://127.0.0.1:${port}`);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(error.message).toBe(
      `cannot connect to ws://127.0.0.1:${port}/: nothing listens there (ECONNREFUSED)`,
    );
  });

  it.each([
    [403, 'Forbidden', false],
    [404, 'Not Found', false],
    [429, 'Too Many Requests', true],
    [503, 'Service Unavailable', true],
  ])('names HTTP %i and whether to try again', async (status, text, retryable) => {
    const server = createHttpServer((_, response) => response.writeHead(status).end('go away'));
    const port = await listen(server);
    const error = await failure(`ws://127.0.0.1:${port}/arcp`);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable, details: { status } });
    expect(error.message).toBe(`cannot connect to ws://127.0.0.1:${port}/arcp: HTTP ${status} ${text}`);
  });

  it('gives up after the time-out when nobody answers', async () => {
    const server = createServer((socket) => disposals.push(() => socket.destroy()));
    const port = await listen(server);
    const error = await failure(`ws://127.0.0.1:${port}`, { connectTimeoutMs: 20 });
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(error.message).toContain('no answer within 20 ms');
  });

  it('gives up when its signal is aborted, before or while it dials', async () => {
    const reached = new AbortController();
    const server = createServer((socket) => {
      disposals.push(() => socket.destroy());
      socket.once('data', () => {
        reached.abort(new Error('changed my mind'));
      });
    });
    const port = await listen(server);
    expect(await failure(`ws://127.0.0.1:${port}`, { signal: reached.signal })).toMatchObject({
      code: 'CANCELLED',
      cause: new Error('changed my mind'),
    });
    expect(await failure(`ws://127.0.0.1:${port}`, { signal: AbortSignal.abort() })).toMatchObject({
      code: 'CANCELLED',
    });
  });

  it.each(['not a url', 'http://127.0.0.1:1', 'ws://u:hunter2@127.0.0.1:1/#part', 'ws://u:hunter2@:1'])(
    'does not dial %s, nor repeat it',
    async (address) => {
      const error = await failure(address);
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.message).not.toContain('hunter2');
    },
  );

  it.each(['Node', 'a browser'])('keeps credentials and the query out of its errors in %s', async (place) => {
    if (place === 'a browser') pretendToBeABrowser();
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await failure(`ws://user:hunter2@127.0.0.1:${port}/path?token=hunter2`);
    expect(error.message).toContain(`ws://127.0.0.1:${port}/path:`);
    expect(JSON.stringify([error, error.cause, error.stack, String(error.cause)])).not.toContain('hunter2');
  });

  it('refuses headers in a browser, which cannot send them', async () => {
    pretendToBeABrowser();
    expect(await failure('ws://127.0.0.1:1', { headers: { a: 'b' } })).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('a dialled WebSocket', () => {
  it('sends its headers and the credentials of the address with the handshake', async () => {
    const { url, server } = await foreignPeer();
    const seen = new Promise((resolve) => {
      server.once('connection', (_, request) => {
        resolve([request.headers['x-trace'], request.headers.authorization]);
      });
    });
    await dialWebSocket(url.replace('//', '//u:p@'), { headers: { 'X-Trace': '42' } });
    expect(await seen).toEqual(['42', `Basic ${btoa('u:p')}`]);
  });

  it.each(['Node', 'a browser'])('hands over binary frames as such in %s (L6)', async (place) => {
    if (place === 'a browser') pretendToBeABrowser();
    const { url, peer } = await foreignPeer();
    const transport = await dialWebSocket(url);
    const recorder = new Recorder();
    transport.start(recorder);
    (await peer).send(Buffer.from([1, 2, 3]));
    await recorder.receivedBinary();
    expect([...(recorder.binaries[0] ?? [])]).toEqual([1, 2, 3]);
    expect(recorder.frames).toEqual([]);
  });

  it('ends with 1005 when the peer closes without a code', async () => {
    const { url, peer } = await foreignPeer();
    const transport = await dialWebSocket(url);
    const recorder = new Recorder();
    transport.start(recorder);
    (await peer).close();
    expect(await recorder.ended()).toEqual({ code: 1005, reason: '' });
  });

  it('closes with 1009 over a frame beyond the limit; a browser has to send 4009', async () => {
    for (const [place, sent] of [
      ['Node', 1009],
      ['a browser', 4009],
    ] as const) {
      const { url, peer } = await foreignPeer();
      if (place === 'a browser') pretendToBeABrowser();
      const transport = await dialWebSocket(url, { maxFrameBytes: 10 });
      vi.unstubAllGlobals();
      const recorder = new Recorder();
      transport.start(recorder);
      const seen = new Promise((resolve) => {
        void peer.then((socket) => socket.on('close', resolve));
      });
      (await peer).send('"fits"');
      (await peer).send('"does not fit"');
      (await peer).send('"after"');
      const end = { code: 1009, reason: 'the frame is larger than 10 bytes' };
      expect(await recorder.ended(), place).toEqual(end);
      expect(await seen, place).toBe(sent);
      expect(recorder.frames, place).toEqual(['"fits"']);
    }
  });
});
