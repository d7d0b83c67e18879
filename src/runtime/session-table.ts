/** The sessions of a runtime: opened, detached when their connection drops, resumed, and ended (laws L3 and L7). */
import { sessionCapabilities, type Capabilities } from '../protocol/capabilities.js';
import { ArcpError } from '../protocol/errors.js';
import type { Clock } from '../clock.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import { EventsForgotten, Outbox } from './outbox.js';
import { Session, sessionOfResumeToken, type SessionIdentity } from './session.js';
import type { Store } from '../store/store.js';
import { CLOSE_CODES } from '../transport/transport.js';

export interface SessionTableOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly store: Store;
  /** What the runtime advertises at the moment. */
  readonly capabilities: () => Capabilities;
  /** Whether the events of this log can still be read. */
  readonly isKept: (log: string) => boolean;
  /** Forgets logs. */
  readonly drop: (logs: readonly string[]) => void;
}

export interface SessionRequest {
  readonly id: SessionIdentity['id'];
  readonly principal: string;
  readonly quota: string;
  readonly clientCapabilities: Capabilities;
}

export class SessionTable {
  readonly #options: SessionTableOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #byQuota = new Map<string, number>();
  #closing = false;

  constructor(options: SessionTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  isOpen(id: string): boolean {
    return this.#sessions.has(id);
  }

  find(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** Throws UNAVAILABLE while the runtime ends, RESOURCE_EXHAUSTED at the limit. */
  open({ id, principal, quota, clientCapabilities }: SessionRequest): Session {
    const { limits } = this.#options;
    if (this.#closing) throw new ArcpError('UNAVAILABLE', 'the runtime is shutting down');
    const held = this.#byQuota.get(quota) ?? 0;
    if (held >= limits.maxSessionsPerPrincipal) {
      throw new ArcpError('RESOURCE_EXHAUSTED', `${quota} has ${held} sessions already`);
    }
    const common = sessionCapabilities(this.#options.capabilities(), clientCapabilities);
    const seconds = common.heartbeat_interval_seconds ?? limits.heartbeatIntervalMs / 1000;
    const heartbeatMs = Math.max(limits.minHeartbeatIntervalMs, Math.round(1000 * seconds));
    const capabilities = { ...common, heartbeat_interval_seconds: heartbeatMs / 1000 };
    const session = new Session(
      { id, principal, quota, capabilities, heartbeatMs },
      new Outbox(this.#options.store, limits, (eventSeq, error) => {
        this.#cannotReplay(id, eventSeq, error);
      }),
    );
    this.#byQuota.set(quota, held + 1);
    this.#sessions.set(id, session);
    return session;
  }

  /** The session that the token names, ready to be attached; or why it cannot be resumed (decision 12). */
  resume(token: string, lastEventSeq: number): Session | ArcpError {
    const id = sessionOfResumeToken(token);
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (session?.takesResumeToken(token) !== true) {
      return new ArcpError('RESUME_WINDOW_EXPIRED', 'no session can be resumed with this token');
    }
    const { outbox } = session;
    const covered =
      lastEventSeq <= outbox.lastSeq &&
      lastEventSeq >= outbox.oldestReplayable &&
      [...outbox.logsAfter(lastEventSeq)].every(
        (log) => session.logs.includes(log) || this.#options.isKept(log),
      );
    if (covered) return session;
    const details = { last_event_seq: outbox.lastSeq, oldest_event_seq: outbox.oldestReplayable };
    session.peer?.close(CLOSE_CODES.normal, 'the session could not be resumed');
    this.end(session);
    return new ArcpError('RESUME_WINDOW_EXPIRED', `events after ${lastEventSeq} are not kept`, { details });
  }

  /** The connection dropped; the session waits for its client. */
  detach(session: Session): void {
    const { clock, limits, logger } = this.#options;
    session.detach(
      clock.timer(limits.resumeWindowMs, () => {
        logger.info({ session: session.id }, 'session expired');
        this.end(session);
      }),
    );
  }

  /** The session is over. Its jobs are not touched. */
  end(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    const { quota } = session.identity;
    const held = (this.#byQuota.get(quota) ?? 1) - 1;
    if (held === 0) this.#byQuota.delete(quota);
    else this.#byQuota.set(quota, held);
    session.end();
    if (session.logs.length > 0) this.#options.drop(session.logs);
  }

  /** Ends every session: the runtime goes away. */
  close(reason: string): void {
    this.#closing = true;
    for (const session of [...this.#sessions.values()]) {
      session.peer?.close(CLOSE_CODES.goingAway, reason);
      this.end(session);
    }
  }

  #cannotReplay(id: string, eventSeq: number, error: unknown): void {
    const session = this.#sessions.get(id);
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.logger.error({ session: id, event_seq: eventSeq, reason }, 'cannot replay');
    if (session === undefined) return;
    if (error instanceof EventsForgotten) {
      session.peer?.close(
        CLOSE_CODES.tryAgainLater,
        'events that the client has not seen are no longer kept',
      );
      this.end(session);
    } else {
      session.peer?.close(CLOSE_CODES.tryAgainLater, 'the events could not be read: resume to try again');
    }
  }
}
