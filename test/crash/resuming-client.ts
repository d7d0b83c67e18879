/**
 * A client of a runtime that is killed again and again: it comes back with `session.resume`, remembers everything that it
 * was shown, and takes nothing on trust: a gap or a repeat is a fault.
 */
import { decodeFrame, type AnyEnvelope } from '../../src/protocol/envelope.js';
import type { Transport } from '../../src/transport/transport.js';
import { dialWebSocket } from '../../src/transport/websocket-client.js';

export abstract class ResumingClient {
  /** What came, by `event_seq` from 1. */
  readonly events: AnyEnvelope[] = [];
  readonly faults: string[] = [];
  readonly #url: string;
  readonly #token: string;
  #resumeToken: string | undefined;
  #transport: Transport | undefined;
  #closed = false;

  readonly #capabilities: unknown;

  constructor(url: string, token: string, capabilities: unknown = {}) {
    this.#url = url;
    this.#token = token;
    this.#capabilities = capabilities;
  }

  /** Its session is there, for the first time or again. What was asked for before may have been lost with a crash. */
  protected abstract began(): void;

  /** Told of each event, once. */
  protected abstract event(envelope: AnyEnvelope): void;

  /** Told of what is no event, and after each frame. */
  protected abstract took(answer: AnyEnvelope | undefined): void;

  /** Connects and goes on until the connection ends. Rejects when nobody listens. */
  async connect(): Promise<void> {
    const transport = await dialWebSocket(this.#url);
    if (this.#closed) {
      transport.close(1000, '');
      return;
    }
    this.#transport = transport;
    await new Promise<void>((resolve) => {
      transport.start({
        message: (text) => {
          this.#take(text);
        },
        closed: () => {
          this.#transport = undefined;
          resolve();
        },
      });
      if (this.#resumeToken === undefined) {
        const auth = { scheme: 'bearer', token: this.#token };
        const client = { kind: 'watcher', version: '1' };
        this.send('session.open', { auth, client, capabilities: this.#capabilities });
      } else {
        this.send('session.resume', { resume_token: this.#resumeToken, last_event_seq: this.events.length });
      }
    });
  }

  /** Everything that the session was ever told, as the runtime has it now. */
  async everything(): Promise<AnyEnvelope[]> {
    const transport = await dialWebSocket(this.#url);
    const found: AnyEnvelope[] = [];
    await new Promise<void>((resolve) => {
      transport.start({
        message: (text) => {
          const decoded = decodeFrame(text);
          if (!decoded.ok || decoded.envelope.event_seq === undefined) return;
          found.push(decoded.envelope);
          if (found.length === this.events.length) transport.close(1000, '');
        },
        closed: () => {
          resolve();
        },
      });
      sendOn(transport, 'session.resume', { resume_token: this.#resumeToken, last_event_seq: 0 });
    });
    return found;
  }

  /** Also a connection that is only being made. */
  close(): void {
    this.#closed = true;
    this.#transport?.close(1000, '');
  }

  /** Sends where it is connected. Returns the message's id. */
  protected send(type: string, payload: unknown, extra: object = {}): string | undefined {
    return this.#transport === undefined ? undefined : sendOn(this.#transport, type, payload, extra);
  }

  #take(text: string): void {
    const decoded = decodeFrame(text);
    if (!decoded.ok) {
      this.faults.push(`cannot be read: ${decoded.refusal.message}`);
      return;
    }
    const { envelope } = decoded;
    if (envelope.type === 'session.accepted' || envelope.type === 'session.resumed') {
      this.#resumeToken = envelope.payload.resume_token;
      this.send('ping', {});
      this.began();
    } else if (envelope.type === 'session.rejected') {
      this.faults.push(`rejected: ${envelope.payload.message}`);
    } else if (envelope.event_seq !== undefined) {
      if (envelope.event_seq !== this.events.length + 1)
        this.faults.push(`event ${envelope.event_seq} came after ${this.events.length}`);
      this.events.push(envelope);
      this.event(envelope);
    }
    this.took(envelope.event_seq === undefined ? envelope : undefined);
  }
}

function sendOn(transport: Transport, type: string, payload: unknown, extra: object = {}): string {
  const id = `msg_${crypto.randomUUID()}`;
  const timestamp = new Date().toISOString();
  transport.send(JSON.stringify({ arcp: '1.1', id, type, timestamp, payload, ...extra }));
  return id;
}
