/** When a connection says that everything was taken, on a socket that takes each write only when the test says so. */
import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { closingSocket } from '../../src/transport/closing-socket.js';
import { WebSocketConnection } from '../../src/transport/websocket-connection.js';
import { turns } from './recorder.js';

class HeldSocket extends Duplex {
  readonly #held: (() => void)[] = [];

  override _write(_chunk: unknown, _encoding: string, taken: () => void): void {
    this.#held.push(taken);
  }

  override _read(): void {
    // Nothing is ever sent to it.
  }

  /** Takes the write that is under way, the oldest. */
  async takeNext(): Promise<void> {
    this.#held.shift()?.();
    await turns(1);
  }

  get isIdle(): boolean {
    return this.#held.length === 0;
  }
}

const disposals: (() => void)[] = [];

afterEach(() => {
  for (const dispose of disposals.splice(0)) dispose();
});

/** A handshake as one came over a real socket; the answer goes to another. */
async function handshake(): Promise<IncomingMessage> {
  const http = createServer();
  const request = new Promise<IncomingMessage>((resolve) => http.on('upgrade', resolve));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connect(address.port, '127.0.0.1');
  disposals.push(() => {
    client.destroy();
    http.close();
  });
  client.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  return request;
}

async function open(): Promise<{
  socket: HeldSocket;
  connection: WebSocketConnection;
  drains: () => number;
}> {
  const socket = new HeldSocket();
  const server = new WebSocketServer({ noServer: true, WebSocket: closingSocket(WebSocket, 1_000) });
  const request = await handshake();
  const connection = await new Promise<WebSocketConnection>((resolve) => {
    server.handleUpgrade(request, socket, Buffer.alloc(0), (ws) => {
      resolve(new WebSocketConnection(ws, socket));
    });
  });
  disposals.push(() => {
    connection.terminate('the test is over');
  });
  await socket.takeNext();
  let drains = 0;
  connection.start({
    message: () => undefined,
    drained: () => {
      drains += 1;
    },
    closed: () => undefined,
  });
  await turns(1);
  return { socket, connection, drains: () => drains };
}

const LARGE = JSON.stringify('x'.repeat(40_000));

describe('everything was taken', () => {
  it('is said once the last of several writes was, and not before', async () => {
    const { socket, connection, drains } = await open();
    connection.send(LARGE);
    connection.send(LARGE);
    await socket.takeNext();
    expect(drains()).toBe(0);
    await socket.takeNext();
    expect(drains()).toBe(1);
    expect(connection.buffered).toBe(0);
  });

  it('is said although a ping of ws still waits behind it, since its end nobody would tell (L3, L7)', async () => {
    const { socket, connection, drains } = await open();
    connection.send(LARGE);
    connection.ping();
    await socket.takeNext();
    expect(connection.buffered).toBeGreaterThan(0);
    expect(drains()).toBe(1);
    await socket.takeNext();
    expect(socket.isIdle).toBe(true);
  });

  it('is not said while more was gathered in the same turn', async () => {
    const { socket, connection, drains } = await open();
    connection.send(LARGE);
    connection.send('"small"');
    await socket.takeNext();
    expect(drains()).toBe(0);
    await socket.takeNext();
    expect(drains()).toBe(1);
  });
});
