/**
 * The questions that this client has been told of and that are still open.
 *
 * (O1) A question is told once, and forgotten with its answer or with its job.
 */
import type { JobId } from '../protocol/index.js';
import { isTerminal, type JobEvent } from '../protocol/job-event.js';
import { isQuestionEnd, isRequest, Question, type QuestionRequest, type SendAnswer } from './question.js';

export class OpenQuestions {
  readonly #send: SendAnswer;
  readonly #clock: { now(): number };
  readonly #tell: (question: Question) => void;
  readonly #open = new Map<string, Question>();
  readonly #byJob = new Map<JobId, Set<Question>>();

  constructor(send: SendAnswer, clock: { now(): number }, tell: (question: Question) => void) {
    this.#send = send;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Takes note of a job's event. */
  note(event: JobEvent): void {
    const { job_id: jobId } = event;
    if (jobId === undefined) return;
    if (isRequest(event)) {
      if (this.#open.has(event.id)) return;
      const { id, type, payload } = event;
      const question = this.#make(id, jobId, { type, payload } as QuestionRequest);
      this.#open.set(id, question);
      const ofJob = this.#byJob.get(jobId);
      if (ofJob === undefined) this.#byJob.set(jobId, new Set([question]));
      else ofJob.add(question);
      this.#tell(question);
    } else if (isQuestionEnd(event)) {
      const question = this.#open.get(event.correlation_id ?? '');
      if (question === undefined) return;
      this.#forget(question);
      question.end(event);
    } else if (isTerminal(event)) {
      for (const question of this.#byJob.get(jobId) ?? []) this.#forget(question);
    }
  }

  /** The open question with this id, if the client was told of it. */
  find(id: string): Question | undefined {
    return this.#open.get(id);
  }

  /** A question from a listing: the one that the client was told of, where it was. */
  listed(id: Question['id'], jobId: JobId, request: QuestionRequest): Question {
    return this.#open.get(id) ?? this.#make(id, jobId, request);
  }

  /** The session is lost: who was asked is asked again by the next one, if at all. */
  clear(): void {
    this.#open.clear();
    this.#byJob.clear();
  }

  #make(id: Question['id'], jobId: JobId, request: QuestionRequest): Question {
    return new Question(id, jobId, request, this.#send, this.#clock);
  }

  #forget(question: Question): void {
    this.#open.delete(question.id);
    const ofJob = this.#byJob.get(question.jobId);
    ofJob?.delete(question);
    if (ofJob?.size === 0) this.#byJob.delete(question.jobId);
  }
}
