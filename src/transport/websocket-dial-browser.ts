/** The client's end of a WebSocket in a browser, which neither tells why it failed nor when its buffer drained. */
import { ArcpError } from '../protocol/errors.js';
import { Delivery } from './delivery.js';
import { unreachable } from './dial-failure.js';
import type { CloseCode, Transport, TransportEnd, TransportHandlers } from './transport.js';
import { CLOSE_CODES } from './transport.js';
import { endOf, exceedsBytes } from './utf8.js';
import type { Dial } from './websocket-client.js';

/** Scripts may close with 1000 and 3000 to 4999 only: the other codes are sent 3,000 higher. */
const SCRIPT_CODE_OFFSET = 3_000;

export function dialBrowser({ url, maxFrameBytes, headers, signal }: Dial): Promise<Transport> {
  return new Promise((resolve, reject) => {
    if (headers !== undefined) {
      reject(new ArcpError('INVALID_ARGUMENT', 'a browser cannot send headers with a WebSocket'));
      return;
    }
    const socket = open(url);
    const giveUp = (): void => {
      reject(signal.reason as Error);
      socket.close();
    };
    signal.addEventListener('abort', giveUp);
    // An error says nothing; the close that follows it is what counts. Outside of browsers it would be thrown.
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', () => {
      reject(unreachable(url, 'the browser does not say why'));
    });
    socket.addEventListener('open', () => {
      signal.removeEventListener('abort', giveUp);
      resolve(new BrowserClient(socket, maxFrameBytes));
    });
  });
}

function open(url: URL): WebSocket {
  try {
    return new WebSocket(url);
  } catch {
    // The browser's own error repeats the whole address.
    throw unreachable(url, 'the browser does not take this address');
  }
}

class BrowserClient implements Transport {
  readonly #socket: WebSocket;
  readonly #delivery = new Delivery();
  /** How this side closed, if it did. */
  #end: TransportEnd | undefined;

  constructor(socket: WebSocket, maxFrameBytes: number) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }: { data: unknown }) => {
      if (data instanceof ArrayBuffer) this.#delivery.binary(new Uint8Array(data));
      if (typeof data !== 'string' || this.#end !== undefined) return;
      if (!exceedsBytes(data, maxFrameBytes)) this.#delivery.message(data);
      else this.#shut(CLOSE_CODES.messageTooBig, `the frame is larger than ${maxFrameBytes} bytes`);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      this.#end ??= endOf(code, reason);
      this.#delivery.end(this.#end);
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: string): void {
    if (this.#end === undefined) this.#socket.send(frame);
  }

  close(code: CloseCode, reason: string): void {
    if (this.#end !== undefined) return;
    this.#delivery.mute();
    this.#shut(code, reason);
  }

  start(handlers: TransportHandlers): void {
    this.#delivery.start(handlers);
  }

  #shut(code: CloseCode, reason: string): void {
    this.#end = endOf(code, reason);
    this.#socket.close(code === CLOSE_CODES.normal ? code : code + SCRIPT_CODE_OFFSET, this.#end.reason);
  }
}
