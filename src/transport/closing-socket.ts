/**
 * A `ws` WebSocket that remembers why it closed. Whoever closes, we, the peer or `ws` itself after a protocol error,
 * comes through `close`, so that is where what was gathered is flushed (T4) and the first cause is kept (T3).
 * `ws` answers a frame it refuses with a bare code; here the code gets a reason a human can act on.
 */
import type { ClientOptions, WebSocket } from 'ws';
import type { TransportEnd } from './transport.js';
import { CLOSE_CODES } from './transport.js';
import { endOf } from './utf8.js';

export interface ClosingSocket extends WebSocket {
  /** How it ended: the first cause, or 1006 as long as nobody has closed. */
  readonly end: TransportEnd;
  /** Called once, before the close frame is written. */
  beforeClose: () => void;
  /** Drops the connection without a close frame, as 1006 with `reason`. */
  abort(reason: string): void;
}

export interface ClosingSocketClass extends Omit<typeof WebSocket, 'prototype'> {
  readonly prototype: ClosingSocket;
  new (address: null): ClosingSocket;
  new (address: string | URL, options?: ClientOptions): ClosingSocket;
  new (address: string | URL, protocols?: string | string[], options?: ClientOptions): ClosingSocket;
}

/** `close` without a status code (RFC 6455 §7.1.5). */
const NO_STATUS = 1005;
const PROTOCOL_ERROR = 1002;
const ABNORMAL = 1006;

/** The class to hand to `ws`, given the class it has: the client loads `ws` only where there is no browser. */
export function closingSocket(Base: typeof WebSocket, maxFrameBytes: number): ClosingSocketClass {
  const reasons = new Map<number, string>([
    [CLOSE_CODES.messageTooBig, `the frame is larger than ${maxFrameBytes} bytes`],
    [CLOSE_CODES.invalidText, 'the frame is not valid UTF-8'],
    [PROTOCOL_ERROR, 'the frame breaks the WebSocket protocol'],
  ]);

  return class extends Base implements ClosingSocket {
    end: TransportEnd = { code: ABNORMAL, reason: 'the connection broke' };
    beforeClose = (): void => undefined;

    override close(code = NO_STATUS, reason?: string | Buffer): void {
      if (this.readyState === Base.OPEN) {
        this.beforeClose();
        this.end = endOf(code, reason?.toString() ?? reasons.get(code) ?? '');
      }
      if (code === NO_STATUS) super.close();
      else super.close(code, this.end.reason);
    }

    abort(reason: string): void {
      if (this.readyState === Base.OPEN) this.end = endOf(ABNORMAL, reason);
      this.terminate();
    }
  };
}
