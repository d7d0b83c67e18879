/**
 * The first frames of a connection: what to say, and what the runtime's frames mean until there is a session
 * (RFC 0001 §8.1; `session.resume` of the Rust SDK, decision 12). Knows no timer and no socket; outcomes are values.
 */
import {
  ArcpError,
  type AnyEnvelope,
  type Capabilities,
  type Envelope,
  type Payload,
} from '../protocol/index.js';
import { encodeBody, encodeFrame, newMessageId, type OutboundMessage } from './command.js';

export interface Credentials {
  readonly token: string | undefined;
  readonly client: Payload<'session.open'>['client'];
  readonly capabilities: Capabilities;
}

export interface ResumePoint {
  readonly token: string;
  readonly lastEventSeq: number;
}

export type HandshakeStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'challenged'; readonly challenge: Payload<'session.challenge'> }
  | { readonly kind: 'opened'; readonly accepted: Envelope<'session.accepted'> }
  | { readonly kind: 'resumed'; readonly resumed: Envelope<'session.resumed'> }
  /** The session is gone for good; a new one may be opened. */
  | { readonly kind: 'unresumable'; readonly error: ArcpError }
  | { readonly kind: 'refused'; readonly error: ArcpError };

/** The first frame: `session.resume` where there is something to resume, else `session.open`. */
export function firstMessage(credentials: Credentials, resume: ResumePoint | undefined): OutboundMessage {
  if (resume !== undefined) {
    return {
      type: 'session.resume',
      payload: { resume_token: resume.token, last_event_seq: resume.lastEventSeq },
    };
  }
  const { token, client, capabilities } = credentials;
  return {
    type: 'session.open',
    payload: {
      auth: token === undefined ? { scheme: 'none' } : { scheme: 'bearer', token },
      client,
      capabilities,
    },
  };
}

export function frameOf(message: OutboundMessage, now: number): string {
  return encodeFrame(newMessageId(), undefined, encodeBody(message, now));
}

/** What a frame means before there is a session. */
export function readHandshake(envelope: AnyEnvelope, resuming: boolean): HandshakeStep {
  const { type } = envelope;
  if (type === 'session.accepted') {
    return resuming ? unexpected(envelope) : { kind: 'opened', accepted: envelope };
  }
  if (type === 'session.resumed') {
    return resuming ? { kind: 'resumed', resumed: envelope } : unexpected(envelope);
  }
  if (type === 'session.challenge') return { kind: 'challenged', challenge: envelope.payload };
  if (type === 'session.rejected' || type === 'session.unauthenticated' || type === 'nack') {
    const error = ArcpError.fromPayload(envelope.payload);
    return resuming && !error.retryable ? { kind: 'unresumable', error } : { kind: 'refused', error };
  }
  return { kind: 'nothing' };
}

function unexpected({ type }: AnyEnvelope): HandshakeStep {
  return {
    kind: 'refused',
    error: new ArcpError('FAILED_PRECONDITION', `the runtime answered with ${type}, which was not asked for`),
  };
}
