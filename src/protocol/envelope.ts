/**
 * The envelope around every message (RFC 0001 §6.1), read and written.
 *
 * (E1) Nothing that arrives makes reading throw: it is an envelope, or a refusal that says what was wrong (L6).
 * (E2) The refusal carries the frame's id whenever that is one, so that it can be answered.
 * (E3) Fields that are not known are ignored, and so are unknown fields of payloads. `null` means absent.
 * (E4) A refusal names the place of a fault, and repeats no value but the type's name.
 */
import type { ErrorCode } from './errors.js';
import { classifyName } from './extensions.js';
import {
  isId,
  MAX_ID_LENGTH,
  type Id,
  type IdKind,
  type JobId,
  type MessageId,
  type SessionId,
} from './ids.js';
import { describeIssues, quote } from './issues.js';
import { ruleFor, type MessageType, type Payload } from './messages.js';
import { nestsDeeperThan } from './nesting.js';
import { PRIORITIES, type Priority } from './priority.js';
import { isJsonObject, type JsonObject } from './scalars.js';
import { isTimestamp } from './timestamp.js';

/** The version that we write. Any is read (decision 20). */
export const PROTOCOL_VERSION = '1.1';

export interface Envelope<Type extends MessageType = MessageType> {
  arcp: string;
  id: MessageId;
  type: Type;
  /** RFC 3339 with offset. */
  timestamp: string;
  payload: Payload<Type>;
  source?: string;
  target?: string;
  session_id?: SessionId;
  job_id?: JobId;
  stream_id?: Id<'stream'>;
  subscription_id?: Id<'subscription'>;
  trace_id?: string;
  span_id?: string;
  parent_span_id?: string;
  correlation_id?: MessageId;
  causation_id?: MessageId;
  idempotency_key?: string;
  priority?: Priority;
  extensions?: JsonObject;
  event_seq?: number;
}

/** Any envelope; narrows by `type`. */
export type AnyEnvelope = { [Type in MessageType]: Envelope<Type> }[MessageType];

export type Decoded =
  { readonly ok: true; readonly envelope: AnyEnvelope } | { readonly ok: false; readonly refusal: Refusal };

/** Why a frame is not taken, in the words of the `nack` that answers it. */
export interface Refusal {
  /** `extension`: a name of somebody's own that was not agreed on. */
  readonly kind: 'malformed' | 'unknown_type' | 'extension';
  readonly code: ErrorCode;
  readonly message: string;
  /** The frame's id, for correlation, where it has one. */
  readonly id: MessageId | undefined;
  readonly type?: string;
  /** Of the frame, where whoever read it says so. */
  readonly traceId?: string | undefined;
  /** Whether the sender asks that an extension which is not known be dropped in silence (RFC 0001 §21). */
  readonly optional: boolean;
}

export interface DecodeLimits {
  /** How deep arrays and objects may nest, the envelope included. Default 128. */
  readonly maxDepth?: number;
}

const DEFAULT_MAX_DEPTH = 128;

