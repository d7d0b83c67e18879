/**
 * The client's side of a session: what came is put in order and given to the call or the job that it is for.
 *
 * (C1) Law L3, sessions outlive sockets: while a session can be resumed, a lost connection costs nobody anything.
 *      Events come once and in order: `event_seq` repeats are dropped, and a gap is DATA_LOSS for what was in flight.
 * (C2) When a session is lost, everything that depended on it ends with one error, and commands that had not been
 *      sent wait for the next session.
 * (C3) A frame that the client cannot read harms only the call or the job that it was for (L6).
 * (C4) A frame that names another session is no part of this one: its number counts for nothing.
 */
import {
  ArcpError,
  isId,
  isTerminal,
  parseInventory,
  type AnyEnvelope,
  type Capabilities,
  type Envelope,
  type ErrorCode,
  type Inventory,
  type JobId,
  type MessageId,
  type Payload,
  type Refusal,
  type SessionId,
  type StreamKind,
} from '../protocol/index.js';
import { Acks } from './acks.js';
import { agentsTold } from './agents-changed.js';
import {
  encodeBody,
  encodeFrame,
  newMessageId,
  newStreamId,
  type Answer,
  type Command,
  type OutboundMessage,
} from './command.js';
import { Connection, type ConnectionOwner, type ConnectionSettings } from './connection.js';
import { currentToken, type ResumePoint } from './handshake.js';
import type { HostingPort } from './hosting.js';
import { isJobEvent, isTerminalType } from '../protocol/job-event.js';
import { JobInput, readEcho, type InputOptions } from './job-input.js';
import { JobTree } from './job-tree.js';
import { cancelledError, type CancelOptions, type Job, type JobHost } from './job.js';
import type { ClientLimits } from './limits.js';
import { Listeners } from './listeners.js';
import { OpenQuestions } from './open-questions.js';
import { PendingCalls } from './pending-calls.js';
import type { SendAnswer } from './question.js';
import { WatchedJob } from './watched-job.js';

export interface SessionInfo {
  readonly id: SessionId;
  readonly runtime: Payload<'session.accepted'>['runtime'];
  /** What both sides can do, and what the runtime says of itself. */
  readonly capabilities: Capabilities;
}

interface OpenSession extends SessionInfo {
  readonly agents: Inventory;
}

export class ClientSession implements ConnectionOwner {
  readonly listeners = new Listeners();
  readonly questions: OpenQuestions;
  /** The first session, or why there is none. */
  readonly ready: Promise<void>;
  /** Resolves when the client is closed for good. */
  readonly closing: Promise<ArcpError>;
  readonly #settings: ConnectionSettings;
  readonly #hosting: HostingPort | undefined;
  readonly #connection: Connection;
  readonly #calls: PendingCalls;
  readonly #jobs: JobTree;
  readonly #acks: Acks;
  /** Open streams into jobs. */
  readonly #inputs = new Map<string, JobInput>();
  #current: OpenSession | undefined;
  #resumeToken: string | undefined;
  #lastEventSeq = 0;
  #settleReady: { resolve(): void; reject(error: ArcpError): void } | undefined;
  #tellClosed: (error: ArcpError) => void = () => undefined;

