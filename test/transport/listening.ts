/** A listener under test: what it was told, its pings by hand, and everything closed again after each test. */
import { afterEach } from 'vitest';
import type { Transport } from '../../src/transport/transport.js';
import type { WebSocketListenOptions } from '../../src/transport/websocket-server.js';
import { listenWebSocket } from '../../src/transport/websocket-server.js';
import { RawPeer } from './raw-peer.js';
import { Recorder } from './recorder.js';

/** Run after the test, in order. */
export const disposals: (() => unknown)[] = [];

afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

export async function listen(options: Partial<WebSocketListenOptions> = {}) {
  const connected: { transport: Transport; recorder: Recorder }[] = [];
  const refused: unknown[] = [];
  let pingAll = (): void => undefined;
  let pingEvery: number | undefined;
  const listener = await listenWebSocket({
    host: '127.0.0.1',
    port: 0,
    closeGraceMs: 50,
    health: () => ({ live: true, ready: true }),
    onConnection: (transport) => {
      const recorder = new Recorder();
      transport.start(recorder);
      connected.push({ transport, recorder });
    },
    onRefused: (reason, { origin }) => refused.push({ reason, origin }),
    every: (ms, task) => {
      pingEvery = ms;
      pingAll = task;
      return () => {
        pingAll = () => undefined;
      };
    },
    ...options,
  });
  disposals.push(() => listener.close());
  return {
    listener,
    refused,
    connected,
    pingAll: () => {
      pingAll();
    },
    pingEvery: () => pingEvery,
    open: async () => {
      const peer = await RawPeer.open(listener.port);
      disposals.push(() => peer.socket.destroy());
      const connection = connected.at(-1);
      if (connection === undefined) throw new Error('the server knows nothing of the connection');
      return { peer, ...connection };
    },
  };
}
