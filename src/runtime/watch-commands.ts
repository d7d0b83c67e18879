/** The commands of those who watch: listings, subscriptions, acknowledgement, and replay on request. */
import type { Envelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES } from '../protocol/ids.js';
import { backfill, positionBehind } from './backfill.js';
import { findCheckpoint } from './checkpoints.js';
import type { Command, CommandScene } from './command.js';
import { acknowledge, refuse } from './later-answer.js';
import { listJobs } from './job-listing.js';
import { messageOfCheckpoint, placeOf } from './message-places.js';
import { ownJob } from './own-job.js';
import type { Session } from './session.js';
import type { SubscriptionFilter } from './subscriptions.js';

export const listing: Command<'session.list_jobs'> = ({ engine, session, peer }, { id, payload }) => {
  const { jobs, limits, clock } = engine;
  peer.reply({
    type: 'session.jobs',
    payload: {
      request_id: id,
      ...listJobs(jobs, session.identity, payload, limits.listPageSize, clock.now()),
    },
    sessionId: session.id,
    correlationId: id,
  });
};

/** Answered when the store has taken it (`watching.ts`, W1). */
export const watchJob: Command<'job.subscribe'> = ({ engine, session }, { id, payload }) => {
  const job = ownJob(engine.jobs, session.principal, payload.job_id);
  session.watching.jobs.watch(job, payload, id);
};

export const unwatchJob: Command<'job.unsubscribe'> = ({ session }, { payload }) => {
  session.watching.jobs.unwatch(payload.job_id);
};

export const subscribe: Command<'subscribe'> = (scene, envelope) => {
  const { engine, session } = scene;
  const { id, payload } = envelope;
  const { filter, since = {} } = payload;
  checkFilter(filter, session, engine);
  const after = startOf(since);
  const { subscriptions } = session.watching;
  const from = after === undefined ? engine.journal.position : positionBehind(engine, session, after);
  const subscription = subscriptions.gather(engine.newId('subscription'), filter);
  if (after === undefined) {
    subscriptions.open(subscription, [], from, id);
    return;
  }
  const looking = backfill(engine, session, from, subscription);
  Promise.all([looking, checkCheckpoint(scene, since.checkpoint_id)]).then(
    ([past]) => {
      subscriptions.open(subscription, past, from, id);
    },
    (error: unknown) => {
      subscriptions.giveUp(subscription);
      refuse(scene, envelope, error);
    },
  );
};

export const unsubscribe: Command<'unsubscribe'> = ({ session }, { id, payload }) => {
  const subscription = session.watching.subscriptions.find(payload.subscription_id);
  if (subscription === undefined) throw new ArcpError('NOT_FOUND', 'there is no such subscription');
  session.watching.subscriptions.close(subscription, 'OK', 'unsubscribed', id);
};

/** The window moves forward only; what was not sent cannot be acknowledged. */
export const sessionAck: Command<'session.ack'> = ({ session }, { payload }) => {
  session.outbox.acknowledge(payload.last_processed_seq);
};

/** Tells the session again what it was told after a message or a checkpoint, under the same numbers (RFC 0001 §19). */
export const resume: Command<'resume'> = (scene, envelope) => {
  const { payload } = envelope;
  const after = startOf(payload);
  if (after === undefined) throw new ArcpError('INVALID_ARGUMENT', 'after_message_id: missing');
  if (payload.checkpoint_id === undefined) {
    repeatAfter(scene, envelope, after);
    return;
  }
  checkCheckpoint(scene, payload.checkpoint_id)
    .then(() => {
      repeatAfter(scene, envelope, after);
    })
    .catch((error: unknown) => {
      refuse(scene, envelope, error);
    });
};

function repeatAfter(scene: CommandScene, envelope: Envelope<'resume'>, after: string): void {
  const { engine, session } = scene;
  const { outbox } = session;
  const eventSeq = numberOfMessage(session, after);
  if (eventSeq === undefined) {
    const gone = placeOf(after) !== undefined && outbox.oldestReplayable > 0;
    throw gone
      ? new ArcpError('DATA_LOSS', 'the message is older than what the session keeps')
      : new ArcpError('NOT_FOUND', 'the session was told no such message');
  }
  if (!engine.sessions.covers(session, eventSeq)) {
    throw new ArcpError('DATA_LOSS', 'not everything that followed the message is kept');
  }
  acknowledge(scene, envelope);
  outbox.repeat(eventSeq);
}

/** The message after which to begin: a checkpoint is an event, and stands for it. */
function startOf({
  after_message_id: message,
  checkpoint_id: checkpoint,
}: {
  readonly after_message_id?: string | undefined;
  readonly checkpoint_id?: string | undefined;
}): string | undefined {
  if (checkpoint === undefined) return message;
  if (message !== undefined) {
    throw new ArcpError('INVALID_ARGUMENT', 'checkpoint_id: expected it or after_message_id, not both');
  }
  const place = messageOfCheckpoint(checkpoint);
  if (place === undefined) throw new ArcpError('NOT_FOUND', 'there is no such checkpoint');
  return place;
}

/** Rejects when there is none of this id that the session's principal may know. */
async function checkCheckpoint({ engine, session }: CommandScene, id: string | undefined): Promise<void> {
  if (id !== undefined) await findCheckpoint(engine, session.principal, id);
}

/** The number under which this session was told a message. */
function numberOfMessage({ outbox, watching }: Session, messageId: string): number | undefined {
  const place = placeOf(messageId);
  if (place === undefined) return undefined;
  const { owner, number } = place;
  if (watching.subscriptions.told(`${ID_PREFIXES.subscription}_${owner}`, number)) return number;
  return (
    outbox.numberOf(`${ID_PREFIXES.job}_${owner}`, number) ??
    outbox.numberOf(`${ID_PREFIXES.session}_${owner}`, number)
  );
}

/** Throws PERMISSION_DENIED when it names what is another principal's, RESOURCE_EXHAUSTED when it is too long. */
function checkFilter(
  filter: SubscriptionFilter,
  { principal }: Session,
  { jobs, sessions, limits }: Parameters<Command>[0]['engine'],
): void {
  const { session_id, job_id, trace_id, stream_id, types } = filter;
  const members = [session_id, job_id, trace_id, stream_id, types].reduce((sum, one) => sum + one.length, 0);
  if (members > limits.maxFilterMembers) {
    const message = `the filter has ${members} members, and ${limits.maxFilterMembers} are taken`;
    throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
  }
  const foreign =
    session_id.some((id) => isAnothers(sessions.find(id)?.principal, principal)) ||
    job_id.some((id) => isAnothers(jobs.find(id)?.origin.principal, principal));
  if (foreign) throw new ArcpError('PERMISSION_DENIED', 'the filter names what belongs to another principal');
}

function isAnothers(owner: string | undefined, principal: string): boolean {
  return owner !== undefined && owner !== principal;
}