  constructor(settings: ConnectionSettings, hosting?: HostingPort) {
    const { limits, clock } = settings;
    this.#settings = settings;
    this.#hosting = hosting;
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
    this.closing = new Promise((resolve) => (this.#tellClosed = resolve));
    this.questions = new OpenQuestions(this.#answer, clock, (question) => {
      this.listeners.tell('question', question);
    });
    const host: JobHost = {
      limits,
      clock,
      cancel: (jobId, options) => this.cancel(jobId, options),
      question: (id) => this.questions.find(id),
      openInput: (jobId, options) => this.#openInput(jobId, options),
      slow: (stream_id, payload) => this.#post({ type: 'backpressure', payload, stream_id }),
    };
    this.#jobs = new JobTree(host);
    this.#calls = new PendingCalls(limits, clock, (id, body) =>
      this.#connection.send(encodeFrame(id, this.#current?.id, body)),
    );
    this.#acks = new Acks(clock, (last_processed_seq) =>
      this.#post({ type: 'session.ack', payload: { last_processed_seq } }),
    );
    this.#connection = new Connection(settings, this);
  }

  get current(): OpenSession {
    if (this.#current === undefined) throw new ArcpError('FAILED_PRECONDITION', 'no session was opened yet');
    return this.#current;
  }

  get limits(): ClientLimits {
    return this.#settings.limits;
  }

  /** Calls and jobs that are still followed. */
  get inFlight(): { readonly calls: number; readonly jobs: number } {
    return { calls: this.#calls.size, jobs: this.#jobs.size };
  }

  close(error: ArcpError, farewell?: Payload<'session.close'>): Promise<ArcpError> {
    this.#connection.close(error, farewell && this.#frame({ type: 'session.close', payload: farewell }));
    return this.closing;
  }

  async issue<T>(command: Command<T>, signal?: AbortSignal): Promise<T> {
    const { end } = this.#connection;
    if (end !== undefined) {
      throw new ArcpError('FAILED_PRECONDITION', `the client is closed: ${end.message}`, { cause: end });
    }
    return this.#calls.issue(command, signal);
  }

  /** Issues a command that starts a job; aborting `signal` gives the command up, or cancels the job. */
  startJob(
    message: OutboundMessage<'tool.invoke' | 'workflow.start' | 'agent.delegate' | 'agent.handoff'>,
    signal?: AbortSignal,
  ): Promise<Job> {
    const read = (envelope: AnyEnvelope, size: number): Answer<Job> => {
      if (envelope.type === 'job.accepted') {
        const job = this.#jobs.adopt(envelope, size);
        if (signal !== undefined) this.#cancelOnAbort(job, signal);
        return { kind: 'resolved', value: job };
      }
      const error = refusalOfStart(envelope);
      return error === undefined ? { kind: 'unrelated' } : { kind: 'refused', error };
    };
    return this.issue({ message, repeat: 'same-id', read }, signal);
  }

  cancel(
    target_id: string,
    { reason, deadlineMs }: CancelOptions,
    target: 'job' | 'schedule' = 'job',
  ): Promise<void> {
    const read = (envelope: AnyEnvelope): Answer<void> => {
      if (envelope.type === 'cancel.accepted') return { kind: 'resolved', value: undefined };
      if (envelope.type === 'cancel.refused')
        return { kind: 'refused', error: refusedCancel(envelope.payload) };
      return { kind: 'unrelated' };
    };
    const payload = { target, target_id, reason, deadline_ms: deadlineMs };
    return this.issue({ message: { type: 'cancel', payload }, repeat: 'fresh-id', read });
  }

  readonly #answer: SendAnswer = async (message) => {
    await this.acknowledged(message);
  };

  /** Pauses a job and asks for guidance; resolves when the runtime has done so. */
  async interrupt(jobId: string, prompt: string): Promise<void> {
    const payload = { target: 'job', target_id: jobId, prompt } as const;
    await this.acknowledged({ type: 'interrupt', payload });
  }

  /** Issues a command that is answered by `ack`: what that says. */
  acknowledged(message: OutboundMessage): Promise<Payload<'ack'>> {
    return this.issue({
      message,
      repeat: 'fresh-id',
      read: (envelope) =>
        envelope.type === 'ack' ? { kind: 'resolved', value: envelope.payload } : { kind: 'unrelated' },
    });
  }

  /** One page of the principal's jobs. */
  /** What is done to a lease; `read` finds the answer in what is correlated to it. */
  onLease<Type extends 'lease.refresh' | 'lease.revoked', T>(
    type: Type,
    payload: Payload<Type>,
    read: (answer: AnyEnvelope) => T | undefined,
  ): Promise<T> {
    return this.issue<T>({
      message: { type, payload },
      repeat: 'same-id',
      read: (answer, size) => {
        const value = read(answer);
        if (value === undefined) return { kind: 'unrelated' };
        // It is an event of the job as well, for whoever follows that.
        if (isJobEvent(answer)) this.#jobs.route(answer, size);
        return { kind: 'resolved', value };
      },
    });
  }

  listJobs(payload: Payload<'session.list_jobs'>): Promise<Payload<'session.jobs'>> {
    return this.issue({
      message: { type: 'session.list_jobs', payload },
      repeat: 'fresh-id',
      read: (envelope) =>
        envelope.type === 'session.jobs'
          ? { kind: 'resolved', value: envelope.payload }
          : { kind: 'unrelated' },
    });
  }

  /** One page of the principal's schedules. */
  listSchedules(payload: Payload<'session.list_schedules'>): Promise<Payload<'session.schedules'>> {
    return this.issue({
      message: { type: 'session.list_schedules', payload },
      repeat: 'fresh-id',
      read: (envelope) =>
        envelope.type === 'session.schedules'
          ? { kind: 'resolved', value: envelope.payload }
          : { kind: 'unrelated' },
    });
  }

  /** The job is followed before the runtime answers: where the answer was lost, its events come before it. */
  async watchJob(payload: Payload<'job.subscribe'>): Promise<WatchedJob> {
    const { job_id: jobId, history, from_event_seq: from } = payload;
    const { job, added } = this.#jobs.watch(jobId);
    try {
      const subscribed = await this.issue({
        message: { type: 'job.subscribe', payload },
        repeat: 'fresh-id',
        read: (envelope): Answer<Payload<'job.subscribed'>> =>
          envelope.type === 'job.subscribed'
            ? { kind: 'resolved', value: envelope.payload }
            : { kind: 'unrelated' },
      });
      const stop = (): void => {
        if (!added) return;
        this.#jobs.leave(jobId);
        this.#post({ type: 'job.unsubscribe', payload: { job_id: jobId } });
      };
      const nothingComes = isTerminal(subscribed.current_status) && !subscribed.replayed;
      if (nothingComes && !(history && from === undefined)) stop();
      else if (added) job.onEnd(stop);
      return new WatchedJob(job, subscribed, stop);
    } catch (error) {
      if (added) this.#jobs.lose(jobId, ArcpError.from(error));
      throw error;
    }
  }

  async #openInput<Kind extends StreamKind>(
    jobId: JobId,
    options: InputOptions<Kind>,
  ): Promise<JobInput<Kind>> {
    const id = newStreamId();
    const input = new JobInput(id, jobId, options, {
      send: (message, signal) =>
        this.issue({ message, repeat: 'same-id', read: ({ type }) => readEcho(message.type, type) }, signal),
      ended: ({ id: endedId }) => this.#inputs.delete(endedId),
    });
    this.#inputs.set(id, input);
    try {
      await input.open();
      return input;
    } catch (error) {
      input.fail(ArcpError.from(error));
      throw error;
    }
  }

  resumePoint(): ResumePoint | undefined {
    return this.#resumeToken === undefined
      ? undefined
      : { token: this.#resumeToken, lastEventSeq: this.#lastEventSeq };
  }

  opened({ payload }: Envelope<'session.accepted'>): void {
    const { session_id: id, runtime, capabilities, resume_token } = payload;
    const former = this.#current;
    const agents = inventoryOf(capabilities);
    this.#current = { id, runtime, capabilities, agents };
    this.#resumeToken = resume_token;
    this.#lastEventSeq = 0;
    this.#goOn(false);
    if (former !== undefined) this.#tellAgents(former.agents, agents);
  }

  resumed({ payload }: Envelope<'session.resumed'>): void {
    this.#resumeToken = payload.resume_token;
    this.#goOn(true);
  }

  receive(envelope: AnyEnvelope, size: number): void {
    if (this.#isForeign(envelope.session_id)) {
      this.#unrouted(envelope);
      return;
    }
    if (envelope.event_seq !== undefined && !this.#isNext(envelope.event_seq)) return;
    if (this.#hosting?.receive(envelope, size) === true) return;
    if (this.#calls.answer(envelope, size)) return;
    if (envelope.type === 'stream.error' && envelope.stream_id !== undefined)
      this.#inputs.get(envelope.stream_id)?.fail(ArcpError.fromPayload(envelope.payload));
    const agents = agentsTold(envelope);
    if (agents !== undefined) {
      this.#takeAgents(agents);
      return;
    }
    if (isJobEvent(envelope)) {
      this.questions.note(envelope);
      if (!this.#jobs.route(envelope, size) && !this.#cancelAbandoned(envelope)) this.#unrouted(envelope);
      return;
    }
    this.#control(envelope);
  }

  undecodable(refusal: Refusal, frame: string): void {
    const { event_seq, correlation_id, job_id, session_id } = headOf(frame);
    if (this.#isForeign(session_id)) return;
    if (event_seq !== undefined && !this.#isNext(event_seq)) return;
    const type = refusal.type ?? 'frame';
    const error = new ArcpError(
      'INTERNAL',
      `the runtime sent a ${type} that cannot be read: ${refusal.message}`,
    );
    if (correlation_id !== undefined) {
      this.#calls.reject(correlation_id, error);
      this.#hosting?.unreadable(correlation_id, error);
    }
    if (job_id !== undefined && isTerminalType(type)) this.#jobs.lose(job_id, error);
    this.listeners.tell('notice', { kind: 'undecodable', refusal });
  }

  waiting(error: ArcpError, delayMs: number): void {
    this.#acks.stop();
    if (this.#resumeToken === undefined) {
      this.#loseSession(
        new ArcpError('UNAVAILABLE', `${error.message}, and the session cannot be resumed`, { cause: error }),
      );
    }
    this.listeners.tell('connection', { state: 'waiting', error, delayMs });
  }

  unresumable(error: ArcpError): void {
    this.#loseSession(error);
  }

  closed(error: ArcpError): void {
    this.#acks.stop();
    this.#calls.rejectAll(error);
    this.#jobs.loseAll(error);
    this.#settleReady?.reject(error);
    this.#hosting?.closed(error);
    this.#tellClosed(error);
    this.listeners.tell('connection', { state: 'closed', error });
  }

  #goOn(resumed: boolean): void {
    // What the runtime wished for may be out of date; it will say so again.
    for (const input of this.#inputs.values()) input.wish({});
    this.#acks.restart(this.#lastEventSeq);
    if (resumed) this.#hosting?.resumed();
    else this.#hosting?.opened((frame) => this.#connection.send(frame));
    this.#calls.sendAll();
    this.#settleReady?.resolve();
    this.#settleReady = undefined;
    this.listeners.tell('connection', { state: 'open', resumed });
  }

  #takeAgents(agents: Inventory): void {
    const { agents: former } = this.current;
    this.#current = { ...this.current, agents };
    this.#tellAgents(former, agents);
  }

  #tellAgents(former: Inventory, agents: Inventory): void {
    if (JSON.stringify(agents) !== JSON.stringify(former)) this.listeners.tell('agents', agents);
  }

  #control(envelope: AnyEnvelope): void {
    const { type, id } = envelope;
    if (type === 'ping') {
      this.#post({ type: 'pong', payload: { nonce: envelope.payload.nonce }, correlation_id: id });
    } else if (type === 'session.ping') {
      const received_at = new Date(this.#settings.clock.now()).toISOString();
      const payload = { ping_nonce: envelope.payload.nonce, received_at };
      this.#post({ type: 'session.pong', payload, correlation_id: id });
    } else if (type === 'backpressure') {
      if (envelope.stream_id !== undefined) this.#inputs.get(envelope.stream_id)?.wish(envelope.payload);
    } else if (type === 'nack') {
      const error = ArcpError.fromPayload(envelope.payload);
      this.listeners.tell('notice', { kind: 'nack', error, envelope });
    } else if (type === 'session.closed') {
      this.#connection.farewellAnswered();
    } else if (type === 'session.refresh') {
      this.#authenticateAgain(envelope.payload).catch((error: unknown) => {
        this.listeners.tell('notice', { kind: 'refresh-failed', error: ArcpError.from(error) });
      });
    } else if (type === 'session.evicted') {
      const { code, message } = envelope.payload;
      this.#connection.close(new ArcpError(code, message ?? 'the runtime ended the session'));
    } else if (!LATE_ANSWERS.has(type)) {
      this.#unrouted(envelope);
    }
  }

  /** Shows the token that counts now. Where that is refused, the runtime ends the session at its deadline. */
  async #authenticateAgain({ challenge }: Payload<'session.refresh'>): Promise<void> {
    const { credentials, respond } = this.#settings;
    let response: string;
    if (challenge !== undefined && respond !== undefined)
      response = await respond({ challenge, challenge_id: challenge, type: 'opaque' });
    else if (credentials.token !== undefined) response = await currentToken(credentials.token);
    else throw new ArcpError('UNAUTHENTICATED', 'there is no token to show');
    await this.issue({
      message: { type: 'session.authenticate', payload: { response, challenge_id: challenge } },
      repeat: 'fresh-id',
      read: ({ type }) => (type === 'ack' ? { kind: 'resolved', value: undefined } : { kind: 'unrelated' }),
    });
  }

  /** (C4) */
  #isForeign(sessionId: string | undefined): boolean {
    return sessionId !== undefined && this.#current !== undefined && sessionId !== this.#current.id;
  }

  /** (C1) Whether this event is the one to take now. */
  #isNext(eventSeq: number): boolean {
    const expected = this.#lastEventSeq + 1;
    if (eventSeq < expected) return false;
    this.#lastEventSeq = eventSeq;
    this.#acks.received(eventSeq);
    if (eventSeq > expected) {
      const error = new ArcpError(
        'DATA_LOSS',
        `events ${expected} to ${eventSeq - 1} of the session are missing`,
        {
          details: { expected, got: eventSeq },
        },
      );
      this.#calls.rejectSent(error, 'same-id');
      this.#jobs.loseAll(error);
      this.listeners.tell('notice', { kind: 'gap', error });
    }
    return true;
  }

  #loseSession(error: ArcpError): void {
    this.#resumeToken = undefined;
    this.#calls.rejectSent(error);
    this.#jobs.loseAll(error);
    this.questions.clear();
  }

  /** A job that was accepted after its command had been given up: nobody wants it. */
  #cancelAbandoned(envelope: AnyEnvelope): boolean {
    const { type, correlation_id } = envelope;
    if (type !== 'job.accepted' || correlation_id === undefined) return false;
    // Whoever scheduled it did not wait for it.
    if (envelope.payload.schedule_id !== undefined) return false;
    if (!this.#calls.takeAbandoned(correlation_id)) return false;
    this.#cancelQuietly(envelope.payload.job_id, 'the client no longer waits for it');
    return true;
  }

  #cancelOnAbort(job: Job, signal: AbortSignal): void {
    const abort = (): void => this.#cancelQuietly(job.id, 'aborted by the client');
    signal.addEventListener('abort', abort, { once: true });
    job.onEnd(() => signal.removeEventListener('abort', abort));
  }

  #cancelQuietly(jobId: JobId, reason: string): void {
    this.cancel(jobId, { reason }).catch((error: unknown) => {
      if (error instanceof ArcpError) this.listeners.tell('notice', { kind: 'cancel-failed', jobId, error });
    });
  }

  #unrouted(envelope: AnyEnvelope): void {
    this.listeners.tell('notice', { kind: 'unrouted', envelope });
  }

  #post(message: OutboundMessage): void {
    this.#connection.send(this.#frame(message));
  }

  #frame(message: OutboundMessage): string {
    return encodeFrame(newMessageId(), this.#current?.id, encodeBody(message, this.#settings.clock.now()));
  }
}