/** Reads one text frame. Never throws (E1). */
export function decodeFrame(text: string, limits: DecodeLimits = {}): Decoded {
  const maxDepth = limits.maxDepth ?? DEFAULT_MAX_DEPTH;
  if (nestsDeeperThan(text, maxDepth)) {
    return malformed(undefined, undefined, `the frame nests deeper than ${maxDepth} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed(undefined, undefined, 'the frame is not JSON');
  }
  return isJsonObject(value) ? take(value) : notAnObject();
}

/** Reads one envelope from JSON that is parsed already. Free values are shared with it, not copied. */
export function decodeEnvelope(value: unknown): Decoded {
  return isJsonObject(value) ? take({ ...value }) : notAnObject();
}

/** Turns `head` itself into the envelope. */
function take(head: Record<string, unknown>): Decoded {
  const { id, type } = head;
  if (!isMessageId(id)) return malformed(undefined, undefined, fault('id', id, HEAD_FIELDS.id[1]));
  if (!isName(type)) return malformed(id, undefined, fault('type', type, HEAD_FIELDS.type[1]));
  const rule = ruleFor(type);
  if (rule === undefined) return unknownType(id, type, head['extensions']);

  const wrong = faultOfHead(head);
  if (wrong !== undefined) return malformed(id, type, wrong);

  const read = rule.schema.safeParse(head['payload']);
  if (!read.success) return malformed(id, type, describeIssues(read.error.issues, head['payload']));
  head['payload'] = read.data;
  return { ok: true, envelope: head as unknown as AnyEnvelope };
}

/** What is wrong with the head, by field; `undefined` when nothing is. Removes what is not a field of it (E3). */
function faultOfHead(head: Record<string, unknown>): string | undefined {
  for (const name of REQUIRED_FIELDS) {
    if (head[name] === undefined) return fault(name, undefined, HEAD_FIELDS[name][1]);
  }
  for (const name in head) {
    const value = head[name];
    const field = FIELDS.get(name);
    if (field === undefined || (value === null && field.optional)) Reflect.deleteProperty(head, name);
    else if (!field.check(value)) return fault(name, value, field.expectation);
  }
  return undefined;
}

type Check = (value: unknown) => boolean;

function isMessageId(value: unknown): value is MessageId {
  return typeof value === 'string' && isId('message', value) && value.isWellFormed();
}

function idOf(kind: IdKind): Check {
  return (value) => typeof value === 'string' && isId(kind, value) && value.isWellFormed();
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed();
}

/** Free-form names are kept for as long as a session or a key is, so they have a limit (L7). */
function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH && value.isWellFormed();
}

function isPriority(value: unknown): boolean {
  return PRIORITIES.some((priority) => priority === value);
}

function isSequence(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const A_NAME = `expected a non-empty string of at most ${MAX_ID_LENGTH} characters, without lone surrogates`;
const A_TEXT = 'expected a string without lone surrogates';
const AN_ID = 'expected an id that begins with ';

/** Every field of an envelope: what it must be, in code and in words. */
const HEAD_FIELDS = {
  arcp: [isName, A_NAME],
  id: [isMessageId, `${AN_ID}msg_`],
  type: [isName, A_NAME],
  timestamp: [
    (value) => typeof value === 'string' && isTimestamp(value),
    'expected an RFC 3339 date-time with offset',
  ],
  payload: [isJsonObject, 'expected an object'],
  source: [isText, A_TEXT],
  target: [isText, A_TEXT],
  session_id: [idOf('session'), `${AN_ID}sess_`],
  job_id: [idOf('job'), `${AN_ID}job_`],
  stream_id: [idOf('stream'), `${AN_ID}str_`],
  subscription_id: [idOf('subscription'), `${AN_ID}sub_`],
  trace_id: [isName, A_NAME],
  span_id: [isName, A_NAME],
  parent_span_id: [isName, A_NAME],
  correlation_id: [isMessageId, `${AN_ID}msg_`],
  causation_id: [isMessageId, `${AN_ID}msg_`],
  idempotency_key: [isName, A_NAME],
  priority: [isPriority, `expected one of ${PRIORITIES.join(', ')}`],
  extensions: [isJsonObject, 'expected an object'],
  event_seq: [isSequence, 'expected an integer from 0 to 9007199254740991'],
} as const satisfies Record<keyof Envelope, readonly [Check, string]>;

const REQUIRED_FIELDS = ['arcp', 'timestamp', 'payload'] as const;

const FIELDS: ReadonlyMap<string, { check: Check; expectation: string; optional: boolean }> = new Map(
  Object.entries(HEAD_FIELDS).map(([name, [check, expectation]]) => [
    name,
    { check, expectation, optional: !REQUIRED_FIELDS.some((required) => required === name) },
  ]),
);

function fault(field: string, value: unknown, expectation: string): string {
  return `${field}: ${value === undefined ? 'missing, ' : ''}${expectation}`;
}

function notAnObject(): Decoded {
  return malformed(undefined, undefined, 'the frame is not a JSON object');
}

function malformed(id: MessageId | undefined, type: string | undefined, message: string): Decoded {
  const refusal: Refusal = { kind: 'malformed', code: 'INVALID_ARGUMENT', message, id, optional: false };
  return { ok: false, refusal: type === undefined ? refusal : { ...refusal, type } };
}

function unknownType(id: MessageId, name: string, extensions: unknown): Decoded {
  const isExtension = classifyName(name) === 'extension';
  const optional = isExtension && isJsonObject(extensions) && extensions['optional'] === true;
  const message = isExtension
    ? `type: the extension ${quote(name)} was not agreed on`
    : `type: ${quote(name)} is not known`;
  const kind = isExtension ? 'extension' : 'unknown_type';
  return {
    ok: false,
    refusal: { kind, code: 'UNIMPLEMENTED', message, id, type: name, optional },
  };
}

/** One envelope as text. The priority `normal` is what a missing one means, and is left out. */
export function encodeEnvelope(envelope: AnyEnvelope): string {
  if (envelope.priority !== 'normal') return JSON.stringify(envelope);
  const { priority: _, ...rest } = envelope;
  return JSON.stringify(rest);
}
