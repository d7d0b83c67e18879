import type { Envelope } from '../protocol/envelope.js';
import type { MessageType } from '../protocol/messages.js';
import type { Engine } from './engine.js';
import type { Peer } from './peer.js';
import type { Session } from './session.js';

/** Where a command arrives. */
export interface CommandScene {
  readonly engine: Engine;
  readonly session: Session;
  readonly peer: Peer;
}

export type Command<T extends MessageType = MessageType> = (
  scene: CommandScene,
  envelope: Envelope<T>,
) => void;
