/**
 * One attempt at a job: runs the agent on a context whose other end is the runtime, and tells how it ended.
 *
 * (J1) `job.started`, what the agent says, and one end: once that is said, or the attempt is another's or nobody's, nothing
 *      more is said for it.
 * (J2) The agent is stopped by its signal: when the runtime cancels the job, when the attempt is over there, and when the
 *      host gives it up. What it returns then is its end only in the first case.
 * (J3) For agents that leave it to the runtime, the host shows the signs of life; after a drop at once, so that an attempt
 *      that is over meanwhile learns so.
 */
import type { Agent } from '../agents/agent.js';
import { checkedArguments } from '../agents/checked-arguments.js';
import { jsonOf, MirroredContext } from '../agents/mirrored-context.js';
import { resultSoFarOf } from '../agents/remote/brief.js';
import type { MirroredJob } from '../agents/worker-messages.js';
import { runInWorker } from '../agents/worker-thread.js';
import type { Timer } from '../clock.js';
import type { AnyEnvelope, Envelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId, MessageId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import { knownErrorCode } from '../protocol/scalars.js';
import { requestedProfile } from '../protocol/worker-profile-json.js';
import { JobWire } from './job-wire.js';
import type { RuntimeLink } from './link.js';
import { WirePort } from './wire-port.js';

/** How an attempt ended here. `lost`: the runtime does not hear it any more. */
export type HostedEnd =
  | { readonly state: 'completed' }
  | { readonly state: 'failed' | 'cancelled' | 'lost'; readonly error: ArcpError };

export class HostedJob {
  readonly jobId: JobId;
  readonly agent: string;
  readonly attempt: number;
  /** Resolves when the agent has returned, whoever still listens. */
  readonly ended: Promise<HostedEnd>;
  readonly #agent: Agent;
  readonly #wire: JobWire;
  readonly #port: WirePort;
  readonly #mirror: MirroredContext;
  readonly #stop = new AbortController();
  #beat: Timer | undefined;
  /** Why nothing is heard of it any more, if so. */
  #lost: ArcpError | undefined;

  constructor(agent: Agent, invoke: Envelope<'tool.invoke'>, jobId: JobId, link: RuntimeLink) {
    const job = mirroredJob(invoke, jobId);
    this.jobId = jobId;
    this.agent = job.agent;
    this.attempt = job.attempt;
    this.#agent = agent;
    this.#wire = new JobWire(jobId, invoke.id, link);
    this.#port = new WirePort(
      this.#wire,
      job,
      this.#stop.signal,
      (number, outcome) => {
        this.#mirror.childEnded({ kind: 'outcome', child: number, outcome });
      },
      (error) => {
        this.#fail(error);
      },
    );
    this.#mirror = new MirroredContext(job, this.#port, this.#stop.signal);
    this.ended = this.#run(invoke.payload.arguments);
    this.#keepAlive(job.heartbeatMs);
  }

  /** A message of the runtime about this attempt. */
  receive(envelope: AnyEnvelope): void {
    const { correlation_id: correlation } = envelope;
    if (correlation !== undefined && this.#wire.isOwn(correlation)) {
      if (!this.#wire.answer(correlation, envelope) && envelope.type === 'nack') this.#refused(envelope);
      return;
    }
    switch (envelope.type) {
      case 'cancel':
        this.#cancelled(envelope.payload);
        return;
      case 'checkpoint.create':
        void this.#snapshot(envelope.id);
        return;
      case 'nack':
        // The attempt is not this one's any more.
        if (this.#wire.isInvocation(correlation)) this.lose(ArcpError.fromPayload(envelope.payload));
        return;
      default:
        this.#port.streams.receive(envelope);
    }
  }

  isOwn(correlationId: MessageId): boolean {
    return this.#wire.isOwn(correlationId);
  }

  /** An answer to this attempt cannot be read. */
  unreadable(correlationId: MessageId, error: ArcpError): void {
    this.#wire.unreadable(correlationId, error);
  }

  /** The connection was lost, and is there again (J3). */
  resumed(): void {
    if (this.#agent.heartbeat === 'auto' && !this.#wire.isOver) this.#port.beat();
  }

  /** The attempt is not this host's any more (J1): its agent is stopped, and what it says is not sent. */
  lose(error: ArcpError): void {
    if (this.#lost !== undefined || this.#wire.isOver) return;
    this.#lost = error;
    this.#close(error);
    this.#stop.abort(error);
  }

  async #run(args: unknown): Promise<HostedEnd> {
    // Whoever made the job knows of it before it says anything.
    await Promise.resolve();
    const { signal } = this.#stop;
    try {
      const input = checkedArguments(this.#agent.input, args);
      this.#wire.say('job.started', { description: `running ${this.agent}`, job_id: this.jobId });
      const { worker } = this.#agent;
      const { ctx } = this.#mirror;
      const value: unknown =
        worker === undefined
          ? await this.#agent.run(input, ctx)
          : await runInWorker(this.#agent, worker, input, ctx);
      const streamed = signal.aborted ? undefined : await this.#mirror.settled();
      await this.#wire.allSaid();
      return this.#completed(value, streamed);
    } catch (error) {
      return this.#failed(ArcpError.from(error));
    } finally {
      this.#close(new ArcpError('CANCELLED', 'the job has ended'));
    }
  }

  #completed(value: unknown, streamed: Awaited<ReturnType<MirroredContext['settled']>>): HostedEnd {
    if (this.#lost !== undefined) return { state: 'lost', error: this.#lost };
    const { summary, resultRef } = this.#port;
    try {
      if (value !== undefined) jsonOf(value);
    } catch (error) {
      throw new ArcpError('INVALID_ARGUMENT', `the value is not JSON: ${String(error)}`);
    }
    this.#port.streams.leave();
    this.#wire.say('job.completed', {
      ...(value === undefined ? {} : { value }),
      ...(summary === undefined ? {} : { summary }),
      ...(resultRef === undefined ? {} : { result_ref: resultRef }),
      ...streamed,
    });
    return { state: 'completed' };
  }

  #failed(error: ArcpError): HostedEnd {
    if (this.#lost !== undefined) return { state: 'lost', error: this.#lost };
    this.#port.streams.leave();
    const isCancelled = error.code === 'CANCELLED' && this.#stop.signal.aborted;
    if (isCancelled) this.#wire.say('job.cancelled', { reason: error.message });
    else this.#wire.say('job.failed', sendable(error));
    return { state: isCancelled ? 'cancelled' : 'failed', error };
  }

  /** The agent said what the runtime does not take: that cannot be thrown where it was said. */
  #refused({ payload }: Envelope<'nack'>): void {
    const error = ArcpError.fromPayload(payload);
    if (error.code === 'ABORTED' || error.code === 'NOT_FOUND') this.lose(error);
    else this.#fail(error);
  }

  #fail(error: ArcpError): void {
    if (this.#wire.isOver) return;
    this.#wire.say('job.failed', sendable(error));
    this.lose(error);
  }

  #cancelled({ reason = 'cancelled' }: Payload<'cancel'>): void {
    const [, code = '', message = ''] = /^([A-Z_]+): ([^]*)$/.exec(reason) ?? [];
    const known = code === '' ? 'UNKNOWN' : knownErrorCode(code);
    const error = known === 'UNKNOWN' ? new ArcpError('CANCELLED', reason) : new ArcpError(known, message);
    this.#stop.abort(error);
  }

  async #snapshot(asked: MessageId): Promise<void> {
    const about = { correlation_id: asked };
    try {
      const data: unknown = JSON.parse(jsonOf((await this.#mirror.snapshot()) ?? null));
      this.#wire.say('job.checkpoint', { checkpoint_id: 'snapshot', data }, about);
    } catch (error) {
      this.#wire.say('nack', { ...ArcpError.from(error).toPayload(), ack_for: asked }, about);
    }
  }

  #keepAlive(everyMs: number): void {
    if (this.#agent.heartbeat !== 'auto') return;
    const { link } = this.#wire;
    const again = (): void => {
      this.#beat = link.clock.timer(everyMs, () => {
        if (this.#wire.isOver) return;
        // While nobody is there it would say the same again and again.
        if (link.isConnected && !link.isBehind) this.#port.beat();
        again();
      });
    };
    again();
  }

  #close(error: ArcpError): void {
    this.#beat?.cancel();
    this.#wire.close(error);
  }
}

function mirroredJob({ payload, trace_id: traceId }: Envelope<'tool.invoke'>, jobId: JobId): MirroredJob {
  const { job, lease_request: lease = {}, profile } = payload;
  if (job === undefined) throw new ArcpError('INVALID_ARGUMENT', 'tool.invoke: it says nothing of its job');
  const { agent, attempt, principal, parent_job_id, heartbeat_interval_ms, resumed_from, closed } = job;
  const { expires_at: expiresAt, cost_budget: _budget, ...capabilities } = lease;
  return {
    jobId,
    agent,
    attempt,
    principal,
    traceId: traceId ?? '',
    parentJobId: parent_job_id,
    heartbeatMs: heartbeat_interval_ms,
    lease: {
      expiresAt: typeof expiresAt === 'string' ? expiresAt : undefined,
      capabilities: capabilities as Readonly<Record<string, readonly string[]>>,
      closed,
    },
    resumedFrom: resumed_from && { checkpointId: resumed_from.checkpoint_id, data: resumed_from.data },
    resultSoFar: resultSoFarOf(job.result_so_far),
    profile: requestedProfile(profile ?? 'general'),
  };
}

/** An error whose details may be anything: they are left out where JSON cannot hold them. */
function sendable(error: ArcpError): ReturnType<ArcpError['toPayload']> {
  try {
    jsonOf(error.details ?? null);
    return error.toPayload();
  } catch {
    const { code, message, retryable } = error;
    return { code, message, retryable };
  }
}
