/** Two joined transports of each kind, with a way to cut what lies between them. */
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough, Transform } from 'node:stream';
import { vi } from 'vitest';
import { WebSocket } from 'ws';
import { memoryPair } from '../../src/transport/memory.js';
import { streamTransport } from '../../src/transport/stdio.js';
import type { Transport } from '../../src/transport/transport.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';
import { listenWebSocket } from '../../src/transport/websocket-server.js';

export interface Wire {
  readonly near: Transport;
  readonly far: Transport;
  /** Breaks it in the middle. */
  cut(): void;
  dispose(): Promise<void>;
}

export interface WireKind {
  readonly name: string;
  /** Whether the other end learns the close code and reason. */
  readonly carriesCodes: boolean;
  readonly tellsDrained: boolean;
  readonly open: (maxFrameBytes?: number) => Promise<Wire>;
}

/** Pieces in which everything travels, whatever it was written as. */
const PIECE_BYTES = 1_000;

export const WIRES: readonly WireKind[] = [
  {
    name: 'WebSocket, seen from the client',
    carriesCodes: true,
    tellsDrained: true,
    open: (max) => webSocketWire(max),
  },
  {
    name: 'WebSocket, seen from the server',
    carriesCodes: true,
    tellsDrained: true,
    open: async (max) => {
      const { near, far, ...rest } = await webSocketWire(max);
      return { near: far, far: near, ...rest };
    },
  },
  {
    name: "a browser's WebSocket",
    carriesCodes: true,
    tellsDrained: false,
    open: async (max) => {
      vi.stubGlobal('WebSocket', WebSocket);
      vi.stubGlobal('process', { ...process, versions: {} });
      try {
        return await webSocketWire(max);
      } finally {
        vi.unstubAllGlobals();
      }
    },
  },
  {
    name: 'stdio',
    carriesCodes: false,
    tellsDrained: true,
    open: (max) => Promise.resolve(streamWire(max)),
  },
  {
    name: 'memory',
    carriesCodes: true,
    tellsDrained: true,
    open: (max) => {
      const [near, far] = memoryPair(max === undefined ? {} : { maxFrameBytes: max });
      return Promise.resolve({
        near,
        far,
        cut: () => {
          near.destroy();
        },
        dispose: () => Promise.resolve(),
      });
    },
  },
];

async function webSocketWire(maxFrameBytes?: number): Promise<Wire> {
  const limit = maxFrameBytes === undefined ? {} : { maxFrameBytes };
  let onConnection: (transport: Transport) => void = () => undefined;
  const accepted = new Promise<Transport>((resolve) => {
    onConnection = resolve;
  });
  const listener = await listenWebSocket({
    host: '127.0.0.1',
    port: 0,
    ...limit,
    health: () => ({ live: true, ready: true }),
    onConnection,
  });
  const proxy = await choppingProxy(listener.port);
  const near = await dialWebSocket(`ws://127.0.0.1:${proxy.port}`, limit);
  return {
    near,
    far: await accepted,
    cut: proxy.cut,
    dispose: async () => {
      proxy.cut();
      await listener.close();
    },
  };
}

/** A TCP proxy that passes everything on in small pieces, and can drop dead. */
async function choppingProxy(target: number): Promise<{ port: number; cut: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((inbound) => {
    const outbound = createConnection(target, '127.0.0.1');
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.pipe(chopper()).pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      server.close();
      for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}

function streamWire(maxFrameBytes?: number): Wire {
  const options = maxFrameBytes === undefined ? {} : { maxFrameBytes };
  const there = { from: new PassThrough(), to: chopper() };
  const back = { from: new PassThrough(), to: chopper() };
  for (const { from, to } of [there, back]) from.pipe(to);
  return {
    near: streamTransport(back.to, there.from, options),
    far: streamTransport(there.to, back.from, options),
    cut: () => {
      for (const { from, to } of [there, back]) {
        from.destroy();
        to.destroy();
      }
    },
    dispose: () => Promise.resolve(),
  };
}

function chopper(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) this.push(chunk.subarray(at, at + PIECE_BYTES));
      done();
    },
  });
}