/** Answers that mean nothing when nobody waits for them any more. */
const LATE_ANSWERS: ReadonlySet<string> = new Set([
  'ack',
  'pong',
  'session.pong',
  'session.jobs',
  'session.schedules',
  'job.subscribed',
  'artifact.put',
  'artifact.ref',
  'cancel.accepted',
  'cancel.refused',
]);

/** What an answer other than `job.accepted` means to a command that starts a job. */
function refusalOfStart(envelope: AnyEnvelope): ArcpError | undefined {
  if (envelope.type === 'job.failed' || envelope.type === 'tool.error') {
    return ArcpError.fromPayload(envelope.payload);
  }
  if (envelope.type === 'job.cancelled') return cancelledError(envelope.payload);
  if (envelope.type === 'job.completed') {
    return new ArcpError('INTERNAL', 'the runtime completed a job that it had not accepted');
  }
  return undefined;
}

function inventoryOf(capabilities: Capabilities): Inventory {
  try {
    return parseInventory(capabilities.agents ?? []);
  } catch {
    return [];
  }
}

/** `cancel.refused.reason` is one of these words with our runtime, and free text with others. */
const REFUSAL_CODES: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['already_terminal', 'FAILED_PRECONDITION'],
  ['not_cancellable', 'FAILED_PRECONDITION'],
  ['not_found', 'NOT_FOUND'],
  ['permission_denied', 'PERMISSION_DENIED'],
]);

