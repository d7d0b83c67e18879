/** The sessions of a runtime: opened, detached when their connection drops, resumed, and ended (laws L3 and L7). */
import { sessionCapabilities, type Capabilities } from '../protocol/capabilities.js';
import { ArcpError } from '../protocol/errors.js';
import type { OptIn } from '../protocol/extensions.js';
import { MESSAGES, type MessageRule, type MessageType } from '../protocol/messages.js';
import type { TrustLevel } from '../protocol/trust-level.js';
import { anonymousPrincipal } from './authenticator.js';
import type { Clock } from '../clock.js';
import type { Journal } from './journal.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import { EventsForgotten, Outbox } from './outbox.js';
import { Session, sessionOfResumeToken, type SessionIdentity, type SessionRecord } from './session.js';
import { sessionOfLog } from './session-log.js';
import type { SessionCredential } from './standing.js';
import type { SessionTerms } from './peer.js';
import type { Store, StoredRecord } from '../store/store.js';
import { CLOSE_CODES } from '../transport/transport.js';
import type { Watched } from './watching.js';

export interface SessionTableOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly store: Store;
  readonly journal: Journal;
  /** What there is to watch. */
  readonly watched: Watched;
  /** What the runtime advertises at the moment. */
  readonly capabilities: () => Capabilities;
  /** Whether the events of this log can still be read. */
  readonly isKept: (log: string) => boolean;
  /** An event as this session may see it. */
  readonly disclose: (record: StoredRecord, sessionId: string) => StoredRecord;
  /** Forgets logs. */
  readonly drop: (logs: readonly string[]) => void;
}

export interface SessionRequest {
  readonly id: SessionIdentity['id'];
  readonly principal: string;
  readonly quota: string;
  readonly clientCapabilities: Capabilities;
  readonly trust: TrustLevel;
  readonly terms: SessionTerms;
  readonly credential: SessionCredential | undefined;
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

