/** A question that a job asks of people, and the ways to answer it (RFC 0001 §12, §15.4). */
import { ArcpError, type Envelope, type JobId, type MessageId, type Payload } from '../protocol/index.js';
import type { OutboundMessage } from './command.js';

export type QuestionRequest = {
  [Type in 'human.input.request' | 'human.choice.request' | 'permission.request']: {
    readonly type: Type;
    readonly payload: Payload<Type>;
  };
}['human.input.request' | 'human.choice.request' | 'permission.request'];

const ANSWER_TYPES = [
  'human.input.response',
  'human.choice.response',
  'human.input.cancelled',
  'permission.grant',
  'permission.deny',
] as const;

type AnswerType = (typeof ANSWER_TYPES)[number];

/** The event that ended a question: an answer of whatever kind, or its withdrawal. */
export type QuestionEnd = { [Type in AnswerType]: Envelope<Type> }[AnswerType];

/** Sends an answer, and resolves when the runtime has taken it. */
export type SendAnswer = (message: OutboundMessage<AnswerType>) => Promise<void>;

/**
 * One open question. Each way to answer it rejects with INVALID_ARGUMENT where the answer does not fit (the question
 * stays open), with FAILED_PRECONDITION where it is no longer open, because somebody was first or its time ran out, and
 * with NOT_FOUND or PERMISSION_DENIED. Who was cut off while answering may find that they were first themselves.
 */
export class Question {
  /** The id of the message that asks. */
  readonly id: MessageId;
  readonly jobId: JobId;
  /** As it was asked: `type` says what kind it is. */
  readonly request: QuestionRequest;
  /** Resolves with how it ended, where this client is told of the job's events. */
  readonly ended: Promise<QuestionEnd>;
  readonly #send: SendAnswer;
  readonly #clock: { now(): number };
  #end: (end: QuestionEnd) => void = () => undefined;

  /** @internal */
  constructor(
    id: MessageId,
    jobId: JobId,
    request: QuestionRequest,
    send: SendAnswer,
    clock: { now(): number },
  ) {
    this.id = id;
    this.jobId = jobId;
    this.request = request;
    this.#send = send;
    this.#clock = clock;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** What it asks, in words for a person. */
  get prompt(): string {
    if (this.request.type !== 'permission.request') return this.request.payload.prompt;
    const { permission, resource, operation, reason } = this.request.payload;
    const what = [permission, operation, resource].filter((word) => word !== '').join(' ');
    return reason === undefined ? `May it? ${what}` : `May it? ${what} (${reason})`;
  }

  /** Until when it is open, RFC 3339. */
  get expiresAt(): string | undefined {
    return this.request.payload.expires_at;
  }

  /** Answers with a value, which must satisfy `request.payload.response_schema`. */
  answer(value: unknown): Promise<void> {
    if (this.request.type !== 'human.input.request') return this.#wrong('a value');
    return this.#post('human.input.response', { value, ...this.#by() });
  }

  /** Chooses one of `request.payload.options` by its id. */
  choose(id: string): Promise<void> {
    if (this.request.type !== 'human.choice.request') return this.#wrong('a choice');
    return this.#post('human.choice.response', { choice_id: id, ...this.#by() });
  }

  /** Says that nobody will answer: the agent gets CANCELLED, or `PERMISSION_DENIED`. */
  decline(reason = 'somebody chose not to answer'): Promise<void> {
    if (this.request.type === 'permission.request') return this.deny(reason);
    return this.#post('human.input.cancelled', { code: 'CANCELLED', message: reason });
  }

  /** Grants what is asked for: for `leaseSeconds`, or as long as was asked. */
  grant({ leaseSeconds }: { readonly leaseSeconds?: number } = {}): Promise<void> {
    if (this.request.type !== 'permission.request') return this.#wrong('a grant');
    const { permission, resource, operation, requested_lease_seconds } = this.request.payload;
    const lease_seconds = leaseSeconds ?? requested_lease_seconds;
    return this.#post('permission.grant', { permission, resource, operation, lease_seconds });
  }

  /** Denies it: the agent gets PERMISSION_DENIED with the reason. */
  deny(reason = 'denied'): Promise<void> {
    if (this.request.type !== 'permission.request') return this.#wrong('a denial');
    const { permission, resource, operation } = this.request.payload;
    return this.#post('permission.deny', { permission, resource, operation, reason });
  }

  /** @internal */
  end(end: QuestionEnd): void {
    this.#end(end);
  }

  #by(): { responded_by: string; responded_at: string } {
    return { responded_by: 'client', responded_at: new Date(this.#clock.now()).toISOString() };
  }

  #post<Type extends AnswerType>(type: Type, payload: Payload<Type>): Promise<void> {
    return this.#send({ type, payload, correlation_id: this.id, job_id: this.jobId });
  }

  #wrong(what: string): Promise<never> {
    return Promise.reject(
      new ArcpError('INVALID_ARGUMENT', `${what} does not answer a ${this.request.type}`),
    );
  }
}

const REQUEST_TYPES: ReadonlySet<string> = new Set<QuestionRequest['type']>([
  'human.input.request',
  'human.choice.request',
  'permission.request',
]);

const ENDS: ReadonlySet<string> = new Set<AnswerType>(ANSWER_TYPES);

export function isRequest(envelope: {
  readonly type: string;
}): envelope is Envelope<QuestionRequest['type']> {
  return REQUEST_TYPES.has(envelope.type);
}

export function isQuestionEnd(envelope: { readonly type: string }): envelope is QuestionEnd {
  return ENDS.has(envelope.type);
}
