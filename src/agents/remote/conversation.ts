/**
 * The conversation about one attempt at a job with an agent outside of the runtime, in classic messages (law L5): what the
 * agent says becomes acts on its `JobContext`, so that budgets, leases, profiles and the order of chunks are enforced by
 * the runtime and never by the agent. It is what `run` is for such an agent, whatever the way to it is.
 *
 * (T1) `tool.invoke` is the first message to the agent, and its id is the attempt's: what the agent says carries it as
 *      `correlation_id`, or none. Whatever carries another is of another attempt and refused (ABORTED).
 * (T2) Each message of the agent is at most one act. One that is malformed, illegal at this stage (`stages.ts`), out of
 *      order, or that the context refuses, is answered with one `nack` and changes nothing (L6).
 * (T3) The first end counts: `job.completed`, `job.failed`, `job.cancelled`, `tool.result` or `tool.error`. Acts that the
 *      agent asked for before it, and that wait for nobody, are done first.
 * (T4) When the job is stopped the agent is sent `cancel`, once; it may end by itself, and its end counts as any. How long
 *      it may take is for whoever runs the job.
 * (T5) Once the job is over nothing is heard any more: what comes is refused, and its place among others is free.
 * (T6) What is under way is bounded (L7): acts by number and bytes, and what can wait waits for the link (`ready`).
 */
import type { AnyEnvelope, Envelope, Refusal } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { JobId, MessageId } from '../../protocol/ids.js';
import type { MessageType, Payload } from '../../protocol/messages.js';
import type { JobContext, Json } from '../agent.js';
import { handled } from '../handled.js';
import { briefOf } from './brief.js';
import { actOn } from './handlers.js';
import {
  AttemptLost,
  isAnswer,
  type Act,
  type AgentLink,
  type ConversationLimits,
  type RemoteJob,
  type ToAgent,
} from './link.js';
import { RemoteChildren } from './remote-children.js';
import { RemoteInputs } from './remote-inputs.js';
import { RemoteStreams } from './remote-streams.js';
import { isAgentMessage, isLegal, whyIllegal, type Stage } from './stages.js';

/** For what still waits for an answer at a job's end; one for all jobs: most have nothing that waits. */
const JOB_ENDED = new ArcpError('CANCELLED', 'the job has ended');

export interface ConversationOptions {
  readonly link: AgentLink;
  readonly limits: ConversationLimits;
  /** Whether clients may open streams into the job. */
  readonly takesInput: boolean;
}

interface Awaited {
  readonly resolve: (answer: AnyEnvelope) => void;
  readonly reject: (error: ArcpError) => void;
}

export class JobConversation implements RemoteJob {
  readonly ctx: JobContext;
  readonly jobId: JobId;
  readonly link: AgentLink;
  readonly limits: ConversationLimits;
  /** How the agent ended: what it returned, or why it failed. */
  readonly outcome: Promise<unknown>;
  readonly children = new RemoteChildren();
  readonly streams = new RemoteStreams();
  readonly #inputs: RemoteInputs | undefined;
  /** The `result_id` that the agent streams under. */
  resultId: string | undefined;
  /** The artifact that it put as its result. */
  resultArtifact: string | undefined;
  /** The last of its heartbeats. */
  lastHeartbeat = -1;
  #stage: Stage = 'invoked';
  #invokeId: MessageId | undefined;
  #settle!: Awaited;
  #value!: (value: unknown) => void;
  readonly #awaited = new Map<MessageId, Awaited>();
  readonly #brief = new Set<Promise<unknown>>();
  #acts = 0;
  #actBytes = 0;
  /** Of the message that is being taken. */
  #size = 0;

  constructor(input: unknown, ctx: JobContext, { link, limits, takesInput }: ConversationOptions) {
    this.ctx = ctx;
    this.jobId = ctx.jobId as JobId;
    this.link = link;
    this.limits = limits;
    this.outcome = handled(
      new Promise((resolve, reject) => {
        this.#value = resolve;
        this.#settle = { resolve, reject };
      }),
    );
    this.#inputs = takesInput ? new RemoteInputs(this) : undefined;
    ctx.signal.addEventListener('abort', this.#stop, { once: true });
    ctx.onCheckpointRequest(() => this.#snapshot());
    void briefOf(input, ctx).then(
      (brief) => {
        this.#invoke(brief);
      },
      (error: unknown) => {
        this.#end(() => {
          throw error;
        });
      },
    );
  }

  get isOver(): boolean {
    return this.#stage === 'over';
  }

  /** The id of its `tool.invoke`, once that was sent. */
  get invokeId(): MessageId | undefined {
    return this.#invokeId;
  }

  /** Whether its agent waits for jobs that it delegated, and so leaves its place to others. */
  get waitsForChildren(): boolean {
    return this.children.isWaiting;
  }

