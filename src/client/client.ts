/** The client: one session with a runtime, for as many jobs as you like. Made by `connect`. */
import { ArcpError, type InventoryEntry, type JobId } from '../protocol/index.js';
import type { Clock } from '../clock.js';
import type { CancelOptions, Job } from './job.js';
import type { ClientEvents } from './listeners.js';
import type { ClientSession, SessionInfo } from './session.js';

interface StartOptions {
  /** Limits on spending, as `CURRENCY:decimal`: `['USD:5.00']`. */
  readonly budget?: readonly string[];
  /** `lease_request` as it goes on the wire: `cost_budget`, `model_use`, `expires_at` and what else a runtime knows. */
  readonly leaseRequest?: Readonly<Record<string, unknown>>;
  /** A repeat with the same key gets the same job instead of a second one, for 24 hours (decision 11). */
  readonly idempotencyKey?: string;
  readonly priority?: 'low' | 'normal' | 'high' | 'critical';
  readonly traceId?: string;
  /** Aborting gives the command up, or cancels the job once it is accepted. */
  readonly signal?: AbortSignal;
}

export type InvokeOptions = StartOptions;

export interface DelegateOptions extends StartOptions {
  /** One sentence on what is asked for. */
  readonly task?: string;
  readonly context?: Readonly<Record<string, unknown>>;
  /** The child's arguments. Without them it gets `{task, context}`. */
  readonly arguments?: unknown;
  /** The job on whose behalf this is; the new job becomes its child. */
  readonly parentJobId?: JobId;
}

export interface CloseOptions {
  readonly reason?: string;
  /** Also cancel the session's jobs. Otherwise they go on in the runtime (decision 21). */
  readonly cancelJobs?: boolean;
}

export class Client {
  readonly #session: ClientSession;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(session: ClientSession, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  /** The session that is open, or that was last. Another one after a reconnect that could not resume. */
  get session(): SessionInfo {
    const { id, runtime, capabilities } = this.#session.current;
    return { id, runtime, capabilities };
  }

  /** Resolves, with the reason, once the client is closed for good: by `close`, or after too many failed attempts. */
  get closed(): Promise<ArcpError> {
    return this.#session.closing;
  }

  /** Calls and jobs that the client still follows. */
  get inFlight(): { readonly calls: number; readonly jobs: number } {
    return this.#session.inFlight;
  }

  /** The agents that the runtime advertised when the session was opened. */
  agents(): readonly InventoryEntry[] {
    return this.#session.current.agents;
  }

  /**
   * Starts a job of `agent` (`name` or `name@version`) and resolves when it is accepted. Rejects with the runtime's
   * error when it is refused, with DEADLINE_EXCEEDED when no answer comes, and with UNAVAILABLE or
   * RESUME_WINDOW_EXPIRED when the session is lost before it; the last two may have started the job all the same, so
   * that a retry wants an `idempotencyKey`. An unknown agent is accepted first, and its job then fails (decision 2).
   *
   * @example
   * const job = await client.invoke('echo@1.0.0', { hello: 'world' }, { budget: ['USD:1.00'] });
   * for await (const event of job) {
   *   if (event.type === 'job.progress') report(event.payload.percent, event.payload.message);
   * }
   * const { value } = await job.result();
   */
  invoke(agent: string, args: unknown = {}, options: InvokeOptions = {}): Promise<Job> {
    const payload = { tool: agent, arguments: args, ...authority(options) };
    return this.#session.startJob({ type: 'tool.invoke', payload, ...fields(options) }, options.signal);
  }

  /** Starts a job by `agent.delegate`: as a child of `parentJobId` where given. Resolves and rejects like `invoke`. */
  delegate(target: string, options: DelegateOptions = {}): Promise<Job> {
    const { task = '', context, arguments: args, parentJobId } = options;
    const payload = {
      target,
      task,
      context: args === undefined ? context : { ...context, arguments: args },
      ...authority(options),
    };
    return this.#session.startJob(
      { type: 'agent.delegate', payload, job_id: parentJobId, ...fields(options) },
      options.signal,
    );
  }

  /** Asks the runtime to stop any job of this principal; see `Job.cancel`. */
  cancel(jobId: string, options: CancelOptions = {}): Promise<void> {
    return this.#session.cancel(jobId, options);
  }

  /** Milliseconds to the runtime and back. */
  async ping(): Promise<number> {
    const start = this.#clock.now();
    await this.#session.issue({
      message: { type: 'ping', payload: {} },
      repeat: 'fresh-id',
      read: ({ type }) => (type === 'pong' ? { kind: 'resolved', value: undefined } : { kind: 'unrelated' }),
    });
    return this.#clock.now() - start;
  }

  /** Listens to what concerns no call and no job; see `Notice` and `ConnectionChange`. Returns what ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    return this.#session.listeners.add(name, listener);
  }

  /**
   * Ends the session: `session.close`, a moment for its answer, then the socket. Calls and jobs that are still
   * followed end with CANCELLED on this side. Never rejects; further calls do nothing more.
   */
  close({ reason, cancelJobs }: CloseOptions = {}): Promise<void> {
    const farewell = { reason, dispose_jobs: cancelJobs === true ? ('cancel' as const) : undefined };
    const error = new ArcpError('CANCELLED', reason ?? 'the client was closed');
    return (this.#closing ??= this.#session.close(error, farewell).then(() => undefined));
  }
}

function authority({ budget, leaseRequest }: StartOptions) {
  return {
    cost_budget: budget === undefined ? undefined : [...budget],
    lease_request: leaseRequest,
  };
}

function fields({ idempotencyKey, priority, traceId }: StartOptions) {
  return { idempotency_key: idempotencyKey, priority, trace_id: traceId };
}
