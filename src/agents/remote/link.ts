/**
 * The ports of a conversation about one job: the way to an agent outside of the runtime, be it a child process or a session
 * that dialled in, and what the parts of the conversation have in common.
 */
import type { AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Id, JobId, MessageId } from '../../protocol/ids.js';
import type { MessageType, Payload } from '../../protocol/messages.js';
import type { JobContext } from '../agent.js';

/** A message to an agent. Whoever sends it gives it an id and a time. */
export interface ToAgent<T extends MessageType = MessageType> {
  readonly type: T;
  readonly payload: Payload<T>;
  readonly jobId?: JobId | undefined;
  readonly correlationId?: MessageId | undefined;
  readonly streamId?: Id<'stream'> | undefined;
  readonly traceId?: string | undefined;
}

/** The way to an agent: one for all the jobs that it does. */
export interface AgentLink {
  /** Sends a message, whole and in order, and gives its id. Never throws; once the way is gone it does nothing. */
  send(message: ToAgent): MessageId;
  /** Resolves when little enough is under way to send more of what can wait; at once where that is so. */
  ready(): Promise<void>;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** Limits of one conversation; the runtime's of the same names. */
export interface ConversationLimits {
  readonly maxChunkBytes: number;
  readonly maxStreamBytes: number;
  /** Acts of one job that are under way: a further one is refused. */
  readonly maxRemoteActs: number;
  /** Payload of acts of one job that are under way. */
  readonly maxRemoteActBytes: number;
}

/** The runtime lost whoever did an attempt at a job: that says nothing of the job, and another may try. */
export class AttemptLost extends ArcpError {}

/** `brief`: the job's end waits for it. `long`: it waits for a person or for another job, and ends with the job. */
export type ActKind = 'brief' | 'long';

export interface Act<T> {
  readonly kind: ActKind;
  readonly work: () => Promise<T>;
  readonly done: (value: T) => void;
  /** Default: `nack`. */
  readonly refused?: (error: ArcpError) => void;
}

/** One job, as what its agent says is acted on. */
export interface RemoteJob {
  readonly ctx: JobContext;
  readonly jobId: JobId;
  readonly link: AgentLink;
  readonly limits: ConversationLimits;
  /** Sends a message of this job; by default one that belongs to its invocation. */
  say<T extends MessageType>(
    type: T,
    payload: Payload<T>,
    about?: Partial<Pick<ToAgent, 'jobId' | 'correlationId' | 'streamId'>>,
  ): MessageId;
  nack(asked: AnyEnvelope, error: unknown): void;
  /** Does what takes its time. Throws RESOURCE_EXHAUSTED where too much of that is under way. */
  act<T>(asked: AnyEnvelope, act: Act<T>): void;
  /** The answer to a message of ours: `nack` rejects. Rejects when the conversation ends. */
  answerTo(id: MessageId): Promise<AnyEnvelope>;
}

/** What an agent's `ack` and its like are to the runtime: nothing that could be refused. */
const ANSWERS: ReadonlySet<MessageType> = new Set<MessageType>([
  'ack',
  'nack',
  'pong',
  'cancel.accepted',
  'cancel.refused',
]);

/** Whether a message answers another and asks for nothing, so that it is never answered in turn. */
export function isAnswer({ type }: AnyEnvelope): boolean {
  return ANSWERS.has(type);
}

/** Answers with `ack`. */
export function acknowledge(job: RemoteJob, { id }: AnyEnvelope, payload: Payload<'ack'> = {}): void {
  job.say('ack', { ...payload, ack_for: id }, { correlationId: id });
}
