/**
 * A session: a principal, what was negotiated, and a numbering of what it is told (law L3). Connections attach to it
 * and drop off; while none is attached its outbox goes on counting.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Capabilities } from '../protocol/capabilities.js';
import { ID_PREFIXES, type SessionId } from '../protocol/ids.js';
import { digestOf } from './authenticator.js';
import type { Timer } from '../clock.js';
import type { EventLog } from './event-log.js';
import type { Limits } from './limits.js';
import type { Outbox } from './outbox.js';
import type { Peer } from './peer.js';
import { SessionLog, type SessionLogContext } from './session-log.js';
import type { Requester } from './submission.js';
import { RememberedIds } from './remembered-ids.js';

export interface SessionIdentity {
  readonly id: SessionId;
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
  readonly capabilities: Capabilities;
  /** How often its running jobs must show a sign of life. */
  readonly heartbeatMs: number;
}

type Attachment =
  | { readonly kind: 'attached'; readonly peer: Peer }
  | { readonly kind: 'detached'; readonly expiry: Timer }
  | { readonly kind: 'ended' };

export class Session {
  readonly identity: SessionIdentity;
  readonly outbox: Outbox;
  /** On whose behalf its jobs run. */
  readonly requester: Requester;
  /** Extensions whose messages this session can take (decision 17). */
  readonly extensions: Set<string>;
  #attachment: Attachment = { kind: 'ended' };
  #resumeDigest: Buffer | undefined;
  /** Of the token that the present one replaced, until the client has shown that it has the new one. */
  #replacedDigest: Buffer | undefined;
  #log: SessionLog | undefined;
  #remembered: RememberedIds | undefined;

  constructor(identity: SessionIdentity, outbox: Outbox) {
    this.identity = identity;
    this.outbox = outbox;
    const { principal, quota, id: sessionId, heartbeatMs } = identity;
    this.requester = { principal, quota, sessionId, heartbeatMs };
    this.extensions = new Set(identity.capabilities.extensions);
  }

  get id(): SessionId {
    return this.identity.id;
  }

  get principal(): string {
    return this.identity.principal;
  }

  get peer(): Peer | undefined {
    return this.#attachment.kind === 'attached' ? this.#attachment.peer : undefined;
  }

  /** The log for what happens to this session and to no job. */
  log(context: SessionLogContext): EventLog {
    return (this.#log ??= new SessionLog(this.id, this.outbox)).current(context);
  }

  /** The names of that log's parts. */
  get logs(): readonly string[] {
    return this.#log?.names ?? [];
  }

  /** Connects a peer that has every event up to `after`. */
  attach(peer: Peer, after: number): void {
    this.#release();
    this.#attachment = { kind: 'attached', peer };
    this.outbox.attach(peer, after);
  }

  detach(expiry: Timer): void {
    this.#release();
    this.#attachment = { kind: 'detached', expiry };
    this.outbox.detach();
  }

  end(): void {
    this.#release();
    this.#attachment = { kind: 'ended' };
    this.#resumeDigest = undefined;
    this.#replacedDigest = undefined;
    this.outbox.close();
  }

  #release(): void {
    if (this.#attachment.kind === 'detached') this.#attachment.expiry.cancel();
  }

  /** A fresh resume token. The one that it replaces lives until the client speaks (decision 12). */
  rotateResumeToken(): string {
    const token = `${ID_PREFIXES.resumeToken}_${this.id.slice(ID_PREFIXES.session.length + 1)}.${randomBytes(24).toString('base64url')}`;
    this.#resumeDigest = digestOf(token);
    return token;
  }

  /** Whether the session can be resumed with this token. */
  takesResumeToken(token: string): boolean {
    const digest = digestOf(token);
    const genuine = [this.#resumeDigest, this.#replacedDigest].some(
      (known) => known !== undefined && timingSafeEqual(known, digest),
    );
    if (genuine) this.#replacedDigest = digest;
    return genuine;
  }

  /** The client has spoken on its new connection, so the new token reached it, and the old one dies (decision 12). */
  confirmResumeToken(): void {
    this.#replacedDigest = undefined;
  }

  /** Whether a command with this id came before; remembers it if not (RFC 0001 §6.4). */
  sawBefore(messageId: string, limits: Limits): boolean {
    this.#remembered ??= new RememberedIds(limits.maxRememberedCommands);
    return !this.#remembered.add(messageId);
  }
}

/** The session that a resume token names. Whether the token is genuine is for the session to say. */
export function sessionOfResumeToken(token: string): SessionId | undefined {
  const [body, secret] = token.slice(ID_PREFIXES.resumeToken.length + 1).split('.');
  if (!token.startsWith(`${ID_PREFIXES.resumeToken}_`) || body === undefined || secret === undefined)
    return undefined;
  return `${ID_PREFIXES.session}_${body}`;
}
