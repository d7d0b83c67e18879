/**
 * Which messages are events of a job: what the message table counts, less what belongs to a subscription (decision 22),
 * and less an `artifact.ref` that answers a command.
 */
import type { AnyEnvelope, Envelope } from './envelope.js';
import { ruleFor, type MESSAGES, type MessageType } from './messages.js';

type CountableType = {
  [Type in MessageType]: (typeof MESSAGES)[Type]['countable'] extends true ? Type : never;
}[MessageType];

export type JobEventType = Exclude<CountableType, 'subscribe.event' | 'subscribe.closed'>;

/** One event of a job: an envelope whose `payload` has the type that its `type` says. */
export type JobEvent = { [Type in JobEventType]: Envelope<Type> }[JobEventType];

export function isJobEvent(envelope: AnyEnvelope): envelope is JobEvent {
  const { type } = envelope;
  if (type === 'artifact.ref') return envelope.job_id !== undefined;
  return type !== 'subscribe.event' && type !== 'subscribe.closed' && ruleFor(type)?.countable === true;
}

export type TerminalEvent = Extract<JobEvent, { type: 'job.completed' | 'job.failed' | 'job.cancelled' }>;

export function isTerminalType(type: unknown): type is TerminalEvent['type'] {
  return type === 'job.completed' || type === 'job.failed' || type === 'job.cancelled';
}

export function isTerminal(event: JobEvent): event is TerminalEvent {
  return isTerminalType(event.type);
}
