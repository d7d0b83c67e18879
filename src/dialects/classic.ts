/**
 * The classic dialect: the runtime's native tongue, so that only text and envelopes are exchanged here (law L5).
 *
 * (D1) An event's text is spliced behind the session's own fields; nothing is stringified again.
 * (D2) Types that a client may not be able to decode travel as `event.emit` of the same name, unless it has asked for
 *      them (decision 17): the numbering is the same for everyone.
 */
import { decodeFrame, PROTOCOL_VERSION, type DecodeLimits } from '../protocol/envelope.js';
import { MESSAGES, type MessageType } from '../protocol/messages.js';
import type { Connection } from '../runtime/connection.js';
import type { Engine } from '../runtime/engine.js';
import type { Wrapping } from '../runtime/outbox.js';
import { wrapperId } from '../runtime/message-places.js';
import type { Peer, Reply, SessionTerms, SessionView } from '../runtime/peer.js';
import type { StoredRecord } from '../store/store.js';
import { CLOSE_CODES, type CloseCode, type Transport } from '../transport/transport.js';
import type { Dialect } from './dialect.js';

export class ClassicDialect implements Dialect {
  readonly peer: Peer;
  readonly #limits: DecodeLimits;

  constructor(engine: Engine, transport: Transport) {
    this.peer = new ClassicPeer(engine, transport);
    this.#limits = { maxDepth: engine.limits.maxNesting };
  }

  take(frame: string, connection: Connection): void {
    const decoded = decodeFrame(frame, this.#limits);
    if (decoded.ok) connection.receive(decoded.envelope, frame.length);
    else connection.refuse(decoded.refusal);
  }

  closed(): void {
    // Nothing of it outlives the transport.
  }
}

/** Which types need an opt-in, and the extension that gives it. */
const GATED: ReadonlyMap<string, string> = new Map(
  Object.entries(MESSAGES).flatMap(([type, rule]) =>
    'extension' in rule ? [[type, rule.extension] as const] : [],
  ),
);

/** Classic clients are refused what their budget does not cover (decision 15). */
const TERMS: SessionTerms = { dialect: 'classic', features: [], budgetPolicy: 'refuse-overspend' };

class ClassicPeer implements Peer {
  readonly terms = TERMS;
  readonly #engine: Engine;
  readonly #transport: Transport;
  #session: SessionView | undefined;
  /** What stands in front of an event's number. */
  #head = '';

  constructor(engine: Engine, transport: Transport) {
    this.#engine = engine;
    this.#transport = transport;
  }

  get buffered(): number {
    return this.#transport.buffered;
  }

  enter(session: SessionView): void {
    this.#session = session;
    this.#head = `{"arcp":"${PROTOCOL_VERSION}","session_id":${JSON.stringify(session.id)},"event_seq":`;
  }

  event(record: StoredRecord, eventSeq: number, wrapping?: Wrapping): void {
    if (wrapping !== undefined) {
      this.#send(`${this.#head}${eventSeq},${asSubscribedEvent(record, eventSeq, wrapping)}`);
      return;
    }
    const extension = GATED.get(record.type);
    const plain = extension === undefined || this.#session?.extensions.has(extension) === true;
    this.#send(`${this.#head}${eventSeq},${plain ? record.body : asEmittedEvent(record.body)}`);
  }

  reply<T extends MessageType>(reply: Reply<T>): void {
    const { type, payload, sessionId, correlationId, subscriptionId, streamId } = reply;
    this.#send(
      JSON.stringify({
        arcp: PROTOCOL_VERSION,
        id: this.#engine.newId('message'),
        type,
        timestamp: this.#engine.timestamps.now(),
        session_id: sessionId,
        correlation_id: correlationId,
        subscription_id: subscriptionId,
        stream_id: streamId,
        payload,
      }),
    );
  }

  readonly native = (frame: string): void => {
    this.#send(frame);
  };

  close(code: CloseCode, reason: string): void {
    this.#transport.close(code, reason);
  }

  /** A client that commands without reading is cut off; its session can be resumed (law L7). */
  #send(frame: string): void {
    this.#transport.send(frame);
    if (this.#transport.buffered > this.#engine.limits.hardBufferBytes) {
      this.#transport.close(CLOSE_CODES.tryAgainLater, 'the client does not read what it is sent');
    }
  }
}

/**
 * A whole envelope within another. Its id follows from its place, and its time is the event's own: it is the same
 * however often it is sent (E3).
 */
function asSubscribedEvent({ seq, body }: StoredRecord, eventSeq: number, wrapping: Wrapping): string {
  const { subscriptionId, sessionId } = wrapping;
  const number = wrapping.numberOf(seq);
  const inner = `{"arcp":"${PROTOCOL_VERSION}","session_id":"${sessionId}",${number === undefined ? '' : `"event_seq":${number},`}${body}`;
  const id = wrapperId(subscriptionId, eventSeq);
  return `"id":"${id}","type":"subscribe.event","timestamp":"${timestampOf(body)}","subscription_id":"${subscriptionId}","payload":{"event":${inner}}}`;
}

const TIMESTAMP = '"timestamp":"';

/** Nothing in front of it is from outside. */
function timestampOf(body: string): string {
  const start = body.indexOf(TIMESTAMP) + TIMESTAMP.length;
  return body.slice(start, body.indexOf('"', start));
}

/** (D2) */
function asEmittedEvent(body: string): string {
  const envelope = JSON.parse(`{${body}`) as { type: string; payload: unknown };
  const { type, payload } = envelope;
  return JSON.stringify({
    ...envelope,
    type: 'event.emit',
    payload: { name: type, data: payload, attrs: payload },
  }).slice(1);
}
