/**
 * Agents that run here and are hosted there: `host` dials in to a runtime and does the jobs of its agents.
 *
 * (D1) The first attempt to connect is the only one until it has succeeded; after that the host comes back by itself, and
 *      resumes: its jobs go on, and nothing that was said is lost or done twice.
 * (D2) `close` drains: nothing new is given, what runs is finished, and the runtime has all of it before the session ends.
 *      What is not finished in time is given up: another host goes on with it, or it fails, by its agent's recovery mode.
 */
import { openSession, type ConnectOptions } from '../client/connect.js';
import { DEFAULT_RECONNECT } from '../client/backoff.js';
import { clientLimits } from '../client/limits.js';
import type { ConnectionChange } from '../client/listeners.js';
import type { ClientSession, SessionInfo } from '../client/session.js';
import { systemClock, type Clock, type Timer } from '../clock.js';
import type { Agent } from '../agents/agent.js';
import { ArcpError } from '../protocol/errors.js';
import { OPT_IN } from '../protocol/extensions.js';
import { isJsonObject } from '../protocol/scalars.js';
import type { HostedEnd } from './hosted-job.js';
import { HostedJobs } from './hosted-jobs.js';
import { offersOf } from './offers.js';

export interface HostOptions extends Omit<ConnectOptions, 'capabilities'> {
  /** What `defineAgent` makes. Agents with the same name and version may be hosted elsewhere too: their hosts share the jobs. */
  readonly agents: readonly Agent[];
  /** Jobs of each agent at once. Default: what the runtime takes (16). */
  readonly maxJobs?: number;
  /** What the names of the agents begin with there. Default: nothing, they are what they are. */
  readonly scope?: string;
  /** Told of each job that begins and ends here. */
  readonly onJob?: (change: JobChange) => void;
  /** Told when the connection is lost, is there again, or is gone for good. */
  readonly onConnection?: (change: ConnectionChange) => void;
}

/** `lost`: it ended here, but the runtime does not hear it any more; whatever becomes of the job is decided there. */
export interface JobChange {
  readonly jobId: string;
  /** `name@version`. */
  readonly agent: string;
  readonly attempt: number;
  readonly state: 'started' | HostedEnd['state'];
  readonly error?: ArcpError;
}

/** Why an agent is not hosted. */
export interface RefusedAgent {
  readonly agent: string;
  readonly code: string;
  readonly message: string;
}

export interface HostCloseOptions {
  readonly reason?: string;
  /** How long jobs may go on, in milliseconds. Default 30,000; 0 gives them up at once. */
  readonly drainMs?: number;
}

/** How long agents that were given up may take to return. */
const FAREWELL_MS = 2_000;

export class Host {
  readonly #session: ClientSession;
  readonly #jobs: HostedJobs;
  readonly #clock: Clock;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(session: ClientSession, jobs: HostedJobs, clock: Clock) {
    this.#session = session;
    this.#jobs = jobs;
    this.#clock = clock;
  }

  /** The session that is open, or that was last. */
  get session(): SessionInfo {
    const { id, runtime, capabilities } = this.#session.current;
    return { id, runtime, capabilities };
  }

  /** What the runtime hosts of the agents that were offered, as `name@version`. */
  get hosted(): readonly string[] {
    return hostingOf(this.#session).hosted;
  }

  /** What it does not, and why. */
  get refused(): readonly RefusedAgent[] {
    return hostingOf(this.#session).refused;
  }

  /** Jobs that run here. */
  get jobs(): number {
    return this.#jobs.count;
  }

  /** Resolves, with the reason, once the host is closed for good: by `close`, or because it could not come back. */
  get closed(): Promise<ArcpError> {
    return this.#session.closing;
  }

  /** Ends in order (D2). Never rejects; further calls change nothing. */
  close({ reason = 'the host was closed', drainMs = 30_000 }: HostCloseOptions = {}): Promise<void> {
    return (this.#closing ??= this.#close(reason, drainMs));
  }

  async #close(reason: string, drainMs: number): Promise<void> {
    if (drainMs > 0 && this.#jobs.isConnected) {
      this.#jobs.drain();
      await this.#within(drainMs, this.#jobs.settled(), this.#session.closing);
    }
    const error = new ArcpError('CANCELLED', reason);
    await this.#session.close(error, { reason });
    this.#jobs.loseAll(new ArcpError('ABORTED', reason));
    await this.#within(FAREWELL_MS, this.#jobs.returned());
  }

  /** Resolves with the first of these, or when the time is up. */
  async #within(ms: number, ...events: readonly Promise<unknown>[]): Promise<void> {
    let timer: Timer | undefined;
    const time = new Promise<void>((resolve) => {
      timer = this.#clock.timer(ms, resolve);
    });
    await Promise.race([...events, time]);
    timer?.cancel();
  }
}

/**
 * Connects to a runtime and hosts `agents` there. Rejects like `connect`, and with PERMISSION_DENIED or what else refuses
 * them where not one of them is hosted; `Host.refused` says what is not.
 *
 * @example
 * const worker = await host('ws://127.0.0.1:7777', { token, agents: [greeter] });
 * await worker.close();
 */
export async function host(url: string | URL, options: HostOptions): Promise<Host> {
  const { agents, maxJobs, scope = '', onJob, onConnection, clock = systemClock, ...connecting } = options;
  const offers = offersOf(agents, maxJobs, scope);
  if (offers.length === 0) throw new ArcpError('INVALID_ARGUMENT', 'there are no agents to host');
  const jobs = new HostedJobs({
    agents,
    scope,
    clock,
    maxFrameBytes: clientLimits(options.limits).maxFrameBytes,
    began: ({ jobId, agent, attempt }) => onJob?.({ jobId, agent, attempt, state: 'started' }),
    ended: ({ jobId, agent, attempt }, end) => onJob?.({ jobId, agent, attempt, ...end }),
  });
  const isExpected = options.expectFingerprint !== undefined;
  const session = await openSession(
    url,
    {
      ...connecting,
      clock,
      // A worker waits for its runtime: it has nothing else to do.
      reconnect:
        options.reconnect === false
          ? false
          : { ...DEFAULT_RECONNECT, maxAttempts: Infinity, ...options.reconnect },
      capabilities: { agents: offers, extensions: [OPT_IN.host, ...(isExpected ? [OPT_IN.identity] : [])] },
    },
    jobs,
  );
  if (onConnection !== undefined) session.listeners.add('connection', onConnection);
  const { hosted, refused } = hostingOf(session);
  if (hosted.length > 0) return new Host(session, jobs, clock);
  const [first] = refused;
  const error = new ArcpError(
    first === undefined ? 'UNIMPLEMENTED' : 'PERMISSION_DENIED',
    first === undefined
      ? 'the runtime does not host agents that dial in'
      : `not one agent is hosted: ${first.agent}: ${first.code}: ${first.message}`,
    { details: { refused } },
  );
  await session.close(error, { reason: 'nothing is hosted' });
  throw error;
}

function hostingOf(session: ClientSession): {
  readonly hosted: readonly string[];
  readonly refused: readonly RefusedAgent[];
} {
  const provider = session.current.capabilities['provider'];
  if (!isJsonObject(provider)) return { hosted: [], refused: [] };
  const { hosted = [], refused = [] } = provider;
  return { hosted: hosted as string[], refused: refused as RefusedAgent[] };
}
