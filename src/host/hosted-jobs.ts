/**
 * The jobs that a session was given, and the messages between them and their runtime.
 *
 * (K1) A message of the runtime is taken once: what it repeats after a drop is known by its id, and confirmed again.
 * (K2) What is said for a job is kept until the runtime has confirmed it, and repeated on the next connection.
 * (K3) Another attempt at a job ends the one that went on here; another session ends them all. Their agents are stopped,
 *      and are not heard any more.
 */
import type { Agent } from '../agents/agent.js';
import { Unconfirmed } from '../agents/remote/unconfirmed.js';
import {
  encodeBody,
  encodeFrame,
  exceedsBytes,
  newMessageId,
  type OutboundMessage,
} from '../client/command.js';
import type { HostingPort } from '../client/hosting.js';
import type { Clock } from '../clock.js';
import type { AnyEnvelope, Envelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId, MessageId } from '../protocol/ids.js';
import { HostedJob, type HostedEnd } from './hosted-job.js';
import type { RuntimeLink } from './link.js';

/** Messages of the runtime that are known when they come again; more than it leaves unconfirmed. */
const MAX_REMEMBERED = 20_000;
/** What waits for the runtime; beyond, agents that do not wait are stopped. */
const MAX_WAITING = { frames: 10_000, size: 16_777_216 };

/** `session`: what is said is confirmed, and repeated after a drop. `pipe`: it arrives, or everything is over. */
export type Way = { readonly kind: 'session' } | { readonly kind: 'pipe'; readonly isBehind: () => boolean };

export interface HostedJobsOptions {
  readonly agents: readonly Agent[];
  /** What their names begin with there. */
  readonly scope: string;
  readonly clock: Clock;
  readonly maxFrameBytes: number;
  readonly began: (job: HostedJob) => void;
  readonly ended: (job: HostedJob, end: HostedEnd) => void;
  /** Default: a session. */
  readonly way?: Way;
}

export class HostedJobs implements HostingPort, RuntimeLink {
  readonly clock: Clock;
  readonly #options: HostedJobsOptions;
  readonly #way: Way;
  readonly #agents: ReadonlyMap<string, Agent>;
  readonly #jobs = new Map<JobId, HostedJob>();
  /** All whose agents have not returned, also where nobody listens to them any more. */
  readonly #running = new Set<HostedJob>();
  readonly #unconfirmed = new Unconfirmed();
  readonly #seen = new Set<MessageId>();
  #received: MessageId | undefined;
  /** Sends a frame; false where there is no connection. */
  #transmit: (frame: string) => boolean = () => false;
  #isConnected = false;
  #isConfirming = false;
  #settled: (() => void)[] = [];

  constructor(options: HostedJobsOptions) {
    this.#options = options;
    this.#way = options.way ?? { kind: 'session' };
    this.clock = options.clock;
    const { agents, scope } = options;
    this.#agents = new Map(agents.map((agent) => [`${scope}${agent.name}@${agent.version}`, agent]));
  }

