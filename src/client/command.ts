/** What the client writes: commands that wait for an answer, and frames as text. */
import { nanoid } from 'nanoid';
import {
  ID_PREFIXES,
  type AnyEnvelope,
  ArcpError,
  type Id,
  type JobId,
  type MessageId,
  type MessageType,
  type Payload,
  type SessionId,
} from '../protocol/index.js';

/** What an envelope means to a command that it answers. */
export type Answer<T> =
  | { readonly kind: 'resolved'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: ArcpError }
  | { readonly kind: 'unrelated' };

export interface Command<T, Type extends MessageType = MessageType> {
  readonly message: OutboundMessage<Type>;
  /**
   * How to repeat it on a resumed session when its answer did not come. `same-id` where the answer is a stored event
   * that the replay brings, if there was one (the runtime drops the repeat); `fresh-id` where the answer belonged to
   * the lost connection and doing it again is harmless.
   */
  readonly repeat: 'same-id' | 'fresh-id';
  /** Reads an envelope whose `correlation_id` is this command's id. A `nack` has been dealt with before. */
  readonly read: (envelope: AnyEnvelope, size: number) => Answer<T>;
  /** What a refusal means once the command was sent more than once, where that is no refusal: it may have been done. */
  readonly refusedRepeat?: (error: ArcpError) => Answer<T> | undefined;
}

export interface OutboundMessage<Type extends MessageType = MessageType> {
  readonly type: Type;
  readonly payload: Payload<Type>;
  readonly job_id?: JobId | undefined;
  readonly stream_id?: Id<'stream'> | undefined;
  readonly correlation_id?: MessageId | undefined;
  readonly trace_id?: string | undefined;
  readonly idempotency_key?: string | undefined;
  readonly priority?: 'low' | 'normal' | 'high' | 'critical' | undefined;
}

export function newMessageId(): MessageId {
  return `${ID_PREFIXES.message}_${nanoid()}`;
}

export function newStreamId(): Id<'stream'> {
  return `${ID_PREFIXES.stream}_${nanoid()}`;
}

/** A message as text, but for the fields that may differ when it is sent again. */
export type FrameBody = string & { readonly frameBody: unique symbol };

/** Throws an INVALID_ARGUMENT for what JSON cannot hold: cycles and bigints. */
export function encodeBody(message: OutboundMessage, now: number): FrameBody {
  const { type, payload, ...fields } = message;
  try {
    return JSON.stringify({ type, timestamp: new Date(now).toISOString(), ...fields, payload }) as FrameBody;
  } catch (cause) {
    throw new ArcpError('INVALID_ARGUMENT', `${type} cannot be written as JSON: ${String(cause)}`, { cause });
  }
}

export function encodeFrame(id: MessageId, session: SessionId | undefined, body: FrameBody): string {
  const place = session === undefined ? '' : `"session_id":${JSON.stringify(session)},`;
  return `{"arcp":"1.1","id":"${id}",${place}${body.slice(1)}`;
}

const utf8 = new TextEncoder();

/** Whether `text` is longer than `limit` bytes of UTF-8; counted only where its length leaves it open. */
export function exceedsBytes(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  return text.length * 3 > limit && utf8.encode(text).length > limit;
}
