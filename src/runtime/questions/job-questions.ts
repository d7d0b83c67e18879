/**
 * The questions of one job: what its agent asks of people, and what people interrupt it for.
 *
 * (Q1) A question ends once: by the first valid answer, by its expiry, by a withdrawal, or with its job. Whatever comes
 *      later is refused. The one table of what is open is this one.
 * (Q2) Question and answer are events; nobody, the agent included, sees an answer before the store has it (L2).
 * (Q3) The job is blocked while somebody is waited for, and running again when nobody is (RFC 0001 §10.5, §12).
 * (Q4) An agent that is started again and asks what it asked before gets the answer that was given, or waits on under
 *      the same id: by the key that it gave, else by the order of its questions. If what it asks has changed, the old
 *      question is withdrawn.
 * (Q5) What nobody present could answer fails at once (decision 17).
 */
import type { Guidance } from '../../agents/questions.js';
import type { Timer } from '../../clock.js';
import { ArcpError } from '../../protocol/errors.js';
import type { MessageId } from '../../protocol/ids.js';
import type { MessageType } from '../../protocol/messages.js';
import { jsonText } from '../agent-output.js';
import type { EngineContext } from '../engine-context.js';
import type { EnvelopeFields, EventObserver, LogEvent } from '../event-log.js';
import type { Job } from '../job.js';
import { AnswerCheck } from './answer-check.js';
import { restoreElevation } from './permissions.js';
import {
  defaultAnswer,
  expiryOf,
  isInterrupt,
  refusalIn,
  withdrawal,
  type Answer,
  type RecordedQuestion,
  type Request,
} from './question.js';

/** The job that asks. */
export interface Asker {
  readonly job: Job;
  say(type: MessageType, text: string, maxBytes: number, fields: EnvelopeFields): LogEvent;
  /** It waits for a person. */
  block(): void;
  /** It no longer does. */
  goOn(): void;
}

type Phase =
  | { readonly kind: 'open'; readonly expiry: Timer; readonly check: AnswerCheck }
  /** The answer is appended, but the store has yet to take it. */
  | { readonly kind: 'settling'; readonly answer: Answer; readonly told: (error?: ArcpError) => void }
  | { readonly kind: 'settled'; readonly answer: Answer };

interface Question {
  readonly id: MessageId;
  readonly request: Request;
  /** Its place in the job's log. */
  readonly seq: number;
  phase: Phase;
  /** Whether the job is blocked for it. */
  blocks: boolean;
  readonly waiting: Waiting[];
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ArcpError) => void;
}

/** An open question as it is listed. */
export interface OpenQuestion {
  readonly id: MessageId;
  readonly request: Request;
}

/** Who cannot read `human.*` gets them in an `event.emit`, two levels deeper. */
const ENVELOPE_LEVELS = 3;

export class JobQuestions implements EventObserver {
  readonly #asker: Asker;
  readonly #context: EngineContext;
  readonly #all = new Map<string, Question>();
  readonly #byKey = new Map<string, Question>();
  readonly #open = new Set<Question>();
  /** By the id of the event that settles them. */
  readonly #settling = new Map<string, Question>();
  /** Questions without a key that this attempt has asked. */
  #asked = 0;
  #blockedFor = 0;
  /** The interrupt that is not settled. */
  #interrupt: Question | undefined;
  /** Who is told when the question that they caused is committed. */
  readonly #showing = new Map<string, (error?: ArcpError) => void>();
  #guidance: Guidance[] = [];

  constructor(asker: Asker, context: EngineContext) {
    this.#asker = asker;
    this.#context = context;
    asker.job.log.observe(this);
  }

