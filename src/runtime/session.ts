/**
 * A session: a principal, what was negotiated, and a numbering of what it is told (law L3). Connections attach to it
 * and drop off; while none is attached its outbox goes on counting.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Capabilities } from '../protocol/capabilities.js';
import type { AnyEnvelope } from '../protocol/envelope.js';
import { ID_PREFIXES, type SessionId } from '../protocol/ids.js';
import { ArcpError } from '../protocol/errors.js';
import type { TrustLevel } from '../protocol/trust-level.js';
import { digestOf } from './authenticator.js';
import type { Timer } from '../clock.js';
import type { EventLog } from './event-log.js';
import type { Limits } from './limits.js';
import type { Outbox } from './outbox.js';
import type { Peer, SessionTerms } from './peer.js';
import { SessionLog, type SessionLogContext } from './session-log.js';
import type { Requester } from './submission.js';
import { RememberedIds } from './remembered-ids.js';
import { CLOSE_CODES } from '../transport/transport.js';
import type { InputStream } from './input-stream.js';
import type { SessionCredential } from './standing.js';
import { StrayStreams } from './stray-streams.js';
import { Watching, type Watched, type WatchState } from './watching.js';

export interface SessionIdentity {
  readonly id: SessionId;
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
  readonly capabilities: Capabilities;
  /** How often its running jobs must show a sign of life. */
  readonly heartbeatMs: number;
  readonly terms: SessionTerms;
  /** How far the principal is trusted. */
  readonly trust: TrustLevel;
}

/** A session as the store keeps it. Tokens are kept as digests only (decision 12). */
export interface SessionRecord {
  readonly identity: SessionIdentity;
  readonly extensions: readonly string[];
  /** What let it in, if anything that can be revoked. */
  readonly credential?: SessionCredential | undefined;
  readonly resumeDigest: string | undefined;
  readonly replacedDigest: string | undefined;
  /** When it can no longer be resumed, in milliseconds since the epoch; nothing while it is connected. */
  readonly expiresAt: number | undefined;
  readonly note: NumberingNote | undefined;
  /** The agents that it hosts. */
  readonly hosts?: SessionHosting['advertised'] | undefined;
}

/** How far the numbering had come before logs were forgotten that it counted. */
export interface NumberingNote {
  /** Of the latest commit by then. */
  readonly position: number;
  /** Of the latest event that the session had been told by then. */
  readonly eventSeq: number;
  /** From where on everything is kept: a client that has less cannot resume. */
  readonly oldest: number;
  /** What the session watched when the oldest part of its log began that is kept. */
  readonly from: WatchState | undefined;
}

/** Why a connection is closed whose session goes on. */
export const RESUMED_ELSEWHERE = 'the session was resumed on another connection';

/** What a session that hosts agents does as its connections come and go (`providers/`). */
export interface SessionHosting {
  /** What it offers, as it said it. */
  readonly advertised: NonNullable<Capabilities['agents']>;
  attached(peer: Peer): void;
  detached(): void;
  ended(): void;
  /** The transport has room again. */
  drained(): void;
  /** A message of the client: whether it was for the host of agents. */
  receive(envelope: AnyEnvelope, size: number): boolean;
  /** A message that came before came again. */
  repeated(envelope: AnyEnvelope): void;
}

type Attachment =
  | { readonly kind: 'attached'; readonly peer: Peer; readonly refresh?: OwedRefresh }
  | { readonly kind: 'detached'; readonly expiresAt: number; readonly expiry: Timer }
  | { readonly kind: 'ended' };

/** The client is to show its new credential before the timer fires. */
interface OwedRefresh {
  readonly deadline: Timer;
  /** Answers so far. */
  tries: number;
}

export class Session {
  readonly identity: SessionIdentity;
  readonly outbox: Outbox;
  /** What it watches beside its own jobs. */
  readonly watching: Watching;
  /** Streams that it has open into jobs. */
  readonly inputs = new Set<InputStream>();
  /** Streams that it was told about that they are not open. */
  readonly strays = new StrayStreams();
  /** On whose behalf its jobs run. */
  readonly requester: Requester;
  /** Extensions whose messages this session can take (decision 17). */
  readonly extensions: Set<string>;
  /** What let it in, or has been shown since. */
  credential: SessionCredential | undefined;
  /** Where it hosts agents. */
  hosting: SessionHosting | undefined;
  #attachment: Attachment = { kind: 'ended' };
  /** Whom the store is yet to take it for. */
  #claimant: Peer | undefined;
  #resumeDigest: Buffer | undefined;
  /** Of the token that the present one replaced, until the client has shown that it has the new one. */
  #replacedDigest: Buffer | undefined;
  #log: SessionLog | undefined;
  #remembered: RememberedIds | undefined;
  /** Of its document in the store. */
  revision = 0;
  /** With which its numbering can be rebuilt after logs were forgotten that it counted. */
  note: NumberingNote | undefined;

  constructor(identity: SessionIdentity, outbox: Outbox, watched: Watched) {
    this.identity = identity;
    this.outbox = outbox;
    this.watching = new Watching(this, watched);
    const { principal, quota, id: sessionId, heartbeatMs, terms, trust } = identity;
    this.requester = { principal, quota, sessionId, heartbeatMs, budgetPolicy: terms.budgetPolicy, trust };
    this.extensions = new Set(identity.capabilities.extensions);
  }

  get id(): SessionId {
    return this.identity.id;
  }

  get principal(): string {
    return this.identity.principal;
  }

  get terms(): SessionTerms {
    return this.identity.terms;
  }

  get peer(): Peer | undefined {
    return this.#attachment.kind === 'attached' ? this.#attachment.peer : undefined;
  }

