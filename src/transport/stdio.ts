/**
 * One frame a line over a pair of byte streams: a child process, or our own stdin and stdout.
 *
 * (N1) Lines end at `\n` or `\r\n`; empty ones mean nothing. A frame holds no raw line break, since JSON escapes it.
 * (N2) The other side ends by ending its output: 1000 at the end of a line, 1006 within one.
 * (N3) A side that stopped reading may still have something to say: after a failed write (EPIPE) sending stops, and
 *      the connection ends when the input does, or after `closeTimeoutMs`.
 */
import type { Readable, Writable } from 'node:stream';
import { Delivery } from './delivery.js';
import { LineDecoder } from './line-decoder.js';
import type { CloseCode, Transport, TransportEnd, TransportHandlers } from './transport.js';
import { CLOSE_CODES } from './transport.js';
import { endOf } from './utf8.js';

export interface StreamTransportOptions {
  /** Bytes of one line. Default 1.5 MiB; a longer one closes the connection with 1009. */
  readonly maxFrameBytes?: number;
  /** Milliseconds that the other side has to take what was sent before a close. Default 5,000. */
  readonly closeTimeoutMs?: number;
}

/** What is gathered is written at once when it reaches this, without waiting for the turn's end. */
const FLUSH_UNITS = 32 * 1024;
const ABNORMAL = 1006;

/** `close` ends `writable` and destroys `readable`. */
export function streamTransport(
  readable: Readable,
  writable: Writable,
  options: StreamTransportOptions = {},
): Transport {
  return new StreamTransport(readable, writable, options);
}

class StreamTransport implements Transport {
  readonly #readable: Readable;
  readonly #writable: Writable;
  readonly #delivery = new Delivery();
  readonly #closeTimeoutMs: number;
  #gathered = '';
  #flushScheduled = false;
  #writing = true;
  #closing = false;
  #timeout: NodeJS.Timeout | undefined;

  constructor(readable: Readable, writable: Writable, options: StreamTransportOptions) {
    this.#readable = readable;
    this.#writable = writable;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5_000;
    const lines = new LineDecoder(options.maxFrameBytes ?? 1_572_864);
    readable.on('data', (chunk: Buffer | string) => {
      const refusal = lines.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk, (line) => {
        this.#delivery.message(line);
      });
      if (refusal !== undefined) this.#shut(endOf(refusal.code, refusal.reason));
    });
    // 'data' set it flowing; nothing is read before somebody listens.
    readable.pause();
    readable.once('end', () => {
      this.#inputOver(lines.isMidLine ? endOf(ABNORMAL, 'the input ended within a line') : CLEAN);
    });
    readable.once('close', () => {
      this.#inputOver(BROKEN);
    });
    readable.on('error', (error) => {
      this.#inputOver(endOf(ABNORMAL, error.message));
    });
    writable.on('error', (error) => {
      this.#outputFailed(endOf(ABNORMAL, error.message));
    });
  }

  get buffered(): number {
    return this.#writable.writableLength + this.#gathered.length;
  }

  send(frame: string): void {
    if (!this.#writing) return;
    this.#gathered += `${frame}\n`;
    if (this.#gathered.length >= FLUSH_UNITS) this.#flush();
    else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    }
  }

  close(code: CloseCode, reason: string): void {
    if (this.#closing) return;
    this.#delivery.mute();
    this.#shut(endOf(code, reason));
  }

  start(handlers: TransportHandlers): void {
    this.#delivery.start(handlers);
    this.#readable.resume();
  }

  #shut(end: TransportEnd): void {
    if (this.#closing) return;
    this.#closing = true;
    const finish = (): void => {
      this.#finish(end);
    };
    if (!this.#writing) {
      finish();
      return;
    }
    this.#flush();
    this.#writing = false;
    this.#writable.once('close', finish);
    this.#writable.end(finish);
    this.#within(finish);
  }

  #flush(): void {
    const text = this.#gathered;
    this.#gathered = '';
    if (text !== '' && this.#writing) this.#writable.write(text, this.#onWritten);
  }

  /** Not 'drain', which comes only where more was written than the stream likes to hold. */
  readonly #onWritten = (): void => {
    if (this.buffered === 0) this.#delivery.drained();
  };

  #inputOver(end: TransportEnd): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#flush();
    this.#writing = false;
    this.#writable.end();
    this.#finish(end);
  }

  #outputFailed(end: TransportEnd): void {
    this.#writing = false;
    this.#gathered = '';
    if (this.#closing) return;
    this.#within(() => {
      this.#closing = true;
      this.#finish(end);
    });
  }

  #within(task: () => void): void {
    this.#timeout ??= setTimeout(task, this.#closeTimeoutMs);
  }

  #finish(end: TransportEnd): void {
    clearTimeout(this.#timeout);
    this.#readable.destroy();
    this.#delivery.end(end);
  }
}

const CLEAN: TransportEnd = { code: CLOSE_CODES.normal, reason: '' };
const BROKEN: TransportEnd = { code: ABNORMAL, reason: 'the connection broke' };
