/**
 * What a session's log says of its watching. These records are the session's own: they are never shown to a client as
 * they are, so that they can carry what the watching needs to come out the same when the log is read again.
 */
import type { JobId, MessageId } from '../protocol/ids.js';
import type { MessageType } from '../protocol/messages.js';
import type { EventLog } from './event-log.js';
import type { SubscriptionFilter } from './subscriptions.js';

/** `job.subscribe`: the session watches a job, and all below it, from here on. */
export interface WatchJobRecord {
  readonly job_id: JobId;
  /** Which part of the past it is told as well: what was committed behind this position. */
  readonly history_after?: number | undefined;
  /** The same place as an `event_seq` of the job's owner, for the answer. */
  readonly from_event_seq?: number | undefined;
  /** Whether the job's end is told otherwise. */
  readonly without_end?: true | undefined;
}

/** `job.unsubscribe`. */
export interface UnwatchJobRecord {
  readonly job_id: JobId;
}

/** `subscribe`: a subscription begins, with whatever of its kind was committed behind this position. */
export interface SubscribeRecord {
  readonly subscription_id: `sub_${string}`;
  readonly filter: SubscriptionFilter;
  readonly after: number;
  /** Which of the session's subscriptions it is: they are told an event in this order. */
  readonly ordinal: number;
}

/** `event.emit`: what parts a subscription's history from what is live. */
export interface BoundaryRecord {
  readonly name: string;
  readonly data: { readonly subscription_id: string };
}

/** `subscribe.closed`. */
export interface ClosedRecord {
  readonly subscription_id: string;
}

interface WatchRecords {
  readonly 'job.subscribe': WatchJobRecord;
  readonly 'job.unsubscribe': UnwatchJobRecord;
  readonly subscribe: SubscribeRecord;
  readonly 'event.emit': BoundaryRecord;
  readonly 'subscribe.closed': ClosedRecord;
}

export type WatchRecordType = keyof WatchRecords;

/** The types of records that have to be read to know what a session watches. */
export const WATCH_RECORDS: ReadonlySet<string> = new Set<WatchRecordType>([
  'job.subscribe',
  'job.unsubscribe',
  'subscribe',
  'event.emit',
  'subscribe.closed',
] satisfies (WatchRecordType & MessageType)[]);

/** Appends a record that only the session's watching reads. */
export function appendRecord<T extends 'job.subscribe' | 'job.unsubscribe' | 'subscribe'>(
  log: EventLog,
  type: T,
  record: WatchRecords[T],
  correlationId?: string,
): void {
  log.appendText(type, JSON.stringify(record), undefined, { correlation_id: correlationId });
}

export interface ReadRecord<T extends WatchRecordType> {
  readonly payload: WatchRecords[T];
  readonly correlationId: MessageId | undefined;
}

/** @param _type of the record whose text this is */
export function readRecord<T extends WatchRecordType>(
  _type: T,
  { body }: { readonly body: string },
): ReadRecord<T> {
  const { payload, correlation_id } = JSON.parse(`{${body}`) as {
    payload: WatchRecords[T];
    correlation_id?: MessageId;
  };
  return { payload, correlationId: correlation_id };
}