  #invoke(brief: Payload<'tool.invoke'>): void {
    if (this.isOver) return;
    this.#invokeId = this.link.send({
      type: 'tool.invoke',
      payload: brief,
      jobId: this.jobId,
      traceId: this.ctx.traceId,
    });
    if (this.ctx.signal.aborted) this.#stop();
    this.#inputs?.start(this.ctx.input);
  }

  /**
   * A message of the agent for this job; `size` is the length of its text. Never throws (T2).
   */
  receive(envelope: AnyEnvelope, size = 0): void {
    const { type, correlation_id: correlation } = envelope;
    const awaited = correlation === undefined ? undefined : this.#awaited.get(correlation);
    if (awaited !== undefined && correlation !== undefined) {
      this.#awaited.delete(correlation);
      if (envelope.type === 'nack') awaited.reject(ArcpError.fromPayload(envelope.payload));
      else awaited.resolve(envelope);
      return;
    }
    if (isAnswer(envelope)) {
      this.#answered(envelope);
      return;
    }
    this.#size = size;
    try {
      this.#refuseLate(envelope);
      if (!isAgentMessage(type))
        throw new ArcpError('UNIMPLEMENTED', `${type} is no part of the conversation about a job`);
      if (!isLegal(type, this.#stage))
        throw new ArcpError('FAILED_PRECONDITION', whyIllegal(type, this.#stage));
      this.#take(envelope);
    } catch (error) {
      this.nack(envelope, error);
    }
  }

  /** A frame of the agent for this job that could not be read. */
  refuse({ id, code, message, optional }: Refusal): void {
    if (optional) return;
    const payload = { code, message, ...(id === undefined ? {} : { ack_for: id }) };
    this.say('nack', payload, id === undefined ? {} : { correlationId: id });
  }

  /** Whoever did the attempt is gone: `outcome` rejects with `AttemptLost`. */
  lost(error: ArcpError): void {
    const { code, message, retryable, details } = error;
    this.close(new AttemptLost(code, message, { retryable, details }));
  }

  /** The attempt is given to another, while whoever did it may still be at it: it is told so, by a nack of its invocation. */
  takeAway(error: ArcpError): void {
    if (this.#invokeId !== undefined) this.say('nack', { ...error.toPayload(), ack_for: this.#invokeId });
    this.lost(error);
  }

  /** Ends the conversation without the agent (T5). */
  close(error: ArcpError): void {
    this.#settle.reject(error);
    this.#leave(error);
  }

  say<T extends MessageType>(
    type: T,
    payload: Payload<T>,
    about: Partial<Pick<ToAgent, 'jobId' | 'correlationId' | 'streamId'>> = {},
  ): MessageId {
    const { jobId = this.jobId, correlationId = this.#invokeId, streamId } = about;
    return this.link.send({ type, payload, jobId, correlationId, streamId });
  }

  nack(asked: AnyEnvelope, error: unknown): void {
    if (isAnswer(asked)) return;
    const payload = { ...ArcpError.from(error).toPayload(), ack_for: asked.id };
    const streamId = asked.stream_id;
    this.say('nack', payload, { correlationId: asked.id, ...(streamId === undefined ? {} : { streamId }) });
  }

  act<T>(asked: AnyEnvelope, { kind, work, done, refused }: Act<T>): void {
    const size = this.#size;
    const { maxRemoteActs, maxRemoteActBytes } = this.limits;
    if (this.#acts >= maxRemoteActs || (this.#actBytes > 0 && this.#actBytes + size > maxRemoteActBytes)) {
      const message = `${this.#acts} acts of ${this.#actBytes} bytes are under way: wait for their answers`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message);
    }
    this.#acts += 1;
    this.#actBytes += size;
    const acted = work()
      .then(done, (error: unknown) => {
        if (refused === undefined) this.nack(asked, error);
        else refused(ArcpError.from(error));
      })
      // Telling what came of it failed: whoever asked learns that much.
      .catch((error: unknown) => {
        this.nack(asked, error);
      })
      .finally(() => {
        this.#acts -= 1;
        this.#actBytes -= size;
        this.#brief.delete(acted);
      });
    if (kind === 'brief') this.#brief.add(acted);
  }

  answerTo(id: MessageId): Promise<AnyEnvelope> {
    return handled(
      new Promise((resolve, reject) => {
        if (this.isOver) reject(new ArcpError('CANCELLED', 'the conversation has ended'));
        else this.#awaited.set(id, { resolve, reject });
      }),
    );
  }

  /** The agent cancels a job that it delegated, or wants no more of a stream that is sent to it. */
  cancelFrom({ id, payload }: Envelope<'cancel'>): void {
    const { target, target_id, reason } = payload;
    const verdict =
      target === 'job'
        ? this.children.cancel(target_id, reason)
        : target === 'stream' && this.#inputs?.cancel(target_id) === true
          ? 'accepted'
          : 'not_found';
    const about = { correlationId: id };
    if (verdict === 'accepted') this.say('cancel.accepted', { target, target_id }, about);
    else this.say('cancel.refused', { target, target_id, reason: verdict }, about);
  }

  /** (T1, T5) */
  #refuseLate({ correlation_id: correlation }: AnyEnvelope): void {
    const { attempt, isLive } = this.ctx;
    if (correlation !== undefined && correlation !== this.#invokeId) {
      const message = `correlation_id: not that of attempt ${attempt} at ${this.jobId}, which is heard here`;
      throw new ArcpError('ABORTED', message, { retryable: false });
    }
    if (this.isOver || isLive) return;
    const message = `attempt ${attempt} at ${this.jobId} is over: what is said for it is not heard`;
    throw new ArcpError('ABORTED', message, { retryable: false });
  }

  /** Answers that nobody waits for; but an agent may refuse its job. */
  #answered(envelope: AnyEnvelope): void {
    if (envelope.type !== 'nack' || this.#stage !== 'invoked') return;
    if (envelope.correlation_id !== this.#invokeId) return;
    const error = ArcpError.fromPayload(envelope.payload);
    this.#end(() => {
      throw error;
    });
  }

  #take(envelope: AnyEnvelope): void {
    switch (envelope.type) {
      case 'job.accepted':
        this.#refuseOther(envelope.payload.job_id);
        this.#stage = 'accepted';
        return;
      case 'job.started':
        this.#refuseOther(envelope.payload.job_id);
        this.#stage = 'started';
        return;
      case 'job.completed':
        this.#completed(envelope);
        return;
      case 'tool.result': {
        const { value, result_ref } = envelope.payload;
        this.#refuseForeignResult(undefined);
        this.#end(() => this.#result(value, result_ref?.artifact_id));
        return;
      }
      case 'job.failed':
      case 'tool.error': {
        const error = ArcpError.fromPayload(envelope.payload);
        this.#end(() => {
          throw error;
        });
        return;
      }
      case 'job.cancelled': {
        const error = new ArcpError('CANCELLED', envelope.payload.reason ?? 'the agent gave the job up');
        this.#end(() => {
          throw error;
        });
        return;
      }
      default:
        actOn(this, envelope);
    }
  }

  #refuseOther(jobId: string | undefined): void {
    if (jobId === undefined || jobId === this.jobId) return;
    throw new ArcpError('INVALID_ARGUMENT', `job_id: expected ${this.jobId}, as in the envelope`);
  }

  #completed({ payload }: Envelope<'job.completed'>): void {
    const { value, summary, result_id, result_ref } = payload;
    this.#refuseForeignResult(result_id);
    if (summary !== undefined) this.ctx.summarize(summary);
    this.#end(() => this.#result(value, result_ref?.artifact_id));
  }

  #refuseForeignResult(resultId: string | undefined): void {
    if (resultId === undefined || resultId === this.resultId) return;
    const message = `result_id: nothing was streamed under ${JSON.stringify(resultId)}`;
    throw new ArcpError('FAILED_PRECONDITION', message);
  }

  #result(value: unknown, artifactId: string | undefined): unknown {
    if (artifactId === undefined || artifactId === this.resultArtifact) return value;
    const message = 'result_ref: that artifact was not put as the result (`is_result`) in this attempt';
    throw new ArcpError('FAILED_PRECONDITION', message);
  }

  /** (T3) */
  #end(result: () => unknown): void {
    if (this.isOver) return;
    this.#stage = 'over';
    void Promise.allSettled([...this.#brief]).then(() => {
      try {
        this.#value(result());
      } catch (error) {
        this.#settle.reject(ArcpError.from(error));
      }
      this.#leave(JOB_ENDED);
    });
  }

  #leave(error: ArcpError): void {
    this.#stage = 'over';
    this.ctx.signal.removeEventListener('abort', this.#stop);
    this.#inputs?.leave();
    this.children.leave();
    for (const { reject } of this.#awaited.values()) reject(error);
    this.#awaited.clear();
  }

  /** (T4) */
  readonly #stop = (): void => {
    if (this.isOver || this.#invokeId === undefined) return;
    const { code, message } = ArcpError.from(this.ctx.signal.reason);
    const reason = code === 'CANCELLED' ? message : `${code}: ${message}`;
    this.say('cancel', { target: 'job', target_id: this.jobId, reason });
  };

  /** A client asks for a checkpoint. */
  async #snapshot(): Promise<Json> {
    const id = this.say('checkpoint.create', {});
    const answer = await this.answerTo(id);
    if (answer.type === 'job.checkpoint') return answer.payload.data as Json;
    throw new ArcpError('INTERNAL', `the agent answered checkpoint.create with ${answer.type}`);
  }
}
