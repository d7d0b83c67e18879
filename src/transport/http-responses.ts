/**
 * What a WebSocket port answers in plain HTTP: health probes, and why a handshake was refused. Bodies are small JSON.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

export interface Health {
  /** The process does its work; only a restart would help when it does not. */
  readonly live: boolean;
  /** New work is taken: false while starting and draining. */
  readonly ready: boolean;
}

/** Answers a request that is no WebSocket handshake. */
export function respond(request: IncomingMessage, response: ServerResponse, health: () => Health): void {
  const path = request.url?.split('?', 1)[0] ?? '/';
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, 405, { error: 'only GET is answered here' }, { Allow: 'GET, HEAD' });
  } else if (path === '/healthz') {
    const { live } = health();
    send(response, live ? 200 : 503, { live });
  } else if (path === '/readyz') {
    const { ready } = health();
    send(response, ready ? 200 : 503, { ready });
  } else if (path === '/') {
    send(
      response,
      426,
      { error: 'connect with a WebSocket' },
      { Upgrade: 'websocket', Connection: 'Upgrade' },
    );
  } else {
    send(response, 404, { error: 'not found' });
  }
}

/** Refuses a handshake on its raw socket and hangs up. */
export function refuse(socket: Duplex, status: number, error: string): void {
  const body = JSON.stringify({ error });
  socket.on('error', () => undefined);
  socket.once('finish', () => {
    socket.destroy();
  });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'Connection: close',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  });
  response.end(text);
}
