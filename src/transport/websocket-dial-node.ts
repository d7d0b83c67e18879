/** The client's end of a WebSocket in Node. Loaded by `dialWebSocket` alone. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { ClosingSocket } from './closing-socket.js';
import { closingSocket } from './closing-socket.js';
import { Delivery } from './delivery.js';
import { unreachable } from './dial-failure.js';
import type { CloseCode, Transport, TransportHandlers } from './transport.js';
import type { Dial } from './websocket-client.js';

/** What is gathered is written at once when it reaches this, without waiting for the turn's end. */
const FLUSH_UNITS = 32 * 1024;

export async function dialNode({ url, maxFrameBytes, headers, signal }: Dial): Promise<Transport> {
  const { WebSocket } = await import('ws');
  signal.throwIfAborted();
  const ClientSocket = closingSocket(WebSocket, maxFrameBytes);
  return new Promise((resolve, reject) => {
    const ws = new ClientSocket(url, {
      headers: { ...headers },
      maxPayload: maxFrameBytes,
      perMessageDeflate: false,
    });
    const giveUp = (): void => {
      reject(signal.reason as Error);
      ws.terminate();
    };
    signal.addEventListener('abort', giveUp);
    let socket: Socket | undefined;
    ws.on('upgrade', (response) => {
      socket = response.socket;
    });
    ws.on('unexpected-response', (request, response) => {
      const { statusCode: status = 0, statusMessage = '' } = response;
      reject(unreachable(url, `HTTP ${status} ${statusMessage}`.trimEnd(), { status }));
      request.destroy();
    });
    ws.on('error', (error) => {
      reject(unreachable(url, wordsOf(error), { cause: error }));
    });
    ws.on('open', () => {
      signal.removeEventListener('abort', giveUp);
      if (socket !== undefined) resolve(new WebSocketClient(ws, socket, WebSocket.OPEN));
    });
  });
}

const WORDS = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOTFOUND', 'no such host'],
  ['ECONNRESET', 'the connection was reset'],
  ['ETIMEDOUT', 'no answer'],
]);

function wordsOf(error: NodeJS.ErrnoException): string {
  const { code = '', message } = error;
  const words = WORDS.get(code);
  return words === undefined ? message : `${words} (${code})`;
}

class WebSocketClient implements Transport {
  readonly #ws: ClosingSocket;
  readonly #socket: Socket;
  readonly #open: WebSocket['readyState'];
  readonly #delivery = new Delivery();
  #gathered = 0;
  #corked = false;

  constructor(ws: ClosingSocket, socket: Socket, open: WebSocket['readyState']) {
    this.#ws = ws;
    this.#socket = socket;
    this.#open = open;
    ws.pause();
    ws.on('message', (data, isBinary) => {
      // `binaryType` is left at 'nodebuffer'.
      const bytes = data as Buffer;
      if (isBinary) this.#delivery.binary(bytes);
      else this.#delivery.message(bytes.toString());
    });
    ws.on('close', () => {
      this.#delivery.end(ws.end);
    });
    socket.on('drain', () => {
      this.#delivery.drained();
    });
  }

  get buffered(): number {
    return this.#socket.writableLength;
  }

  /** The frames of one turn are corked into one `writev`: `ws` has to mask each by itself. */
  send(frame: string): void {
    if (this.#ws.readyState !== this.#open) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#uncork();
      });
    }
    this.#ws.send(frame);
    this.#gathered += frame.length;
    if (this.#gathered >= FLUSH_UNITS) this.#uncork();
  }

  close(code: CloseCode, reason: string): void {
    if (this.#ws.readyState !== this.#open) return;
    this.#delivery.mute();
    this.#ws.close(code, reason);
    this.#ws.resume();
  }

  start(handlers: TransportHandlers): void {
    this.#delivery.start(handlers);
    this.#ws.resume();
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#gathered = 0;
    this.#socket.uncork();
  }
}
