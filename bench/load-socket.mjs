/**
 * The lightest WebSocket client that can load a server: requests are bytes made beforehand with a number written in,
 * answers are scanned as bytes. It must cost less than any server that it measures.
 */
import { createConnection } from 'node:net';

const DIGITS = 10;
/** The first byte of a whole text message, and of a close. */
const TEXT = 0x81;
const CLOSE = 0x88;
const MASK = [0x5a, 0xa5, 0x3c, 0xc3];

/** A text message of which only the ten digits of an id change: `msg_##########`. */
export class RequestTemplate {
  /** @param {string} text which holds `##########` once */
  constructor(text) {
    const payload = Buffer.from(text);
    const header = Buffer.from([TEXT, 0x80 | 126, payload.length >>> 8, payload.length & 0xff, ...MASK]);
    for (const [index, byte] of payload.entries()) payload[index] = byte ^ (MASK[index % 4] ?? 0);
    this.payloadBytes = payload.length;
    this.bytes = Buffer.concat([header, payload]);
    this.digitsAt = header.length + text.indexOf('#'.repeat(DIGITS));
    this.maskAt = text.indexOf('#'.repeat(DIGITS)) % 4;
  }

  /**
   * @param {Buffer} target
   * @param {number} offset
   * @param {number} number
   */
  write(target, offset, number) {
    this.bytes.copy(target, offset);
    let rest = number;
    for (let digit = DIGITS - 1; digit >= 0; digit--) {
      target[offset + this.digitsAt + digit] = (0x30 + (rest % 10)) ^ (MASK[(this.maskAt + digit) % 4] ?? 0);
      rest = Math.floor(rest / 10);
    }
  }
}

const TYPE = Buffer.from('"type":"');
const CORRELATION = Buffer.from('"correlation_id":"msg_');
const COMPLETED = Buffer.from('job.completed"');
const BAD = [Buffer.from('job.failed"'), Buffer.from('job.cancelled"'), Buffer.from('nack"')];

const RESULT = Buffer.from('job.result"');
const BAD_IN_DRAFT = [Buffer.from('job.error"'), Buffer.from('session.error"')];

/** Whether this frame of draft-1.1 completes a request. Throws for one that says that something is wrong. */
export function completesInDraft(/** @type {Buffer} */ frame) {
  const type = frame.indexOf(TYPE) + TYPE.length;
  if (startsWith(frame, type, RESULT)) return true;
  if (BAD_IN_DRAFT.some((bad) => startsWith(frame, type, bad))) throw new Error(frame.toString());
  return false;
}

/** The number of the request that this frame completes, or -1. Throws for one that says that something is wrong. */
export function completedBy(/** @type {Buffer} */ frame) {
  const type = frame.indexOf(TYPE) + TYPE.length;
  if (startsWith(frame, type, COMPLETED)) {
    let number = 0;
    const correlation = frame.indexOf(CORRELATION);
    // The end of a child: nobody asked for it.
    if (correlation === -1) return -1;
    const at = correlation + CORRELATION.length;
    for (let digit = 0; digit < DIGITS; digit++) number = number * 10 + (frame[at + digit] ?? 0) - 0x30;
    return number;
  }
  if (BAD.some((bad) => startsWith(frame, type, bad))) throw new Error(frame.toString());
  return -1;
}

/**
 * @param {Buffer} frame
 * @param {number} at
 * @param {Buffer} needle
 */
function startsWith(frame, at, needle) {
  return frame.compare(needle, 0, needle.length, at, at + needle.length) === 0;
}

/** Connects, shakes hands, and calls `onFrames` with the text frames of each chunk that comes. */
export class LoadSocket {
  /** What came of a frame that is not whole yet. @type {Buffer[]} */
  #pending = [];
  #pendingBytes = 0;
  /** How much it takes until there is something to read. */
  #neededBytes = 2;
  /** @type {(frames: readonly Buffer[]) => void} */
  onFrames = () => undefined;

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.setNoDelay(true);
  }

  /**
   * @param {number} port
   * @returns {Promise<LoadSocket>}
   */
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = createConnection(port, '127.0.0.1');
      socket.once('error', reject);
      socket.write(
        'GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      socket.once('data', (head) => {
        const answer = head.toString('latin1');
        if (!answer.startsWith('HTTP/1.1 101') || !answer.endsWith('\r\n\r\n')) reject(new Error(answer));
        const load = new LoadSocket(socket);
        socket.on('data', (chunk) => {
          load.#take(chunk);
        });
        resolve(load);
      });
    });
  }

  /** @param {Buffer} chunk */
  #take(chunk) {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    // A large frame comes in many chunks: they are put together once.
    if (this.#pendingBytes < this.#neededBytes) return;
    const bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    /** @type {Buffer[]} */
    const frames = [];
    let at = 0;
    this.#neededBytes = 2;
    while (at + 2 <= bytes.length) {
      const short = (bytes[at + 1] ?? 0) & 0x7f;
      const start = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
      if (start > bytes.length) break;
      const length =
        short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? bytes.readUIntBE(at + 4, 6) : short;
      const end = start + length;
      if (end > bytes.length) {
        this.#neededBytes = end - at;
        break;
      }
      if (bytes[at] === TEXT) frames.push(bytes.subarray(start, end));
      else if (bytes[at] === CLOSE) throw new Error(`closed: ${bytes.toString('utf8', start + 2, end)}`);
      at = end;
    }
    const rest = bytes.subarray(at);
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
    if (frames.length > 0) this.onFrames(frames);
  }
}
