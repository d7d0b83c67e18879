/**
 * What a job asks of people, and what comes of it. Both are events of the job (law L1): a request, and the first event
 * after it that answers it under its id. The names are those of the wire (RFC 0001 §12, §15.4).
 */
import { ArcpError, isErrorCode } from '../../protocol/errors.js';
import type { MessageId } from '../../protocol/ids.js';
import type { Payload } from '../../protocol/messages.js';
import { parseTimestamp } from '../../protocol/timestamp.js';
import type { StoredRecord } from '../../store/store.js';

export type RequestType = 'human.input.request' | 'human.choice.request' | 'permission.request';
export type AnswerType =
  | 'human.input.response'
  | 'human.choice.response'
  | 'human.input.cancelled'
  | 'permission.grant'
  | 'permission.deny';

export type Request = {
  [Type in RequestType]: { readonly type: Type; readonly payload: Payload<Type> };
}[RequestType];
export type Answer = {
  [Type in AnswerType]: { readonly type: Type; readonly payload: Payload<Type> };
}[AnswerType];

/** A question as the log tells it. */
export interface RecordedQuestion {
  readonly id: MessageId;
  readonly request: Request;
  answer: Answer | undefined;
}

/** Who answers a question when nobody does in time. */
export const BY_DEFAULT = 'default';

const REQUESTS: ReadonlySet<string> = new Set<RequestType>([
  'human.input.request',
  'human.choice.request',
  'permission.request',
]);
const ANSWERS: ReadonlySet<string> = new Set<AnswerType>([
  'human.input.response',
  'human.choice.response',
  'human.input.cancelled',
  'permission.grant',
  'permission.deny',
]);

/** Gathers the questions of one job from its records. */
export class QuestionFold {
  readonly #questions = new Map<string, RecordedQuestion>();

  note({ type, body }: Pick<StoredRecord, 'type' | 'body'>): void {
    const isRequest = REQUESTS.has(type);
    if (!isRequest && !ANSWERS.has(type)) return;
    const envelope = JSON.parse(`{${body}`) as {
      readonly id: MessageId;
      readonly payload: never;
      readonly correlation_id?: string;
    };
    if (isRequest) {
      const { id, payload } = envelope;
      const request = { type: type as RequestType, payload } as Request;
      this.#questions.set(id, { id, request, answer: undefined });
      return;
    }
    const question = this.#questions.get(envelope.correlation_id ?? '');
    if (question !== undefined) {
      question.answer ??= { type: type as AnswerType, payload: envelope.payload } as Answer;
    }
  }

  /** In the order in which they were asked. */
  get questions(): readonly RecordedQuestion[] {
    return [...this.#questions.values()];
  }
}

/** Whether the question comes from an `interrupt`. One that an agent asks has a key. */
export function isInterrupt({ payload }: Request): boolean {
  return payload.key === undefined;
}

/** When the question is no longer open, in milliseconds since 1970. */
export function expiryOf({ payload }: Request): number {
  return payload.expires_at === undefined ? Infinity : (parseTimestamp(payload.expires_at) ?? Infinity);
}

/** What answers a question that ends without anybody's answer: its withdrawal, as `why` says. */
export function withdrawal({ type, payload }: Request, why: ArcpError): Answer {
  const { code, message } = why;
  if (type !== 'permission.request') return { type: 'human.input.cancelled', payload: why.toPayload() };
  const { permission, resource, operation } = payload;
  return { type: 'permission.deny', payload: { permission, resource, operation, reason: message, code } };
}

/** What answers a question by its own default, where it has one. */
export function defaultAnswer({ type, payload }: Request, at: string): Answer | undefined {
  const by = { responded_by: BY_DEFAULT, responded_at: at };
  if (type === 'human.input.request' && payload.default !== undefined) {
    return { type: 'human.input.response', payload: { value: payload.default, ...by } };
  }
  if (type === 'human.choice.request' && payload.default !== undefined) {
    return { type: 'human.choice.response', payload: { choice_id: payload.default, ...by } };
  }
  return undefined;
}

/** Why a question was not answered, as an error for the agent; nothing where it was. */
export function refusalIn(answer: Answer): ArcpError | undefined {
  switch (answer.type) {
    case 'human.input.cancelled':
      return ArcpError.fromPayload(answer.payload);
    case 'permission.deny': {
      const { code = 'PERMISSION_DENIED', reason, ...details } = answer.payload;
      return new ArcpError(isErrorCode(code) ? code : 'PERMISSION_DENIED', reason, { details });
    }
    default:
      return undefined;
  }
}
