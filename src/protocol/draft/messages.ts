/**
 * THE message table of the draft: every type with its payload, who sends it, whether it is numbered, and what answers it.
 * Types, routing and checks derive from it (draft-1.1 §6, §7; D02, the draft's version 1.0, for what 1.1 leaves out).
 *
 * (M1) `event_seq` stands on numbered messages and on no other (draft-1.1 §8.3).
 * (M2) A command that is refused is answered with `session.error`, a `job.submit` with `job.error`, whether or not its
 *      payload could be read: peers end all that they wait for at a `session.error`, which is no answer to a submission.
 */
import type * as z from 'zod';
import type { DraftFeature } from './features.js';
import { jobEvent } from './event-kinds.js';
import * as job from './job-payloads.js';
import * as session from './session-payloads.js';

export interface DraftMessageRule {
  readonly schema: z.ZodType;
  readonly direction: 'client' | 'runtime' | 'both';
  readonly numbered: boolean;
  /** Whether it may be sent before the session is welcomed. */
  readonly handshake: boolean;
  /** Whether the envelope names the job that it is about. */
  readonly ofJob: boolean;
  /** The types that may answer it, beside the answer to a refused command. */
  readonly answers: readonly string[];
  /** What both sides must have agreed on. */
  readonly feature?: DraftFeature;
}

// prettier-ignore
export const DRAFT_MESSAGES = {
  'session.hello': { schema: session.sessionHello, direction: 'client', numbered: false, handshake: true, ofJob: false, answers: ['session.welcome'] },
  'session.welcome': { schema: session.sessionWelcome, direction: 'runtime', numbered: false, handshake: true, ofJob: false, answers: [] },
  'session.resume': { schema: session.sessionResume, direction: 'client', numbered: false, handshake: true, ofJob: false, answers: ['session.welcome'] },
  'session.error': { schema: session.sessionError, direction: 'runtime', numbered: false, handshake: true, ofJob: false, answers: [] },
  'session.ping': { schema: session.sessionPing, direction: 'both', numbered: false, handshake: false, ofJob: false, answers: ['session.pong'] },
  'session.pong': { schema: session.sessionPong, direction: 'both', numbered: false, handshake: false, ofJob: false, answers: [] },
  'session.ack': { schema: session.sessionAck, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: [] },
  'session.list_jobs': { schema: session.sessionListJobs, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: ['session.jobs'], feature: 'list_jobs' },
  'session.jobs': { schema: session.sessionJobs, direction: 'runtime', numbered: false, handshake: false, ofJob: false, answers: [] },
  'session.close': { schema: session.sessionClose, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: ['session.closed'] },
  'session.closed': { schema: session.sessionClosed, direction: 'runtime', numbered: false, handshake: false, ofJob: false, answers: [] },
  'session.bye': { schema: session.sessionBye, direction: 'both', numbered: false, handshake: false, ofJob: false, answers: [] },

  'job.submit': { schema: job.jobSubmit, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: ['job.accepted', 'job.error'] },
  'job.accepted': { schema: job.jobAccepted, direction: 'runtime', numbered: false, handshake: false, ofJob: true, answers: [] },
  'job.cancel': { schema: job.jobCancel, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: ['job.cancelled'] },
  'job.cancelled': { schema: job.jobCancelled, direction: 'runtime', numbered: false, handshake: false, ofJob: true, answers: [] },
  'job.event': { schema: jobEvent, direction: 'runtime', numbered: true, handshake: false, ofJob: true, answers: [] },
  'job.result': { schema: job.jobResult, direction: 'runtime', numbered: true, handshake: false, ofJob: true, answers: [] },
  'job.error': { schema: job.jobError, direction: 'runtime', numbered: true, handshake: false, ofJob: true, answers: [] },
  'job.subscribe': { schema: job.jobSubscribe, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: ['job.subscribed'], feature: 'subscribe' },
  'job.subscribed': { schema: job.jobSubscribed, direction: 'runtime', numbered: false, handshake: false, ofJob: true, answers: [] },
  'job.unsubscribe': { schema: job.jobUnsubscribe, direction: 'client', numbered: false, handshake: false, ofJob: false, answers: [], feature: 'subscribe' },
} as const satisfies Record<string, DraftMessageRule>;

export type DraftMessageType = keyof typeof DRAFT_MESSAGES;

/** The payload of a message, as it is read. */
export type DraftPayload<Type extends DraftMessageType> = z.output<(typeof DRAFT_MESSAGES)[Type]['schema']>;

export const DRAFT_MESSAGE_TYPES = Object.keys(DRAFT_MESSAGES) as [DraftMessageType, ...DraftMessageType[]];

const RULES: ReadonlyMap<string, DraftMessageRule> = new Map(Object.entries(DRAFT_MESSAGES));

/** The rule for a type as it came from the wire, if it is one of the draft's. */
export function draftRuleFor(type: string): DraftMessageRule | undefined {
  return RULES.get(type);
}
