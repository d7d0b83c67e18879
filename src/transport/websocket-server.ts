/**
 * Listens for WebSockets, and for health probes on the same port: `GET /healthz` and `GET /readyz`.
 * A handshake is taken on any path, from programs and from web pages of allowed origins.
 */
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { ArcpError } from '../protocol/errors.js';
import { originOf, parseOrigins } from './allowed-origins.js';
import { closingSocket } from './closing-socket.js';
import type { Health } from './http-responses.js';
import { refuse, respond } from './http-responses.js';
import { openPort } from './open-port.js';
import type { Transport } from './transport.js';
import { CLOSE_CODES } from './transport.js';
import { WebSocketConnection } from './websocket-connection.js';

export interface WebSocketListenOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Bytes of one inbound frame. Default 1.5 MiB; a larger one closes the connection with 1009. */
  readonly maxFrameBytes?: number;
  /** Web pages that may connect, as `scheme://host[:port]`. Default none. */
  readonly allowedOrigins?: readonly string[];
  /** Milliseconds between pings. Default 30,000; a peer that answered none of two is dropped at the third. */
  readonly pingIntervalMs?: number;
  /** Open WebSockets; more are refused with 503. Default 20,000. */
  readonly maxConnections?: number;
  /** Milliseconds that `close` waits for peers to say goodbye. Default 2,000. */
  readonly closeGraceMs?: number;
  readonly health: () => Health;
  readonly onConnection: (transport: Transport, from: Peer) => void;
  readonly onRefused?: (
    reason: RefusedHandshake,
    from: Peer & { readonly origin?: string | undefined },
  ) => void;
  /** A failure of the listener itself, such as running out of file descriptors. Connections go on. */
  readonly onError?: (error: Error) => void;
  /** Repeats `task` until the returned function is called. For tests. */
  readonly every?: (ms: number, task: () => void) => () => void;
}

export type RefusedHandshake = 'origin' | 'too_many_connections' | 'going_away';

export interface Peer {
  readonly address: string;
  readonly port: number;
}

export interface WebSocketListener {
  /** Where clients connect; a wildcard host is shown as the loopback address. */
  readonly url: string;
  readonly port: number;
  /** Refuses new WebSockets with 503. Health probes are still answered. */
  stopAccepting(): void;
  /** Closes every connection with 1001 and frees the port. */
  close(): Promise<void>;
}

/** Connections beyond `maxConnections`, so that probes and refusals are still answered. */
const HTTP_HEADROOM = 64;
const HTTP_TIMEOUTS = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 5_000,
} as const;

/** Resolves once the port is open; rejects with an `ArcpError` that says why it cannot be. */
export async function listenWebSocket(options: WebSocketListenOptions): Promise<WebSocketListener> {
  const { maxFrameBytes = 1_572_864, maxConnections = 20_000, closeGraceMs = 2_000 } = options;
  if (!Number.isInteger(maxFrameBytes) || maxFrameBytes < 1 || maxFrameBytes >= 2 ** 31) {
    throw new ArcpError('INVALID_ARGUMENT', `maxFrameBytes cannot be ${maxFrameBytes}`);
  }
  const allowedOrigins = parseOrigins(options.allowedOrigins ?? []);
  const connections = new Set<WebSocketConnection>();
  const handshakes = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxFrameBytes,
    WebSocket: closingSocket(WebSocket, maxFrameBytes),
  });
  const http = createServer(HTTP_TIMEOUTS, (request, response) => {
    respond(request, response, options.health);
  });
  http.maxConnections = maxConnections + HTTP_HEADROOM;
  let accepting = true;
  let onEmpty = (): void => undefined;
  let closing: Promise<void> | undefined;

  const refusalOf = (origin: string | undefined): RefusedHandshake | undefined => {
    if (origin !== undefined && !allowedOrigins.has(origin)) return 'origin';
    if (!accepting) return 'going_away';
    return connections.size >= maxConnections ? 'too_many_connections' : undefined;
  };

  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const peer = peerOf(request);
    const origin = originOf(request.headers);
    const refusal = refusalOf(origin);
    if (refusal !== undefined) {
      const { status, error } = REFUSALS[refusal];
      refuse(socket, status, error);
      options.onRefused?.(refusal, { ...peer, origin });
      return;
    }
    handshakes.handleUpgrade(request, socket, head, (ws) => {
      const connection = new WebSocketConnection(ws, socket);
      connections.add(connection);
      ws.on('close', () => {
        connections.delete(connection);
        if (connections.size === 0) onEmpty();
      });
      options.onConnection(connection, peer);
    });
  });

  const { url, port } = await openPort(http, options.host, options.port);
  http.on('error', (error) => options.onError?.(error));
  const stopPinging = (options.every ?? every)(options.pingIntervalMs ?? 30_000, () => {
    for (const connection of connections) connection.ping();
  });

  const close = async (): Promise<void> => {
    accepting = false;
    stopPinging();
    const freed = new Promise<void>((resolve) => http.close(() => resolve()));
    // The port is free a little before the last connection has told its end.
    const emptied = new Promise<void>((resolve) => {
      onEmpty = resolve;
      if (connections.size === 0) resolve();
    });
    for (const connection of connections) connection.close(CLOSE_CODES.goingAway, 'the server is going away');
    const impatience = setTimeout(() => {
      for (const connection of connections) connection.terminate('the peer did not answer the close');
      http.closeAllConnections();
    }, closeGraceMs);
    await Promise.all([freed, emptied]);
    clearTimeout(impatience);
  };

  return {
    url,
    port,
    stopAccepting: () => {
      accepting = false;
    },
    close: () => (closing ??= close()),
  };
}

const REFUSALS: Record<RefusedHandshake, { readonly status: number; readonly error: string }> = {
  origin: { status: 403, error: 'web pages of this origin may not connect' },
  too_many_connections: { status: 503, error: 'too many connections' },
  going_away: { status: 503, error: 'the server is going away' },
};

function peerOf({ socket }: IncomingMessage): Peer {
  return { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
}

function every(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
