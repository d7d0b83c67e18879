/**
 * Brings back what a life of the runtime had in memory about its logs: who was told what under which number (law L3). It
 * plays every commit that is kept to the very observers that learn of commits otherwise, in the order of commit, so that
 * what comes out is what was there.
 *
 * (Y1) Only types and places are read, and of sessions' logs what their watching says: texts stay in the store. Events of
 *      streams are read where a subscription asks for single streams.
 * (Y2) A session that was told what is forgotten now has noted how far it had come. At that point it is counted anew, and
 *      what its client could not be told again is dropped.
 * (Y3) A subscription gathers from where its record says that it did, so that it begins with the same past.
 */
import type { JobId, MessageId } from '../protocol/ids.js';
import { isTerminal } from '../protocol/job-state.js';
import type { MessageType } from '../protocol/messages.js';
import type { Store } from '../store/store.js';
import { headOfBody, type EventLog, type PastEvent } from './event-log.js';
import { outboxesOf } from './intake.js';
import { stateAfter, type Job } from './job.js';
import type { Limits } from './limits.js';
import type { Session } from './session.js';
import type { SubscriptionTable } from './subscriptions.js';
import { readRecord, WATCH_RECORDS } from './watch-records.js';

export interface ReplayContext {
  readonly store: Store;
  readonly limits: Limits;
  readonly subscriptions: SubscriptionTable;
}

/** Records that are read in one go. */
const BATCH = 1_000;

/** A record of a session's log, and the command that it answers. */
interface SessionRecord extends PastEvent {
  readonly correlationId: MessageId | undefined;
}

/** Something to be done once everything up to a position has been played. */
interface Due {
  readonly position: number;
  readonly act: () => void;
}

type Source =
  | { readonly kind: 'job'; readonly job: Job }
  | { readonly kind: 'session'; readonly session: Session; readonly log: EventLog; records: SessionRecord[] };

/** Returns the jobs that had ended, in that order. */
export async function replay(
  context: ReplayContext,
  jobs: ReadonlyMap<JobId, Job>,
  sessions: ReadonlyMap<string, Session>,
): Promise<Job[]> {
  const sources = new Map<string, Source>();
  for (const job of jobs.values()) sources.set(job.id, { kind: 'job', job });
  const due: Due[] = [];
  let byStream = false;
  for (const session of sessions.values()) {
    session.watching.subscriptions.isReplaying = true;
    for (const log of session.logParts) {
      const records = await recordsOf(context.store, log.id);
      sources.set(log.id, { kind: 'session', session, log, records });
      due.push(...gatherings(session, records));
      byStream ||= records.some(asksForStreams);
    }
    due.push(...noted(session, jobs));
  }
  due.sort((one, other) => one.position - other.position);

  const ended: Job[] = [];
  let next = 0;
  for await (const { position, log, type, bytes } of placesOf(context.store)) {
    for (let at = due[next]; at !== undefined && at.position < position; at = due[(next += 1)]) at.act();
    const source = sources.get(log);
    if (source === undefined) continue;
    if (source.kind === 'job') {
      const { job } = source;
      if (job.log.committedSeq === 0) begin(job, sessions, context.limits);
      const state = stateAfter(type as MessageType);
      const streamId =
        byStream && type.startsWith('stream.')
          ? await streamOf(context.store, log, job.log.committedSeq)
          : undefined;
      const event = job.log.replay({ type: type as MessageType, bytes, state, streamId }, position);
      if (state !== undefined && isTerminal(state)) {
        job.log.release();
        ended.push(job);
      }
      context.subscriptions.tell(event);
    } else {
      const record = source.records[source.log.committedSeq];
      if (record === undefined) continue;
      if (record.correlationId !== undefined) source.session.sawBefore(record.correlationId, context.limits);
      context.subscriptions.tell(source.log.replay(record, position));
    }
  }
  for (const { act } of due.slice(next)) act();
  for (const { watching, outbox } of sessions.values()) {
    watching.subscriptions.isReplaying = false;
    outbox.restored();
  }
  return ended;
}

async function* placesOf(store: Store) {
  for (let after = 0; ;) {
    const page = await store.places(after, BATCH);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < BATCH) return;
    after = last.position;
  }
}

/** (Y1) */
async function recordsOf(store: Store, log: string): Promise<SessionRecord[]> {
  const records: SessionRecord[] = [];
  for (;;) {
    const page = await store.read(log, records.length, BATCH);
    for (const { type, body } of page) {
      const { correlation_id: correlationId } = JSON.parse(`{${body}`) as { correlation_id?: MessageId };
      records.push({
        type: type as MessageType,
        bytes: Buffer.byteLength(body),
        correlationId,
        ...(WATCH_RECORDS.has(type) ? { body } : {}),
      });
    }
    if (page.length < BATCH) return records;
  }
}

/** (Y3) */
function gatherings({ watching }: Session, records: readonly SessionRecord[]): Due[] {
  return records.flatMap(({ type, body }) => {
    if (type !== 'subscribe' || body === undefined) return [];
    const { after, subscription_id: id, filter, ordinal } = readRecord('subscribe', { body }).payload;
    return [{ position: after, act: () => void watching.subscriptions.gather(id, filter, ordinal) }];
  });
}

function asksForStreams({ type, body }: SessionRecord): boolean {
  if (type !== 'subscribe' || body === undefined) return false;
  return readRecord('subscribe', { body }).payload.filter.stream_id.length > 0;
}

/** Of the record behind `after`. */
async function streamOf(store: Store, log: string, after: number): Promise<string | undefined> {
  const [record] = await store.read(log, after, 1);
  return record === undefined ? undefined : headOfBody(record.body).stream_id;
}

/** (Y2) */
function noted(session: Session, jobs: ReadonlyMap<JobId, Job>): Due[] {
  const { note, outbox, watching } = session;
  if (note === undefined) return [];
  const { from, position, eventSeq, oldest } = note;
  const recount: Due = {
    position,
    act: () => {
      const by = outbox.renumber(eventSeq, oldest);
      for (const { origin, log } of jobs.values())
        if (origin.sessionId === session.id) log.order.renumber(by, oldest);
    },
  };
  if (from === undefined) return [recount];
  return [{ position: from.position, act: () => watching.restore(from) }, recount];
}

/** As when it was accepted: its session is told, and whoever watches its parent (`intake.ts`, K3). */
function begin(job: Job, sessions: ReadonlyMap<string, Session>, limits: Limits): void {
  const { sessionId, parent, correlationId } = job.origin;
  const session = sessions.get(sessionId);
  if (session !== undefined) {
    job.log.numbering = session.outbox;
    job.log.observe(session.outbox);
    if (correlationId !== undefined) session.sawBefore(correlationId, limits);
  }
  if (parent === undefined) return;
  for (const observer of outboxesOf(parent)) job.log.observe(observer);
}
