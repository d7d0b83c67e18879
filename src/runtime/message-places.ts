/**
 * Where the event is that a message id names: ids of events follow from their places (`event-log.ts`, E3). So do those of
 * checkpoints, which are events of jobs: `chk_<job>.<seq>`.
 */
import { ID_PREFIXES, isId, type Id, type JobId, type MessageId } from '../protocol/ids.js';

/** The id of the message in which a subscription is told an event; the number is the session's own. */
export function wrapperId(subscriptionId: Id<'subscription'>, eventSeq: number): MessageId {
  return `${ID_PREFIXES.message}_${subscriptionId.slice(ID_PREFIXES.subscription.length + 1)}.${eventSeq}`;
}

/** A message id taken apart: `msg_<owner>.<number>`, the owner being what follows the prefix of an id. */
export interface NamedPlace {
  readonly owner: string;
  readonly number: number;
}

/** Nothing for ids that are not those of events. */
export function placeOf(messageId: string): NamedPlace | undefined {
  if (!isId('message', messageId)) return undefined;
  const dot = messageId.lastIndexOf('.');
  const digits = messageId.slice(dot + 1);
  const number = Number(digits);
  if (dot === -1 || !Number.isSafeInteger(number) || number < 1 || String(number) !== digits)
    return undefined;
  return { owner: messageId.slice(ID_PREFIXES.message.length + 1, dot), number };
}

export function checkpointId(jobId: JobId, seq: number): Id<'checkpoint'> {
  return `${ID_PREFIXES.checkpoint}_${jobId.slice(ID_PREFIXES.job.length + 1)}.${seq}`;
}

/** The id of the event that is the checkpoint; none where this is no id of a checkpoint. */
export function messageOfCheckpoint(id: string): MessageId | undefined {
  return isId('checkpoint', id)
    ? `${ID_PREFIXES.message}_${id.slice(ID_PREFIXES.checkpoint.length + 1)}`
    : undefined;
}

/** Nothing for ids that are not of our making. */
export function placeOfCheckpoint(id: string): NamedPlace | undefined {
  const message = messageOfCheckpoint(id);
  return message === undefined ? undefined : placeOf(message);
}
