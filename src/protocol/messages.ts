/**
 * THE message table: every type of the language, with its payload, who sends it, whether it is numbered, and what
 * answers it. Types, documentation, routing and checks derive from it (RFC 0001 §8 to §18; the Rust SDK's grafts).
 *
 * (M1) Where two shapes are in use on the wire, the schema reads both and gives one: what any peer requires is there
 *      (but for what only its writer can know, such as a time), and a value that has two names stands under that of
 *      execution.rs. Reading what was written changes nothing.
 * (M2) `countable` says whether the runtime numbers, stores and replays the message (decision 22).
 * (M3) `extension` names the opt-in that a peer must have given before such a message is sent to it (decision 17).
 */
import type * as z from 'zod';
import { OPT_IN, type OptIn } from './extensions.js';
import * as artifacts from './payloads/artifacts.js';
import * as control from './payloads/control.js';
import * as execution from './payloads/execution.js';
import * as human from './payloads/human.js';
import * as permissions from './payloads/permissions.js';
import * as session from './payloads/session.js';
import * as streams from './payloads/streams.js';
import * as subscriptions from './payloads/subscriptions.js';
import * as telemetry from './payloads/telemetry.js';

export interface MessageRule {
  readonly schema: z.ZodType;
  /** Who sends it. An agent that dialled in sends what an agent in process would make the runtime send. */
  readonly direction: 'client' | 'runtime' | 'both';
  readonly countable: boolean;
  /** Whether it may be sent before the session is accepted. */
  readonly handshake: boolean;
  /** The types that may answer it; none when nothing does. A malformed one is answered with `nack` all the same. */
  readonly answers: readonly string[];
  readonly extension?: OptIn;
}