  /** The log for what happens to this session and to no job. */
  log(context: SessionLogContext): EventLog {
    return (this.#log ??= this.#newLog()).current(context);
  }

  #newLog(): SessionLog {
    return new SessionLog(this.id, this.principal, this.watching, this.outbox);
  }

  /** That log's parts. */
  get logParts(): readonly EventLog[] {
    return this.#log?.parts ?? [];
  }

  /** The names of that log's parts. */
  get logs(): readonly string[] {
    return this.#log?.names ?? [];
  }

  /** The peer is to be attached once the store agrees. Whoever claimed it before is told that it was resumed elsewhere. */
  claim(peer: Peer): void {
    this.#claimant?.close(CLOSE_CODES.normal, RESUMED_ELSEWHERE);
    this.#claimant = peer;
  }

  isClaimedBy(peer: Peer): boolean {
    return this.#claimant === peer;
  }

  /** Connects a peer that has every event up to `after`. */
  attach(peer: Peer, after: number): void {
    this.#release();
    this.#claimant = undefined;
    this.#attachment = { kind: 'attached', peer };
    this.outbox.attach(peer, after);
    this.hosting?.attached(peer);
  }

  /** @param expiresAt when it can no longer be resumed, and `expiry` the timer that ends it then */
  detach(expiresAt: number, expiry: Timer): void {
    this.#release();
    this.#claimant = undefined;
    this.#attachment = { kind: 'detached', expiresAt, expiry };
    this.outbox.detach();
    this.hosting?.detached();
  }

  end(): void {
    this.#release();
    this.#claimant = undefined;
    this.#attachment = { kind: 'ended' };
    this.#resumeDigest = undefined;
    this.#replacedDigest = undefined;
    for (const input of this.inputs)
      input.stop(new ArcpError('ABORTED', 'the session of its sender has ended'));
    this.inputs.clear();
    this.watching.close();
    this.outbox.close();
    this.hosting?.ended();
  }

  /** Lets go of its timer: this runtime does nothing more for it. */
  release(): void {
    this.#release();
  }

  #release(): void {
    if (this.#attachment.kind === 'detached') this.#attachment.expiry.cancel();
    this.refreshed();
  }

  /** Whether its client has been asked for a new credential, and has not shown it. */
  get owesRefresh(): boolean {
    return this.#attachment.kind === 'attached' && this.#attachment.refresh !== undefined;
  }

  /** Its client is asked for a new credential, until `deadline` fires. */
  oweRefresh(deadline: Timer): void {
    if (this.#attachment.kind !== 'attached') return;
    this.refreshed();
    this.#attachment = { ...this.#attachment, refresh: { deadline, tries: 0 } };
  }

  /** Nothing is owed any more. */
  refreshed(): void {
    if (this.#attachment.kind !== 'attached') return;
    const { peer, refresh } = this.#attachment;
    refresh?.deadline.cancel();
    this.#attachment = { kind: 'attached', peer };
  }

  /** Counts one more answer to what is owed, and says how many there were. */
  countRefreshTry(): number {
    if (this.#attachment.kind !== 'attached' || this.#attachment.refresh === undefined) return 0;
    this.#attachment.refresh.tries += 1;
    return this.#attachment.refresh.tries;
  }

  /** It has this stream open into a job; those that have ended are let go. */
  feeds(input: InputStream): void {
    for (const one of this.inputs) if (one.isOver) this.inputs.delete(one);
    this.inputs.add(input);
  }

  /** What the store keeps of it. */
  record(): SessionRecord {
    const text = (digest: Buffer | undefined): string | undefined => digest?.toString('base64');
    return {
      identity: this.identity,
      extensions: [...this.extensions],
      credential: this.credential,
      resumeDigest: text(this.#resumeDigest),
      replacedDigest: text(this.#replacedDigest),
      expiresAt: this.#attachment.kind === 'detached' ? this.#attachment.expiresAt : undefined,
      note: this.note,
      hosts: this.hosting?.advertised,
    };
  }

  /** Takes up what the store kept. */
  restore({ extensions, credential, resumeDigest, replacedDigest, note }: SessionRecord): void {
    this.note = note;
    this.credential = credential;
    for (const extension of extensions) this.extensions.add(extension);
    const digest = (text: string | undefined): Buffer | undefined =>
      text === undefined ? undefined : Buffer.from(text, 'base64');
    this.#resumeDigest = digest(resumeDigest);
    this.#replacedDigest = digest(replacedDigest);
  }

  /** Takes up the parts of its log that the store has, oldest first. Their events are yet to be replayed. */
  restoreLog(parts: readonly string[], context: SessionLogContext): void {
    if (parts.length === 0) return;
    this.#log = this.#newLog();
    this.#log.restore(parts, context);
  }

  /** What has to be noted before these logs are forgotten; nothing when the numbering does not need them. */
  noteBefore(logs: ReadonlySet<string>, position: number): NumberingNote | undefined {
    const [oldestPart] = this.logs;
    const from = oldestPart === undefined ? undefined : this.watching.stateBefore(oldestPart);
    const isNews = from !== undefined && from.part !== this.note?.from?.part;
    const latest = this.outbox.latestOf(logs);
    if (latest === undefined && !isNews) return undefined;
    const oldest = Math.max(this.note?.oldest ?? 0, latest ?? 0, from?.eventSeq ?? 0);
    return { position, eventSeq: this.outbox.lastSeq, oldest, from };
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

  /**
   * The client has spoken on its new connection, so the new token reached it, and the old one dies (decision 12).
   * Whether there was an old one.
   */
  confirmResumeToken(): boolean {
    const isNews = this.#replacedDigest !== undefined;
    this.#replacedDigest = undefined;
    return isNews;
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
