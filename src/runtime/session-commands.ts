/** The commands about a session itself: liveness and its end. */
import { CLOSE_CODES } from '../transport/transport.js';
import type { Command } from './command.js';

export const ping: Command<'ping'> = ({ engine, session, peer }, { id, payload }) => {
  peer.reply({
    type: 'pong',
    payload: {
      ...(payload.nonce === undefined ? {} : { nonce: payload.nonce }),
      ack_for: id,
      received_at: engine.timestamps.now(),
    },
    sessionId: session.id,
    correlationId: id,
  });
};

export const sessionPing: Command<'session.ping'> = ({ engine, session, peer }, { id, payload }) => {
  peer.reply({
    type: 'session.pong',
    payload: { ping_nonce: payload.nonce, received_at: engine.timestamps.now() },
    sessionId: session.id,
    correlationId: id,
  });
};

export const close: Command<'session.close'> = ({ engine, session, peer }, { id, payload }) => {
  if (payload.dispose_jobs === 'cancel') {
    engine.jobs.stopAllOf(session, { kind: 'cancel', reason: 'its session was closed' });
  }
  engine.logger.info({ session: session.id, reason: payload.reason }, 'session closed');
  const canBeResumed = payload.allow_resume === true && engine.jobs.runsAnyOf(session);
  if (!canBeResumed) engine.sessions.end(session);
  peer.reply({ type: 'session.closed', payload: {}, sessionId: session.id, correlationId: id });
  peer.close(CLOSE_CODES.normal, 'the session was closed');
};
