import type { MessageType, Payload } from '../protocol/messages.js';
import type { Id, SessionId } from '../protocol/ids.js';
import type { CloseCode } from '../transport/transport.js';
import type { EventSink } from './outbox.js';

/** An answer that belongs to one connection and is not stored: it has no `event_seq` (decision 22). */
export interface Reply<T extends MessageType = MessageType> {
  readonly type: T;
  readonly payload: Payload<T>;
  readonly sessionId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly subscriptionId?: Id<'subscription'> | undefined;
}

/** What a dialect needs to know of the session that it presents. */
export interface SessionView {
  readonly id: SessionId;
  /** Extensions whose messages the client can take; may grow (decision 17). */
  readonly extensions: ReadonlySet<string>;
}

/** Whoever is at the other end of a connection, as a dialect presents it. */
export interface Peer extends EventSink {
  /** From now on its events are those of this session. */
  enter(session: SessionView): void;
  reply<T extends MessageType>(reply: Reply<T>): void;
  close(code: CloseCode, reason: string): void;
}
