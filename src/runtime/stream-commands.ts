/** The commands of streams (RFC 0001 §11). */
import { ArcpError } from '../protocol/errors.js';
import type { Command } from './command.js';

/**
 * Slows a stream down. Only the session that asked for the job may: a watcher must not hold up what others watch.
 * It is not answered, and about a stream that has just ended there is nothing to say.
 */
export const backpressure: Command<'backpressure'> = ({ engine, session }, { stream_id: id, payload }) => {
  if (id === undefined) throw new ArcpError('INVALID_ARGUMENT', 'stream_id: missing');
  const found = engine.streams.find(session.principal, id);
  if (found.kind === 'ended') return;
  if (found.kind === 'unknown') throw new ArcpError('NOT_FOUND', 'there is no such stream');
  if (found.kind === 'foreign' || found.stream.sessionId !== session.id) {
    throw new ArcpError('PERMISSION_DENIED', 'only the session that asked for a job slows its streams down');
  }
  found.stream.wish(payload);
};
