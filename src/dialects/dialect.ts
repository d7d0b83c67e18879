import type { Connection } from '../runtime/connection.js';
import type { Peer } from '../runtime/peer.js';

/** One way to speak to a connection: what comes is handed on as native messages, what goes passes through its peer. */
export interface Dialect {
  readonly peer: Peer;
  /** A text frame has come. Never throws. */
  take(frame: string, connection: Connection): void;
  /** The transport is gone. */
  closed(): void;
}
