import type { BudgetPolicy } from '../protocol/cost-budget.js';
import type { MessageType, Payload } from '../protocol/messages.js';
import type { Id, JobId, SessionId } from '../protocol/ids.js';
import type { CloseCode } from '../transport/transport.js';
import type { EventSink } from './outbox.js';

/** An answer that belongs to one connection and is not stored: it has no `event_seq` (decision 22). */
export interface Reply<T extends MessageType = MessageType> {
  readonly type: T;
  readonly payload: Payload<T>;
  readonly sessionId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly subscriptionId?: Id<'subscription'> | undefined;
  readonly streamId?: Id<'stream'> | undefined;
  /** What a `nack` is the answer to, where that is known. */
  readonly refused?: Refused | undefined;
}

export interface Refused {
  readonly type: MessageType;
  readonly traceId?: string | undefined;
  readonly jobId?: JobId | undefined;
}

/** How the clients of one dialect are served. Fixed when a session is opened, and kept with it. */
export interface SessionTerms {
  /** The name of the dialect, which means nothing here. */
  readonly dialect: string;
  /** What its client and the dialect have agreed on beside the native capabilities. */
  readonly features: readonly string[];
  /** What becomes of charges above the remainder, in the jobs that the session asks for (decision 15). */
  readonly budgetPolicy: BudgetPolicy;
}

/** What a dialect needs to know of the session that it presents. */
export interface SessionView {
  readonly id: SessionId;
  /** Extensions whose messages the client can take; may grow (decision 17). */
  readonly extensions: ReadonlySet<string>;
  readonly terms: SessionTerms;
}

/** Whoever is at the other end of a connection, as a dialect presents it. */
export interface Peer extends EventSink {
  /** For sessions that are opened through it. */
  readonly terms: SessionTerms;
  /** From now on its events are those of this session. */
  enter(session: SessionView): void;
  reply<T extends MessageType>(reply: Reply<T>): void;
  /** Sends a frame in the runtime's own tongue as it is; only where that is what the client speaks. */
  readonly native?: (frame: string) => void;
  close(code: CloseCode, reason: string): void;
}