  /** Takes up what was asked and answered in an earlier life. */
  restore(recorded: readonly RecordedQuestion[]): void {
    for (const { id, request, answer } of recorded) {
      const phase: Phase = answer === undefined ? this.#opened(id, request) : { kind: 'settled', answer };
      const seq = Number(id.slice(id.lastIndexOf('.') + 1));
      const question: Question = { id, request, seq, phase, blocks: false, waiting: [] };
      this.#add(question);
      if (answer === undefined) continue;
      this.#guide(request, answer);
      if (answer.type === 'permission.grant') restoreElevation(this.#asker.job, answer.payload);
    }
  }

  /** An attempt at the job begins. What people interrupted the last one for, they are still asked. */
  started(): void {
    if (this.#interrupt !== undefined) this.#block(this.#interrupt);
  }

  /** Those that can be answered now. */
  *open(): Generator<OpenQuestion> {
    for (const question of this.#open) if (this.#isShown(question)) yield question;
  }

  get hasOpen(): boolean {
    return this.#open.size > 0;
  }

  /**
   * Asks, and resolves with the answer or rejects with why there is none. The request's payload has no key.
   * Throws what is wrong with the question; `refuseNew` is called before it is put for the first time.
   */
  ask(request: Request, key?: string, refuseNew: () => void = () => undefined): Promise<Answer> {
    const name = key ?? `#${(this.#asked += 1)}`;
    const keyed = { ...request, payload: { ...request.payload, key: name } } as Request;
    const known = this.#byKey.get(name);
    if (known !== undefined && whatIsAsked(known.request) === whatIsAsked(keyed)) return this.#wait(known);
    if (known?.phase.kind === 'open') {
      this.#withdraw(known, new ArcpError('ABORTED', 'the agent asks something else now'));
    }
    refuseNew();
    return this.#wait(this.#put(keyed));
  }

  /** Pauses the job for somebody who has something to say. Throws FAILED_PRECONDITION when it is paused already. */
  interrupt(request: Request, interruptId: MessageId, shown: (error?: ArcpError) => void): void {
    if (this.#interrupt !== undefined) {
      throw new ArcpError('FAILED_PRECONDITION', `job ${this.#asker.job.id} is interrupted already`);
    }
    const question = this.#put(request, interruptId);
    this.#block(question);
    this.#showing.set(question.id, shown);
  }

  /** Resolves when nobody holds the job by an interrupt; nothing where nobody does. */
  get interruption(): Promise<void> | undefined {
    const { waiting } = this.#interrupt ?? {};
    if (waiting === undefined) return undefined;
    return new Promise((resolve, reject) => {
      waiting.push({ resolve: () => resolve(), reject });
    });
  }

  /** What was said to interrupts since this was last asked. */
  takeGuidance(): readonly Guidance[] {
    const said = this.#guidance;
    this.#guidance = [];
    return said;
  }

  /** The question with this id. Throws NOT_FOUND, or FAILED_PRECONDITION where it is no longer open (Q1). */
  find(id: string): OpenQuestion {
    const question = this.#all.get(id);
    if (question === undefined || !this.#isShown(question)) throw noSuchQuestion();
    if (question.phase.kind !== 'open')
      throw new ArcpError('FAILED_PRECONDITION', whyClosed(question.phase.answer));
    return question;
  }

  /** The request that such an answer would settle. Throws like `find` and `answer`, and changes nothing. */
  checked(id: string, answer: Answer): Request {
    return this.#openFor(id, answer).request;
  }

  /**
   * Takes an answer, and tells when the store has it. Throws INVALID_ARGUMENT where it does not fit: the question stays
   * open then.
   */
  answer(id: string, answer: Answer, cause: MessageId, told: (error?: ArcpError) => void): void {
    this.#settle(this.#openFor(id, answer), answer, told, cause);
  }

  #openFor(id: string, answer: Answer): Question {
    const question = this.#all.get(this.find(id).id);
    if (question?.phase.kind !== 'open') throw noSuchQuestion();
    question.phase.check.check(answer);
    return question;
  }

  /** Nobody waits any more: withdraws what is open. The job goes on to its end. */
  close(why: ArcpError): void {
    for (const question of [...this.#open]) this.#withdraw(question, why);
  }

  /** The store lost what was not committed: what nobody has seen was not asked or answered (L2). */
  lost(why: ArcpError): void {
    for (const question of this.#all.values()) {
      const { phase } = question;
      if (phase.kind === 'settled' || (phase.kind === 'open' && this.#isShown(question))) continue;
      if (phase.kind === 'open') phase.expiry.cancel();
      else phase.told(why);
      question.phase = { kind: 'settled', answer: withdrawal(question.request, why) };
      this.#open.delete(question);
      this.#over(question);
      reject(question, why);
    }
    this.#settling.clear();
    this.#tellShowing(why);
  }

  #tellShowing(why: ArcpError): void {
    for (const shown of this.#showing.values()) shown(why);
    this.#showing.clear();
  }

  /** Lets go of everything without another event: what is open stays so for the next life. */
  drop(why: ArcpError): void {
    for (const question of this.#all.values()) {
      if (question.phase.kind === 'open') question.phase.expiry.cancel();
      if (question.phase.kind === 'settling') question.phase.told(why);
      reject(question, why);
    }
    this.#tellShowing(why);
    this.#open.clear();
    this.#settling.clear();
  }

  onEvent(event: LogEvent): void {
    this.#showing.get(event.id)?.();
    this.#showing.delete(event.id);
    const question = this.#settling.get(event.id);
    if (question?.phase.kind !== 'settling') return;
    this.#settling.delete(event.id);
    const { answer, told } = question.phase;
    question.phase = { kind: 'settled', answer };
    this.#over(question);
    this.#guide(question.request, answer);
    told();
    for (const { resolve } of question.waiting.splice(0)) resolve(answer);
  }

  #over(question: Question): void {
    if (this.#interrupt === question) this.#interrupt = undefined;
  }

  /** (L2) */
  #isShown({ seq }: Question): boolean {
    return seq <= this.#asker.job.log.committedSeq;
  }

  #add(question: Question): void {
    this.#all.set(question.id, question);
    const { key } = question.request.payload;
    if (key !== undefined) this.#byKey.set(key, question);
    if (question.phase.kind !== 'open') return;
    this.#open.add(question);
    if (key === undefined) this.#interrupt = question;
  }

  #put(request: Request, interruptId?: MessageId): Question {
    const { limits } = this.#context;
    const { job } = this.#asker;
    if (this.#open.size >= limits.maxOpenQuestionsPerJob || this.#all.size >= limits.maxQuestionsPerJob) {
      const message = `job ${job.id} has asked ${this.#all.size} questions, of which ${this.#open.size} are open`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
    const check = new AnswerCheck(request, limits);
    check.question();
    const standsIn = defaultAnswer(request, this.#context.timestamps.now());
    if (standsIn !== undefined) check.check(standsIn);
    else if (!this.#context.mayBeAnswered(job, request.type)) {
      throw new ArcpError(
        'FAILED_PRECONDITION',
        'nobody who is connected for this job can answer a question',
      );
    }
    const { type, payload } = request;
    const text = jsonText(payload, limits.maxNesting - ENVELOPE_LEVELS);
    const fields = {
      ...this.#fields(job.origin.correlationId, interruptId ?? job.origin.causationId),
      ...(type === 'permission.request' ? { priority: 'critical' } : {}),
    };
    const { id, seq } = this.#asker.say(type, text, limits.maxQuestionBytes, fields);
    const kept = { type, payload: JSON.parse(text) as unknown } as Request;
    const phase = this.#opened(id, kept, check);
    const question: Question = { id, request: kept, seq, phase, blocks: false, waiting: [] };
    this.#add(question);
    return question;
  }

  #opened(id: string, request: Request, check = new AnswerCheck(request, this.#context.limits)): Phase {
    const { clock } = this.#context;
    const expiry = clock.timer(expiryOf(request) - clock.now(), () => {
      const question = this.#all.get(id);
      if (question?.phase.kind === 'open') this.#expire(question);
    });
    return { kind: 'open', expiry, check };
  }

  #wait(question: Question): Promise<Answer> {
    const { phase } = question;
    const answered = new Promise<Answer>((resolve, reject) => {
      if (phase.kind === 'settled') resolve(phase.answer);
      else question.waiting.push({ resolve, reject });
    }).then((answer) => {
      const refusal = refusalIn(answer);
      if (refusal !== undefined) throw refusal;
      return answer;
    });
    if (phase.kind === 'open') this.#block(question);
    return answered;
  }

  #expire(question: Question): void {
    const answer =
      defaultAnswer(question.request, this.#context.timestamps.now()) ??
      withdrawal(question.request, new ArcpError('DEADLINE_EXCEEDED', 'nobody answered in time'));
    this.#settle(question, answer);
  }

  #withdraw(question: Question, why: ArcpError): void {
    this.#settle(question, withdrawal(question.request, why));
  }

  #settle(
    question: Question,
    answer: Answer,
    told: (error?: ArcpError) => void = () => undefined,
    cause?: MessageId,
  ): void {
    if (question.phase.kind !== 'open') return;
    question.phase.expiry.cancel();
    question.phase = { kind: 'settling', answer, told };
    this.#open.delete(question);
    const { job } = this.#asker;
    const fields = this.#fields(question.id, cause);
    const { id } = job.emitText(answer.type, JSON.stringify(answer.payload), undefined, fields);
    this.#settling.set(id, question);
    if (answer.type === 'human.input.response' || answer.type === 'human.choice.response') {
      // Whoever else was asked need not look any more (RFC 0001 §12.3).
      const over = { code: 'OK', message: `answered by ${answer.payload.responded_by}` };
      job.emitText('human.input.cancelled', JSON.stringify(over), undefined, fields);
    }
    this.#unblock(question);
  }

  #fields(correlation: string | undefined, causation: string | undefined): EnvelopeFields {
    return fieldsOf(this.#asker.job, correlation, causation);
  }

  #guide(request: Request, answer: Answer): void {
    if (!isInterrupt(request) || request.type !== 'human.input.request') return;
    if (answer.type !== 'human.input.response') return;
    this.#guidance.push({ prompt: request.payload.prompt, value: answer.payload.value });
  }

  /** (Q3) */
  #block(question: Question): void {
    if (question.blocks) return;
    question.blocks = true;
    this.#blockedFor += 1;
    if (this.#blockedFor === 1) this.#asker.block();
  }

  #unblock(question: Question): void {
    if (!question.blocks) return;
    question.blocks = false;
    this.#blockedFor -= 1;
    if (this.#blockedFor === 0) this.#asker.goOn();
  }
}

/** Withdraws what an earlier life left open of a job that ends. */
export function withdrawOpen(job: Job, recorded: readonly RecordedQuestion[], why: ArcpError): void {
  for (const { id, request, answer } of recorded) {
    if (answer !== undefined) continue;
    const { type, payload } = withdrawal(request, why);
    job.emitText(type, JSON.stringify(payload), undefined, fieldsOf(job, id, undefined));
  }
}

/** Answers correlate to the question, and are caused by the message that brought them. */
export function fieldsOf(
  { origin: { id, traceId } }: Job,
  correlation: string | undefined,
  causation: string | undefined,
): EnvelopeFields {
  return { job_id: id, trace_id: traceId, correlation_id: correlation, causation_id: causation };
}

/** What makes two questions the same (Q4): everything but the time. */
function whatIsAsked({ type, payload }: Request): string {
  return JSON.stringify([type, { ...payload, expires_at: undefined }]);
}

function whyClosed(answer: Answer): string {
  const refusal = refusalIn(answer);
  return refusal === undefined
    ? 'the question was answered already'
    : `the question is no longer open: ${refusal.message}`;
}

function noSuchQuestion(): ArcpError {
  return new ArcpError('NOT_FOUND', 'there is no such question');
}

function reject({ waiting }: Question, why: ArcpError): void {
  for (const { reject: refuse } of waiting.splice(0)) refuse(why);
}
