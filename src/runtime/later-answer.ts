/** Answers to commands that take their time: to the connection that asked, if that is still there. */
import type { AnyEnvelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import type { CommandScene } from './command.js';

type Asked = Pick<AnyEnvelope, 'id' | 'type'>;

/** `ack` with what came of it, or `nack` with why nothing did. */
export function answerLater<T>(
  scene: CommandScene,
  asked: Asked,
  outcome: Promise<T>,
  payloadOf: (value: T) => Payload<'ack'>,
): void {
  outcome.then(
    (value) => {
      acknowledge(scene, asked, payloadOf(value));
    },
    (error: unknown) => {
      refuse(scene, asked, error);
    },
  );
}

export function acknowledge(
  { engine, session, peer }: CommandScene,
  { id }: Asked,
  payload: Payload<'ack'> = {},
): void {
  peer.reply({
    type: 'ack',
    payload: { ...payload, ack_for: id, received_at: engine.timestamps.now() },
    sessionId: session.id,
    correlationId: id,
  });
}

/** `nack`, for what is found wrong when the command itself has returned. */
export function refuse({ engine, session, peer }: CommandScene, { id, type }: Asked, error: unknown): void {
  const refused = ArcpError.from(error);
  const { code, message } = refused;
  engine.logger.info({ session: session.id, type, code, reason: message }, 'command refused');
  peer.reply({
    type: 'nack',
    payload: { ...refused.toPayload(), ack_for: id },
    sessionId: session.id,
    correlationId: id,
  });
}