  /** Jobs that are done here. */
  get count(): number {
    return this.#jobs.size;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get isBehind(): boolean {
    if (this.#way.kind === 'pipe') return this.#way.isBehind();
    return this.#unconfirmed.count >= MAX_WAITING.frames || this.#unconfirmed.size >= MAX_WAITING.size;
  }

  send(id: MessageId, message: OutboundMessage): void {
    const frame = encodeFrame(id, undefined, encodeBody(message, this.clock.now()));
    const { maxFrameBytes } = this.#options;
    if (exceedsBytes(frame, maxFrameBytes)) {
      const error = `${message.type} is larger than a frame may be (${maxFrameBytes} bytes)`;
      throw new ArcpError('RESOURCE_EXHAUSTED', error, { retryable: false });
    }
    if (this.#way.kind === 'session') this.#unconfirmed.keep(id, frame);
    this.#isConnected = this.#transmit(frame);
  }

  /** Tells the runtime that nothing new is wanted. */
  drain(): void {
    const payload = { name: 'provider.agents', data: { agents: [] } };
    this.send(newMessageId(), { type: 'event.emit', payload });
  }

  /** Resolves once there is no job, and the runtime has all that was said. */
  async settled(): Promise<void> {
    while (this.#jobs.size > 0 || this.#unconfirmed.count > 0)
      await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  /** Resolves once every agent has returned. */
  async returned(): Promise<void> {
    await Promise.all([...this.#running].map(({ ended }) => ended));
  }

  /** Gives up what goes on (K3). */
  loseAll(error: ArcpError): void {
    for (const job of [...this.#jobs.values()]) job.lose(error);
    this.#jobs.clear();
    this.#unconfirmed.clear();
    this.#tellSettled();
  }

  receive(envelope: AnyEnvelope): boolean {
    const { id, job_id: jobId } = envelope;
    if (envelope.type === 'ack' && envelope.payload.received_up_to !== undefined) {
      this.#unconfirmed.confirm(envelope.payload.received_up_to);
      this.#tellSettled();
      return true;
    }
    if (jobId === undefined) return false;
    if (this.#way.kind === 'session') {
      this.#confirm(id);
      if (this.#seen.has(id)) return true;
      this.#remember(id);
    }
    if (envelope.type === 'tool.invoke') this.#begin(envelope, jobId);
    else this.#jobFor(envelope, jobId)?.receive(envelope);
    return true;
  }

  unreadable(correlationId: MessageId, error: ArcpError): void {
    for (const job of this.#jobs.values()) job.unreadable(correlationId, error);
  }

  opened(send: (frame: string) => boolean): void {
    this.#transmit = send;
    this.#isConnected = true;
    this.loseAll(new ArcpError('ABORTED', 'the session in which the job was given was lost'));
    this.#seen.clear();
    this.#received = undefined;
  }

  resumed(): void {
    this.#isConnected = true;
    for (const frame of this.#unconfirmed.frames()) this.#transmit(frame);
    if (this.#received !== undefined) this.#confirm(this.#received);
    for (const job of this.#jobs.values()) job.resumed();
  }

  closed(error: ArcpError): void {
    this.#isConnected = false;
    this.loseAll(new ArcpError('ABORTED', `the host is gone: ${error.message}`, { cause: error }));
  }

  /** What is about a child has the child's id, and answers its parent. */
  #jobFor({ correlation_id: correlation }: AnyEnvelope, jobId: JobId): HostedJob | undefined {
    const named = this.#jobs.get(jobId);
    if (correlation === undefined || named?.isOwn(correlation) === true) return named;
    for (const job of this.#jobs.values()) if (job.isOwn(correlation)) return job;
    return named;
  }

  /** (K3) */
  #begin(invoke: Envelope<'tool.invoke'>, jobId: JobId): void {
    this.#jobs.get(jobId)?.lose(new ArcpError('ABORTED', 'another attempt at the job has begun'));
    this.#jobs.delete(jobId);
    let job: HostedJob;
    try {
      const { tool } = invoke.payload;
      const agent = this.#agents.get(tool);
      if (agent === undefined) throw new ArcpError('AGENT_NOT_AVAILABLE', `${tool} is not hosted here`);
      job = new HostedJob(agent, invoke, jobId, this);
    } catch (error) {
      const payload = { ...ArcpError.from(error).toPayload(), ack_for: invoke.id };
      this.send(newMessageId(), { type: 'nack', payload, job_id: jobId, correlation_id: invoke.id });
      return;
    }
    this.#jobs.set(jobId, job);
    this.#running.add(job);
    this.#options.began(job);
    void job.ended.then((end) => {
      this.#running.delete(job);
      if (this.#jobs.get(jobId) === job) this.#jobs.delete(jobId);
      this.#options.ended(job, end);
      this.#tellSettled();
    });
  }

  #remember(id: MessageId): void {
    this.#seen.add(id);
    if (this.#seen.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      break;
    }
  }

  /** (K1) What arrives in one turn is confirmed at once. */
  #confirm(id: MessageId): void {
    this.#received = id;
    if (this.#isConfirming) return;
    this.#isConfirming = true;
    setImmediate(() => {
      this.#isConfirming = false;
      if (this.#received === undefined) return;
      const payload = { received_up_to: this.#received };
      const body = encodeBody({ type: 'ack', payload }, this.clock.now());
      this.#transmit(encodeFrame(newMessageId(), undefined, body));
    });
  }

  #tellSettled(): void {
    for (const resolve of this.#settled.splice(0)) resolve();
  }
}