  /** Those that have a connection at the moment. */
  connected(): Session[] {
    return [...this.#sessions.values()].filter(({ peer }) => peer !== undefined);
  }

  find(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /**
   * Whether somebody of this principal could take a message of this type: a session that is connected or can be resumed.
   * Where there is none at all, its next one may still come, but for an anonymous principal, who was one session
   * (decision 17).
   */
  couldReach(principal: string, sessionId: string, type: MessageType): boolean {
    const { extension }: MessageRule = MESSAGES[type];
    let isAnybodyThere = false;
    for (const session of this.#sessions.values()) {
      if (session.principal !== principal) continue;
      if (extension === undefined || session.extensions.has(extension)) return true;
      isAnybodyThere = true;
    }
    return !isAnybodyThere && principal !== anonymousPrincipal(sessionId);
  }

  /** Throws UNAVAILABLE while the runtime ends, RESOURCE_EXHAUSTED at the limit. */
  open({ id, principal, quota, clientCapabilities, terms, trust, credential }: SessionRequest): Session {
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
    const session = this.#add({ id, principal, quota, capabilities, heartbeatMs, terms, trust });
    session.credential = credential;
    return session;
  }

  #add(identity: SessionIdentity): Session {
    const { id, quota } = identity;
    const { store, limits, disclose } = this.#options;
    const cannotReplay = (eventSeq: number, error: unknown): void => {
      this.#cannotReplay(id, eventSeq, error);
    };
    const outbox = new Outbox(store, limits, cannotReplay, (record) => disclose(record, id));
    const session = new Session(identity, outbox, this.#options.watched);
    this.#byQuota.set(quota, (this.#byQuota.get(quota) ?? 0) + 1);
    this.#sessions.set(id, session);
    return session;
  }

  /** Takes a session up again that the store kept: detached, until its client comes or its window closes. */
  restore(record: SessionRecord, revision: number): Session {
    const { clock, limits } = this.#options;
    const session = this.#add(record.identity);
    session.restore(record);
    session.revision = revision;
    this.#detachUntil(session, record.expiresAt ?? clock.now() + limits.resumeWindowMs);
    return session;
  }

  /**
   * Keeps the session as it is now (law L3), and then calls back: with the error, when the store refuses. A store that
   * forgets at exit has no use for it.
   */
  save(session: Session, settled: (error?: unknown) => void = () => undefined): void {
    if (!this.#options.store.durable) {
      settled();
      return;
    }
    this.#put(session, JSON.stringify(session.record()), settled);
  }

  /** The client can take the messages of an extension from now on: it has sent one itself (decision 17). */
  optIn(session: Session, extension: OptIn): void {
    if (session.extensions.has(extension)) return;
    session.extensions.add(extension);
    this.save(session);
  }

  #put(session: Session, text: string | undefined, settled: (error?: unknown) => void): void {
    session.revision += 1;
    this.#options.journal.append({
      kind: 'document',
      key: documentKey(session.id),
      revision: session.revision,
      text,
      settled: (error) => {
        if (error !== undefined) session.revision -= 1;
        settled(error);
      },
    });
  }

  /**
   * The session that the token names, ready to be attached; or why it cannot be resumed (decision 12).
   *
   * @param principal who asks, where that was established
   */
  resume(token: string, lastEventSeq: number, principal?: string): Session | ArcpError {
    const id = sessionOfResumeToken(token);
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (session?.takesResumeToken(token) !== true) {
      return new ArcpError('RESUME_WINDOW_EXPIRED', 'no session can be resumed with this token');
    }
    if (principal !== undefined && principal !== session.principal) {
      return new ArcpError('PERMISSION_DENIED', 'the session belongs to another principal');
    }
    const { outbox } = session;
    if (this.covers(session, lastEventSeq)) return session;
    const details = { last_event_seq: outbox.lastSeq, oldest_event_seq: outbox.oldestReplayable };
    if (lastEventSeq > outbox.lastSeq) {
      // The client is wrong, not the session: it stays as it is.
      const message = `the session was told ${outbox.lastSeq} events, not ${lastEventSeq}`;
      return new ArcpError('RESUME_WINDOW_EXPIRED', message, { details });
    }
    session.peer?.close(CLOSE_CODES.normal, 'the session could not be resumed');
    this.end(session);
    return new ArcpError('RESUME_WINDOW_EXPIRED', `events after ${lastEventSeq} are not kept`, { details });
  }

  /** Notes in each session that was told of these logs how far its numbering had come with them. */
  async noteBefore(logs: ReadonlySet<string>): Promise<void> {
    const { position } = this.#options.journal;
    const noted: Promise<void>[] = [];
    for (const session of this.#sessions.values()) {
      const note = session.noteBefore(logs, position);
      if (note === undefined) continue;
      session.note = note;
      noted.push(this.#saved(session));
    }
    await Promise.all(noted);
  }

  #saved(session: Session): Promise<void> {
    return new Promise((resolve, reject) => {
      this.save(session, (error) => {
        if (error === undefined) resolve();
        else reject(ArcpError.from(error));
      });
    });
  }

  /** Resolves once every connection has been given everything that its session was told by now. */
  async caughtUp(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map(({ outbox }) => outbox.caughtUp()));
  }

  /** Whether everything that the session was told after `lastEventSeq` can be told again. */
  covers({ outbox }: Session, lastEventSeq: number): boolean {
    return (
      lastEventSeq <= outbox.lastSeq &&
      lastEventSeq >= outbox.oldestReplayable &&
      [...outbox.logsAfter(lastEventSeq)].every((log) => this.#isKept(log))
    );
  }

  #isKept(log: string): boolean {
    if (this.#options.isKept(log)) return true;
    return this.#sessions.get(sessionOfLog(log))?.logs.includes(log) === true;
  }

  /** The connection dropped; the session waits for its client. */
  detach(session: Session): void {
    const { clock, limits } = this.#options;
    const expiresAt = clock.now() + limits.resumeWindowMs;
    this.#detachUntil(session, expiresAt);
    this.save(session);
  }

  #detachUntil(session: Session, expiresAt: number): void {
    const { clock, logger } = this.#options;
    session.detach(
      expiresAt,
      clock.timer(expiresAt - clock.now(), () => {
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
    if (session.revision > 0) this.#put(session, undefined, () => undefined);
  }

  /** The runtime goes away. Where the store is durable its sessions wait for the next one; elsewhere they end. */
  close(reason: string): void {
    this.#closing = true;
    for (const session of [...this.#sessions.values()]) {
      const { peer } = session;
      if (this.#options.store.durable) {
        if (peer !== undefined) this.detach(session);
        session.release();
      } else {
        this.end(session);
      }
      peer?.close(CLOSE_CODES.goingAway, reason);
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

/** What the keys of sessions' documents begin with. */
export const SESSION_DOCUMENTS = 'session/';

function documentKey(id: string): string {
  return `${SESSION_DOCUMENTS}${id}`;
}
