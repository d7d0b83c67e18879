/**
 * One socket of a scenario: what came on it, in order, and waiting for what is to come.
 *
 * (N1) Frames are read in the order in which they came; `cursor` is the first that no step has read.
 * (N2) What came is bounded (L7); a runtime that floods a scenario fails it.
 * (N3) A ping is answered, as any client does.
 */
import { WebSocket } from 'ws';
import { isMap, type JsonMap } from '../scenarios/matcher.js';
import { Changes } from './changes.js';
import type { StandingRules, Violation } from './standing-rules.js';
import type { Transcript } from './transcript.js';

export interface Frame {
  readonly text: string;
  readonly json: JsonMap;
}

export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
}

const MAX_FRAMES = 200_000;
const MAX_BYTES = 268_435_456;

export class Connection {
  readonly name: string;
  readonly frames: Frame[] = [];
  cursor = 0;
  end: SocketEnd | undefined;
  readonly violations: Violation[] = [];
  /** What makes the connection useless for the scenario, whatever its steps say. */
  fault: string | undefined;
  readonly #socket: WebSocket;
  readonly #transcript: Transcript;
  #rules: StandingRules;
  #answer: (frame: JsonMap) => void = () => undefined;
  #bytes = 0;
  readonly #changes = new Changes();

  private constructor(name: string, socket: WebSocket, transcript: Transcript, rules: StandingRules) {
    this.name = name;
    this.#socket = socket;
    this.#transcript = transcript;
    this.#rules = rules;
    socket.on('message', (data: Buffer, isBinary) => {
      this.#arrived(data, isBinary);
    });
    socket.on('close', (code, reason) => {
      this.end = { code, reason: reason.toString() };
      transcript.note(name, `closed with ${code} ${reason.toString()}`);
      this.#changes.announce();
    });
    socket.on('error', (error) => {
      transcript.note(name, `error: ${error.message}`);
    });
  }

  /** @throws Error when no socket can be opened within `timeoutMs` */
  static async dial(url: string, { name, transcript, rules, timeoutMs }: Dialling): Promise<Connection> {
    const socket = new WebSocket(url, { handshakeTimeout: timeoutMs, perMessageDeflate: false });
    const connection = new Connection(name, socket, transcript, rules);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    transcript.note(name, 'connected');
    return connection;
  }

  /** Answers what has to be answered on this connection; told of every frame. */
  answerWith(answer: (frame: JsonMap) => void): void {
    this.#answer = answer;
  }

  /** The rules that count from now on: once it is known whose session it is. */
  obey(rules: StandingRules): void {
    this.#rules = rules;
  }

  sendJson(frame: JsonMap): void {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text: string): void {
    this.#rules.sent(objectOf(text) ?? {});
    this.#transcript.frame('→', this.name, text);
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  sendBytes(bytes: Uint8Array): void {
    this.#transcript.note(this.name, `sends ${bytes.length} bytes in a binary frame`);
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  /** Cuts the socket without a word. */
  async drop(): Promise<void> {
    this.#socket.terminate();
    await this.until(() => this.end, 1_000);
  }

  /** Closes it in an orderly way, and does not wait long for the other side. */
  async close(): Promise<void> {
    this.#socket.close(1000);
    await this.until(() => this.end, 500);
    this.#socket.terminate();
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** What `look` finds, as soon as it finds something; nothing when it does not within `ms`. */
  until<T>(look: () => T | undefined, ms: number): Promise<T | undefined> {
    return this.#changes.until(look, ms);
  }

  #arrived(data: Buffer, isBinary: boolean): void {
    this.#bytes += data.length;
    if (this.frames.length >= MAX_FRAMES || this.#bytes > MAX_BYTES) {
      this.fault = 'the runtime sends more than a scenario can be about';
      this.#socket.terminate();
    } else if (isBinary) {
      this.fault = 'the runtime sent a binary frame';
    } else {
      const text = data.toString('utf8');
      this.#transcript.frame('←', this.name, text);
      const json = objectOf(text);
      if (json === undefined) this.fault = 'the runtime sent what is not a JSON object';
      else {
        this.violations.push(...this.#rules.received(json));
        this.frames.push({ text, json });
        this.#answer(json);
      }
    }
    this.#changes.announce();
  }
}

export interface Dialling {
  readonly name: string;
  readonly transcript: Transcript;
  readonly rules: StandingRules;
  readonly timeoutMs: number;
}

function objectOf(text: string): JsonMap | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMap(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
