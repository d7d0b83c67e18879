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

/** A bearer token, or where to get the one that counts now. */
export type TokenSource = string | (() => string | Promise<string>);

export interface Credentials {
  readonly token: TokenSource | undefined;
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

/** Asks for a new session, as the principal of this token or anonymously. */
export function openMessage(
  { client, capabilities }: Credentials,
  token: string | undefined,
  nonce?: string,
): OutboundMessage {
  return { type: 'session.open', payload: { auth: authOf(token), client, capabilities, nonce } };
}

/** Asks to go on with a session; `token` is for a runtime that has asked for one, and for no other. */
export function resumeMessage(
  { token: resume_token, lastEventSeq }: ResumePoint,
  token?: string,
  nonce?: string,
): OutboundMessage {
  const payload = { resume_token, last_event_seq: lastEventSeq, nonce };
  return {
    type: 'session.resume',
    payload: token === undefined ? payload : { ...payload, auth: authOf(token) },
  };
}

function authOf(token: string | undefined): Payload<'session.open'>['auth'] {
  return token === undefined ? { scheme: 'none' } : { scheme: 'bearer', token };
}

/** Rejects with UNAUTHENTICATED where the source has no token to give, or with the `ArcpError` that it threw. */
export async function currentToken(source: TokenSource): Promise<string> {
  if (typeof source === 'string') return source;
  try {
    return await source();
  } catch (cause) {
    if (cause instanceof ArcpError) throw cause;
    throw new ArcpError('UNAUTHENTICATED', 'there is no token to show', { cause });
  }
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