// prettier-ignore
export const MESSAGES = {
  'session.open': { schema: session.sessionOpen, direction: 'client', countable: false, handshake: true, answers: ['session.accepted', 'session.challenge', 'session.rejected'] },
  'session.challenge': { schema: session.sessionChallenge, direction: 'runtime', countable: false, handshake: true, answers: ['session.authenticate'] },
  'session.authenticate': { schema: session.sessionAuthenticate, direction: 'client', countable: false, handshake: true, answers: ['session.accepted', 'session.challenge', 'session.unauthenticated', 'session.rejected', 'ack', 'nack'] },
  'session.accepted': { schema: session.sessionAccepted, direction: 'runtime', countable: false, handshake: true, answers: [] },
  'session.unauthenticated': { schema: session.sessionUnauthenticated, direction: 'runtime', countable: false, handshake: true, answers: [] },
  'session.rejected': { schema: session.sessionRejected, direction: 'runtime', countable: false, handshake: true, answers: [] },
  'session.refresh': { schema: session.sessionRefresh, direction: 'runtime', countable: false, handshake: false, answers: ['session.authenticate'] },
  'session.evicted': { schema: session.sessionEvicted, direction: 'runtime', countable: false, handshake: false, answers: [] },
  'session.close': { schema: session.sessionClose, direction: 'both', countable: false, handshake: false, answers: ['session.closed'] },
  'session.closed': { schema: session.sessionClosed, direction: 'runtime', countable: false, handshake: false, answers: [] },
  'session.resume': { schema: session.sessionResume, direction: 'client', countable: false, handshake: true, answers: ['session.resumed', 'session.rejected'] },
  'session.resumed': { schema: session.sessionResumed, direction: 'runtime', countable: false, handshake: true, answers: [] },
  'session.ping': { schema: session.sessionPing, direction: 'both', countable: false, handshake: false, answers: ['session.pong'] },
  'session.pong': { schema: session.sessionPong, direction: 'both', countable: false, handshake: false, answers: [] },
  'session.ack': { schema: session.sessionAck, direction: 'client', countable: false, handshake: false, answers: [] },
  'session.list_jobs': { schema: session.sessionListJobs, direction: 'client', countable: false, handshake: false, answers: ['session.jobs', 'nack'] },
  'session.jobs': { schema: session.sessionJobs, direction: 'runtime', countable: false, handshake: false, answers: [] },
  'session.list_schedules': { schema: session.sessionListSchedules, direction: 'client', countable: false, handshake: false, answers: ['session.schedules', 'nack'], extension: OPT_IN.schedule },
  'session.schedules': { schema: session.sessionSchedules, direction: 'runtime', countable: false, handshake: false, answers: [], extension: OPT_IN.schedule },

  ping: { schema: control.ping, direction: 'both', countable: false, handshake: false, answers: ['pong'] },
  pong: { schema: control.pong, direction: 'both', countable: false, handshake: false, answers: [] },
  ack: { schema: control.ack, direction: 'runtime', countable: false, handshake: false, answers: [] },
  nack: { schema: control.nack, direction: 'both', countable: false, handshake: false, answers: [] },
  cancel: { schema: control.cancel, direction: 'client', countable: false, handshake: false, answers: ['cancel.accepted', 'cancel.refused'] },
  'cancel.accepted': { schema: control.cancelAccepted, direction: 'runtime', countable: false, handshake: false, answers: [] },
  'cancel.refused': { schema: control.cancelRefused, direction: 'runtime', countable: false, handshake: false, answers: [] },
  interrupt: { schema: control.interrupt, direction: 'client', countable: false, handshake: false, answers: ['ack', 'nack'] },
  resume: { schema: control.resume, direction: 'client', countable: false, handshake: false, answers: ['ack', 'nack'] },
  backpressure: { schema: control.backpressure, direction: 'both', countable: false, handshake: false, answers: [] },
  'checkpoint.create': { schema: control.checkpointCreate, direction: 'client', countable: false, handshake: false, answers: ['ack', 'nack'], extension: OPT_IN.checkpoint },
  'checkpoint.restore': { schema: control.checkpointRestore, direction: 'client', countable: false, handshake: false, answers: ['ack', 'nack'], extension: OPT_IN.checkpoint },

  'tool.invoke': { schema: execution.toolInvoke, direction: 'client', countable: false, handshake: false, answers: ['job.accepted', 'job.failed', 'nack'] },
  'tool.result': { schema: execution.toolResult, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'tool.error': { schema: execution.toolError, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.accepted': { schema: execution.jobAccepted, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.started': { schema: execution.jobStarted, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.progress': { schema: execution.jobProgress, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.heartbeat': { schema: execution.jobHeartbeat, direction: 'both', countable: true, handshake: false, answers: [] },
  'job.checkpoint': { schema: execution.jobCheckpoint, direction: 'runtime', countable: true, handshake: false, answers: [], extension: OPT_IN.checkpoint },
  'job.result_chunk': { schema: execution.jobResultChunk, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.completed': { schema: execution.jobCompleted, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.failed': { schema: execution.jobFailed, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.cancelled': { schema: execution.jobCancelled, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'job.schedule': { schema: execution.jobSchedule, direction: 'client', countable: false, handshake: false, answers: ['ack', 'nack'], extension: OPT_IN.schedule },
  'job.subscribe': { schema: execution.jobSubscribe, direction: 'client', countable: false, handshake: false, answers: ['job.subscribed', 'nack'] },
  'job.subscribed': { schema: execution.jobSubscribed, direction: 'runtime', countable: false, handshake: false, answers: [] },
  'job.unsubscribe': { schema: execution.jobUnsubscribe, direction: 'client', countable: false, handshake: false, answers: [] },
  'workflow.start': { schema: execution.workflowStart, direction: 'client', countable: false, handshake: false, answers: ['job.accepted', 'job.failed', 'nack'], extension: OPT_IN.workflow },
  'workflow.complete': { schema: execution.workflowComplete, direction: 'runtime', countable: true, handshake: false, answers: [], extension: OPT_IN.workflow },
  'agent.delegate': { schema: execution.agentDelegate, direction: 'both', countable: true, handshake: false, answers: ['job.accepted', 'job.failed', 'nack'], extension: OPT_IN.delegate },
  'agent.handoff': { schema: execution.agentHandoff, direction: 'both', countable: true, handshake: false, answers: ['job.accepted', 'job.failed', 'nack'], extension: OPT_IN.handoff },

  'stream.open': { schema: streams.streamOpen, direction: 'both', countable: true, handshake: false, answers: ['stream.open', 'ack', 'nack'] },
  'stream.chunk': { schema: streams.streamChunk, direction: 'both', countable: true, handshake: false, answers: ['stream.chunk', 'ack', 'nack'] },
  'stream.close': { schema: streams.streamClose, direction: 'both', countable: true, handshake: false, answers: ['stream.close', 'ack', 'nack'] },
  'stream.error': { schema: streams.streamError, direction: 'both', countable: true, handshake: false, answers: ['stream.error', 'ack', 'nack'] },

  'human.input.request': { schema: human.humanInputRequest, direction: 'runtime', countable: true, handshake: false, answers: ['human.input.response', 'human.input.cancelled'], extension: OPT_IN.human },
  'human.input.response': { schema: human.humanInputResponse, direction: 'both', countable: true, handshake: false, answers: ['ack', 'nack'], extension: OPT_IN.human },
  'human.choice.request': { schema: human.humanChoiceRequest, direction: 'runtime', countable: true, handshake: false, answers: ['human.choice.response', 'human.input.cancelled'], extension: OPT_IN.human },
  'human.choice.response': { schema: human.humanChoiceResponse, direction: 'both', countable: true, handshake: false, answers: ['ack', 'nack'], extension: OPT_IN.human },
  'human.input.cancelled': { schema: human.humanInputCancelled, direction: 'both', countable: true, handshake: false, answers: ['ack', 'nack'], extension: OPT_IN.human },

  'permission.request': { schema: permissions.permissionRequest, direction: 'runtime', countable: true, handshake: false, answers: ['permission.grant', 'permission.deny'] },
  'permission.grant': { schema: permissions.permissionGrant, direction: 'both', countable: true, handshake: false, answers: ['lease.granted', 'ack', 'nack'] },
  'permission.deny': { schema: permissions.permissionDeny, direction: 'both', countable: true, handshake: false, answers: ['ack', 'nack'] },
  'lease.granted': { schema: permissions.leaseGranted, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'lease.refresh': { schema: permissions.leaseRefresh, direction: 'client', countable: false, handshake: false, answers: ['lease.extended', 'nack'] },
  'lease.extended': { schema: permissions.leaseExtended, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'lease.revoked': { schema: permissions.leaseRevoked, direction: 'both', countable: true, handshake: false, answers: [] },

  subscribe: { schema: subscriptions.subscribe, direction: 'client', countable: false, handshake: false, answers: ['subscribe.accepted', 'nack'] },
  'subscribe.accepted': { schema: subscriptions.subscribeAccepted, direction: 'runtime', countable: false, handshake: false, answers: [] },
  'subscribe.event': { schema: subscriptions.subscribeEvent, direction: 'runtime', countable: true, handshake: false, answers: [] },
  unsubscribe: { schema: subscriptions.unsubscribe, direction: 'both', countable: false, handshake: false, answers: ['subscribe.closed', 'nack'] },
  'subscribe.closed': { schema: subscriptions.subscribeClosed, direction: 'runtime', countable: true, handshake: false, answers: [] },

  'artifact.put': { schema: artifacts.artifactPut, direction: 'both', countable: false, handshake: false, answers: ['artifact.ref', 'nack'] },
  'artifact.fetch': { schema: artifacts.artifactFetch, direction: 'client', countable: false, handshake: false, answers: ['artifact.put', 'nack'] },
  'artifact.ref': { schema: artifacts.artifactRef, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'artifact.release': { schema: artifacts.artifactRelease, direction: 'client', countable: false, handshake: false, answers: ['ack', 'nack'] },

  'event.emit': { schema: telemetry.eventEmit, direction: 'both', countable: true, handshake: false, answers: [] },
  log: { schema: telemetry.log, direction: 'runtime', countable: true, handshake: false, answers: [] },
  metric: { schema: telemetry.metric, direction: 'runtime', countable: true, handshake: false, answers: [] },
  'trace.span': { schema: telemetry.traceSpan, direction: 'both', countable: true, handshake: false, answers: [] },
} as const satisfies Record<string, MessageRule>;

export type MessageType = keyof typeof MESSAGES;

/** The payload of a message in its one, canonical form. */
export type Payload<Type extends MessageType> = z.output<(typeof MESSAGES)[Type]['schema']>;

export const MESSAGE_TYPES = Object.keys(MESSAGES) as [MessageType, ...MessageType[]];

const RULES: ReadonlyMap<string, MessageRule> = new Map(Object.entries(MESSAGES));

/** The rule for a type as it came from the wire, if it is one of the language's. */
export function ruleFor(type: string): MessageRule | undefined {
  return RULES.get(type);
}

/** Whether `type` is in the message table. */
export function isMessageType(type: string): type is MessageType {
  return RULES.has(type);
}
