/** Opens a runtime to WebSocket clients. */
import type { Runtime } from './create-runtime.js';
import { listenWebSocket } from './transport/websocket-server.js';

export interface ListenOptions {
  /** Default 127.0.0.1: only this machine. */
  readonly host?: string;
  /** Default 7777; 0 picks a free one. */
  readonly port?: number;
  /** Web pages that may connect, as `scheme://host[:port]`. Default none (decision 24). */
  readonly allowedOrigins?: readonly string[];
}

export interface Server {
  /** `ws://host:port` */
  readonly url: string;
  readonly port: number;
  /** Takes no further connections and drains the runtime for `ms`, then closes both. */
  drain(ms: number): Promise<void>;
  /** Closes the listener and every connection. The runtime stays. */
  close(): Promise<void>;
}

/** Resolves once the port is open; rejects with UNAVAILABLE when it cannot be. */
export async function listen(runtime: Runtime, options: ListenOptions = {}): Promise<Server> {
  const { limits, logger } = runtime;
  await runtime.recover();
  const listener = await listenWebSocket({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 7777,
    allowedOrigins: options.allowedOrigins ?? [],
    maxFrameBytes: limits.maxFrameBytes,
    maxConnections: limits.maxConnections,
    health: () => ({ live: true, ready: runtime.ready }),
    onConnection: (transport, { address, port }) => {
      runtime.accept(transport, { address: `${address}:${port}` });
    },
    onRefused: (reason, { address, origin }) => {
      logger.warn({ address, reason, origin }, 'connection refused');
    },
    onError: (error) => {
      logger.error({ reason: error.message }, 'listener failed');
    },
  });
  return {
    url: listener.url,
    port: listener.port,
    async drain(ms) {
      listener.stopAccepting();
      await runtime.drain(ms);
      await listener.close();
    },
    close: () => listener.close(),
  };
}
