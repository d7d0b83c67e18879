/**
 * Which message of an agent is legal at which stage of its attempt, and what it becomes. The one table of the conversation:
 * a type that is not in it is no part of one.
 *
 * `invoked` → `job.accepted` → `accepted` → `job.started` → `started` → an end. An agent that has nothing to say before its
 * work may begin with `job.started`, and one that only computes may answer with `tool.result` or `tool.error` at once.
 */
import type { MessageType } from '../../protocol/messages.js';

/** How far an attempt has come, as its agent tells. */
export type Stage = 'invoked' | 'accepted' | 'started' | 'over';

const AT_ONCE = ['invoked', 'accepted', 'started'] as const;
const BEFORE_WORK = ['invoked', 'accepted'] as const;
const ALIVE = ['accepted', 'started'] as const;
const AT_WORK = ['started'] as const;

// prettier-ignore
export const STAGES = {
  'job.accepted': ['invoked'],
  'job.started': BEFORE_WORK,
  'job.heartbeat': ALIVE,
  'job.progress': AT_WORK,
  'job.result_chunk': AT_WORK,
  'job.checkpoint': AT_WORK,
  'job.completed': AT_WORK,
  'job.failed': AT_ONCE,
  'job.cancelled': AT_ONCE,
  'tool.result': AT_ONCE,
  'tool.error': AT_ONCE,
  metric: AT_WORK,
  log: ALIVE,
  'event.emit': AT_WORK,
  ping: ALIVE,
  'tool.invoke': AT_WORK,
  'agent.delegate': AT_WORK,
  'job.subscribe': AT_WORK,
  'job.unsubscribe': AT_WORK,
  'agent.handoff': AT_WORK,
  cancel: AT_WORK,
  'permission.request': AT_WORK,
  'human.input.request': AT_WORK,
  'human.choice.request': AT_WORK,
  'artifact.put': AT_WORK,
  'artifact.fetch': AT_WORK,
  'artifact.release': AT_WORK,
  'stream.open': AT_WORK,
  'stream.chunk': AT_WORK,
  'stream.close': AT_WORK,
  'stream.error': AT_WORK,
} as const satisfies Partial<Record<MessageType, readonly Stage[]>>;

/** What an agent may say of its job. */
export type AgentMessage = keyof typeof STAGES;

const TABLE: ReadonlyMap<string, readonly Stage[]> = new Map(Object.entries(STAGES));

export function isAgentMessage(type: string): type is AgentMessage {
  return TABLE.has(type);
}

export function isLegal(type: AgentMessage, stage: Stage): boolean {
  return TABLE.get(type)?.includes(stage) === true;
}

/** Why a message is not legal now, in words for its sender. */
export function whyIllegal(type: AgentMessage, stage: Stage): string {
  if (stage === 'over') return `${type}: the job has had its end`;
  if (type === 'job.accepted') return `${type}: said before`;
  if (type === 'job.started') return `${type}: said before`;
  return `${type}: say ${isLegal(type, 'accepted') ? 'job.accepted' : 'job.started'} first`;
}
