/**
 * All jobs of one way to agents, by their ids: what comes is given to the job that it is for, and refused where it is for
 * none. Attempts that have ended are remembered for a while, so that who is late is told so.
 */
import type { AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { JobId } from '../../protocol/ids.js';
import type { JobContext } from '../agent.js';
import { JobConversation, type ConversationOptions } from './conversation.js';
import { isAnswer, type AgentLink, type ConversationLimits } from './link.js';

/** Ended jobs that are remembered; what is said for one that is not is said for a stranger's. */
const MAX_REMEMBERED = 1_024;

export class Conversations {
  readonly #link: AgentLink;
  readonly #limits: ConversationLimits;
  readonly #open = new Map<JobId, JobConversation>();
  readonly #ended = new Set<JobId>();

  constructor(link: AgentLink, limits: ConversationLimits) {
    this.#link = link;
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Whether an attempt at this job goes on here, or did. */
  knows(jobId: JobId): boolean {
    return this.#open.has(jobId) || this.#ended.has(jobId);
  }

  /** Begins an attempt at a job; an earlier one that goes on here is over. */
  begin(input: unknown, ctx: JobContext, takesInput: boolean): JobConversation {
    const options: ConversationOptions = { link: this.#link, limits: this.#limits, takesInput };
    const conversation = new JobConversation(input, ctx, options);
    const { jobId } = conversation;
    this.#open.get(jobId)?.close(new ArcpError('ABORTED', `attempt ${ctx.attempt} at the job has begun`));
    this.#ended.delete(jobId);
    this.#open.set(jobId, conversation);
    const forget = (): void => {
      if (this.#open.get(jobId) === conversation) this.#forget(jobId);
    };
    conversation.outcome.then(forget, forget);
    return conversation;
  }

  /** A message of the other side; `size` is the length of its text. Whether it is about a job at all. */
  receive(envelope: AnyEnvelope, size: number): boolean {
    const { job_id: jobId, id } = envelope;
    if (jobId === undefined) return false;
    const conversation = this.#open.get(jobId);
    if (conversation !== undefined) conversation.receive(envelope, size);
    else if (!isAnswer(envelope)) {
      const payload = { ...this.#whyNot(jobId).toPayload(), ack_for: id };
      this.#link.send({ type: 'nack', payload, jobId, correlationId: id });
    }
    return true;
  }

  /** The way is gone: so is every attempt that goes on here. */
  lost(error: ArcpError): void {
    for (const conversation of [...this.#open.values()]) conversation.lost(error);
  }

  #whyNot(jobId: JobId): ArcpError {
    if (this.#ended.has(jobId)) {
      const message = `the attempt at ${jobId} that was made here is over: what is said for it is not heard`;
      return new ArcpError('ABORTED', message, { retryable: false });
    }
    return new ArcpError('NOT_FOUND', `job_id: ${jobId} was not given to this agent`);
  }

  #forget(jobId: JobId): void {
    this.#open.delete(jobId);
    this.#ended.add(jobId);
    if (this.#ended.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      break;
    }
  }
}
