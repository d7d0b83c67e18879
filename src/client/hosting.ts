/** The port of whoever hosts agents over a session (`src/host`): what comes for it, and how the session fares. */
import type { AnyEnvelope, ArcpError, MessageId } from '../protocol/index.js';

export interface HostingPort {
  /** A message in the session; `size` is the length of its text. Whether it is for the host. */
  receive(envelope: AnyEnvelope, size: number): boolean;
  /** The answer to this message of the host cannot be read. */
  unreadable(correlationId: MessageId, error: ArcpError): void;
  /** There is a session, another one than before. `send` says whether there was a connection to send the frame on. */
  opened(send: (frame: string) => boolean): void;
  /** The session goes on, on another connection. */
  resumed(): void;
  /** There will be no session any more. */
  closed(error: ArcpError): void;
}
