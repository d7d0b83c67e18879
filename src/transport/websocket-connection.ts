/**
 * The server's end of one WebSocket. `ws` reads and does the closing handshake, pings and pongs; text frames are laid
 * out by `FrameBatch` and written by us, straight to the socket.
 *
 * (W1) Only whole frames are written, by `ws` and by us, so the two may take turns on one socket.
 * (W2) Nothing of ours is written unless the WebSocket is open: a close frame is always the last one (RFC 6455 §5.5.1).
 */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { ClosingSocket } from './closing-socket.js';
import { Delivery } from './delivery.js';
import { FrameBatch } from './frame-batch.js';
import type { CloseCode, Transport, TransportHandlers } from './transport.js';

/** What is gathered is written at once when it reaches this, without waiting for the turn's end. */
const FLUSH_BYTES = 32 * 1024;
/** Pings that may go unanswered. */
const MAX_MISSED_PINGS = 2;

export class WebSocketConnection implements Transport {
  readonly #ws: ClosingSocket;
  readonly #socket: Duplex;
  readonly #delivery = new Delivery();
  readonly #batch = new FrameBatch();
  #flushScheduled = false;
  /** Writes of ours that the socket has not taken yet. Those of `ws` may lie among them and tell nobody. */
  #unwritten = 0;
  #missedPings = 0;

  /** `socket` is the one that `ws` was given. Reading waits for `start`, so that nothing piles up before. */
  constructor(ws: ClosingSocket, socket: Duplex) {
    this.#ws = ws;
    this.#socket = socket;
    ws.pause();
    ws.beforeClose = () => {
      this.#flush();
    };
    ws.on('message', (data, isBinary) => {
      this.#missedPings = 0;
      // `binaryType` is left at 'nodebuffer'.
      const bytes = data as Buffer;
      if (isBinary) this.#delivery.binary(bytes);
      else this.#delivery.message(bytes.toString());
    });
    ws.on('pong', () => {
      this.#missedPings = 0;
    });
    // What went wrong is in the close that follows.
    ws.on('error', () => undefined);
    ws.on('close', () => {
      this.#batch.clear();
      this.#delivery.end(ws.end);
    });
  }

  get buffered(): number {
    return this.#socket.writableLength + this.#batch.bytes;
  }

  send(frame: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#batch.add(frame);
    if (this.#batch.bytes >= FLUSH_BYTES) this.#flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(this.#onTurnEnd);
    }
  }

  close(code: CloseCode, reason: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#delivery.mute();
    this.#ws.close(code, reason);
    this.#ws.resume();
  }

  start(handlers: TransportHandlers): void {
    this.#delivery.start(handlers);
    this.#ws.resume();
  }

  /** Asks the peer for a sign of life, or drops it when it owes too many. A pong or a frame counts as one. */
  ping(): void {
    if (this.#missedPings === MAX_MISSED_PINGS) {
      this.#ws.abort(`no answer to ${MAX_MISSED_PINGS} pings`);
      return;
    }
    this.#missedPings += 1;
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  /** Drops the connection without a closing handshake. */
  terminate(reason: string): void {
    this.#ws.abort(reason);
  }

  readonly #onTurnEnd = (): void => {
    this.#flushScheduled = false;
    this.#flush();
  };

  /** Not 'drain', which comes only where more was written than the socket likes to hold. */
  readonly #onWritten = (error?: Error | null): void => {
    this.#unwritten -= 1;
    const allTaken = this.#unwritten === 0 && this.#batch.bytes === 0;
    if (allTaken && (error === undefined || error === null)) this.#delivery.drained();
  };

  #flush(): void {
    if (this.#batch.bytes === 0) return;
    if (this.#ws.readyState === WebSocket.OPEN && this.#socket.writable) {
      this.#unwritten += 1;
      this.#socket.write(this.#batch.take(), this.#onWritten);
    } else {
      this.#batch.clear();
    }
  }
}