function refusedCancel({ reason, target_id }: Payload<'cancel.refused'>): ArcpError {
  const code = REFUSAL_CODES.get(reason) ?? 'FAILED_PRECONDITION';
  return new ArcpError(code, `cancel of ${target_id} refused: ${reason}`, {
    details: { reason },
  });
}

/** What can be told of a frame that does not decode as a whole. */
function headOf(frame: string): {
  readonly event_seq?: number;
  readonly correlation_id?: MessageId;
  readonly job_id?: JobId;
  readonly session_id?: string;
} {
  try {
    const value: unknown = JSON.parse(frame);
    if (typeof value !== 'object' || value === null) return {};
    const head: { event_seq?: unknown; correlation_id?: unknown; job_id?: unknown; session_id?: unknown } =
      value;
    const { event_seq, correlation_id, job_id, session_id } = head;
    return {
      ...(typeof event_seq === 'number' && Number.isSafeInteger(event_seq) ? { event_seq } : {}),
      ...(typeof correlation_id === 'string' && isId('message', correlation_id) ? { correlation_id } : {}),
      ...(typeof job_id === 'string' && isId('job', job_id) ? { job_id } : {}),
      ...(typeof session_id === 'string' ? { session_id } : {}),
    };
  } catch {
    return {};
  }
}
