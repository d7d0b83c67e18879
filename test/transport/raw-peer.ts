/** A WebSocket client of our own on a bare TCP socket, for what polite clients do not do. Also a plain HTTP client. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createConnection } from 'node:net';

export interface RawFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export class RawPeer {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<RawPeer> {
    const socket = createConnection(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /** Connects and shakes hands. Returns with the server's frames still to be read. */
  static async open(port: number, headers: Readonly<Record<string, string>> = {}): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    const head = await peer.handshake(headers);
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(head);
    return peer;
  }

  async handshake(headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return this.request('GET / HTTP/1.1', {
      Host: 'localhost',
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    });
  }

  /** Sends a request and returns the head of the answer. */
  async request(line: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`${line}\r\n${lines.join('')}\r\n`);
    let end: number;
    while ((end = this.#bytes.indexOf('\r\n\r\n')) === -1) await this.#more();
    return this.#take(end + 4).toString('latin1');
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await this.#changed();
    return this.#take(this.#bytes.length);
  }

  /** A masked frame of at most 65,535 bytes. `announced` lies about its length. */
  send(opcode: number, payload: Uint8Array | string, announced?: number): void {
    const data = Buffer.from(payload);
    const length = announced ?? data.length;
    const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
    header[0] = 0x80 | opcode;
    if (header.length === 2) header[1] = 0x80 | length;
    else if (header.length === 4) {
      header[1] = 0x80 | 126;
      header.writeUInt16BE(length, 2);
    } else {
      header[1] = 0x80 | 127;
      header.writeBigUInt64BE(BigInt(length), 2);
    }
    const mask = [1, 2, 3, 4];
    for (const [index, byte] of data.entries()) data[index] = byte ^ (mask[index % 4] ?? 0);
    this.socket.write(Buffer.concat([header, Buffer.from(mask), data]));
  }

  /** The next frame, or undefined when the connection ended instead. */
  async frame(): Promise<RawFrame | undefined> {
    if (!(await this.#have(2))) return undefined;
    const short = (this.#bytes[1] ?? 0) & 0x7f;
    const headerLength = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (!(await this.#have(headerLength))) return undefined;
    const length =
      short === 126
        ? this.#bytes.readUInt16BE(2)
        : short === 127
          ? Number(this.#bytes.readBigUInt64BE(2))
          : short;
    if (!(await this.#have(headerLength + length))) return undefined;
    const [first = 0] = this.#take(headerLength);
    return { opcode: first & 0x0f, payload: Buffer.from(this.#take(length)) };
  }

  async #have(bytes: number): Promise<boolean> {
    while (this.#bytes.length < bytes && !this.#ended) await this.#changed();
    return this.#bytes.length >= bytes;
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error(`the connection ended after ${this.#bytes.toString('latin1')}`);
    await this.#changed();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #take(bytes: number): Buffer {
    const taken = this.#bytes.subarray(0, bytes);
    this.#bytes = this.#bytes.subarray(bytes);
    return taken;
  }
}
