/** The way from the jobs of a host to their runtime: one for all of them. */
import type { OutboundMessage } from '../client/command.js';
import type { Clock } from '../clock.js';
import type { MessageId } from '../protocol/ids.js';

export interface RuntimeLink {
  readonly clock: Clock;
  readonly isConnected: boolean;
  /** Whether so much waits for the runtime that nothing may be added that could wait. */
  readonly isBehind: boolean;
  /**
   * Sends a message now, or when there is a connection again; it is repeated until the runtime has it. Throws
   * INVALID_ARGUMENT for what JSON cannot hold, RESOURCE_EXHAUSTED for what is larger than a frame may be.
   */
  send(id: MessageId, message: OutboundMessage): void;
}
