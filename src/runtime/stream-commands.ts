/** The commands of streams (RFC 0001 §11). */
import type { Envelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { Id } from '../protocol/ids.js';
import type { Command, CommandScene } from './command.js';
import type { LogContext } from './event-log.js';
import { InputStream, type InputSource } from './input-stream.js';
import type { Job } from './job.js';
import { ownJob } from './own-job.js';
import type { Session } from './session.js';

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

/** Opens a stream into a job of the principal. The event that it becomes is the answer. */
export const openInput: Command<'stream.open'> = ({ engine, session }, envelope) => {
  const { stream_id: streamId, job_id, payload: open } = envelope;
  const { related_job_id, kind, encoding } = open;
  if (streamId === undefined) throw new ArcpError('INVALID_ARGUMENT', 'stream_id: missing');
  const jobId = job_id ?? related_job_id;
  if (jobId === undefined) throw new ArcpError('INVALID_ARGUMENT', 'job_id: missing, and related_job_id too');
  if (related_job_id !== undefined && related_job_id !== jobId)
    throw new ArcpError('INVALID_ARGUMENT', 'payload.related_job_id: names another job than job_id');
  if (kind === 'binary' && encoding !== undefined && encoding !== 'base64')
    throw new ArcpError('UNIMPLEMENTED', 'payload.encoding: bytes are taken as base64 only');
  const job = ownJob(engine.jobs, session.principal, jobId);
  const run = engine.jobs.run(job);
  if (run === undefined) throw new ArcpError('FAILED_PRECONDITION', `job ${job.id} has ended`);
  run.refuseInput();
  session.feeds(run.streams.receive(inputSource(engine, session, job, streamId, open), envelope.id));
};

export const feedInput: Command<'stream.chunk'> = (scene, envelope) => {
  inputOf(scene, envelope)?.chunk(envelope.payload, envelope.id);
};

export const closeInput: Command<'stream.close'> = (scene, envelope) => {
  inputOf(scene, envelope)?.close(envelope.payload, envelope.id);
};

export const failInput: Command<'stream.error'> = (scene, envelope) => {
  inputOf(scene, envelope)?.fail(envelope.payload, envelope.id);
};

/** Where a stream that this session opens comes from. */
export function inputSource(
  { timestamps }: LogContext,
  session: Session,
  job: Job,
  streamId: Id<'stream'>,
  open: InputSource['open'],
): InputSource {
  return {
    streamId,
    sessionId: session.id,
    open,
    tell: (payload) => {
      session.peer?.reply({ type: 'backpressure', payload, sessionId: session.id, streamId });
    },
    taken: (messageId) => {
      if (job.log.observers.includes(session.outbox)) return;
      session.peer?.reply({
        type: 'ack',
        payload: { ack_for: messageId, received_at: timestamps.now() },
        sessionId: session.id,
        correlationId: messageId,
        streamId,
      });
    },
  };
}

/** The open stream that the session feeds; nothing when it was told before that there is none. */
function inputOf(
  { engine, session }: CommandScene,
  { stream_id: id }: Pick<Envelope, 'stream_id'>,
): InputStream | undefined {
  if (id === undefined) throw new ArcpError('INVALID_ARGUMENT', 'stream_id: missing');
  const found = engine.streams.find(session.principal, id);
  if (found.kind === 'open') {
    const { stream } = found;
    if (stream instanceof InputStream && stream.sessionId === session.id) return stream;
  }
  if (!session.strays.isNews(id, engine.clock.now())) return undefined;
  switch (found.kind) {
    case 'open':
      throw new ArcpError('PERMISSION_DENIED', 'the stream is fed by somebody else');
    case 'ended':
      throw new ArcpError('FAILED_PRECONDITION', 'the stream has ended');
    case 'foreign':
    case 'unknown':
      throw new ArcpError('NOT_FOUND', 'there is no such stream');
  }
}
