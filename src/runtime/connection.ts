/**
 * One connection: the handshake, and then whatever its session's client commands.
 *
 * (C1) It has no session until one was accepted or resumed (`handshake.ts`), and the store has it (L2).
 * (C2) Every frame that cannot be taken is answered with one `nack` and changes nothing (law L6).
 * (C3) A resume that brings credentials is for the session's principal only; without, the token alone decides (decision 12),
 *      unless the credential that let the session in counts no more (S1, S2).
 * (C4) A session has one connection: that of the latest resume. Those before it are closed as soon as its token is taken,
 *      be they attached or waiting for the store, so that no client goes on with a token that is dead.
 * (C5) A connection that has an owner is his: he says who is on it, and its session begins and ends with it (W1, W2).
 */
import type { AnyEnvelope, Envelope, Refusal } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { IdentityStatement } from '../protocol/identity.js';
import type { MessageId } from '../protocol/ids.js';
import { isMessageType, MESSAGES } from '../protocol/messages.js';
import { CLOSE_CODES, type TransportEnd } from '../transport/transport.js';
import { commandFor } from './commands.js';
import { ownersAuthenticators, type ConnectionOwner } from './connection-owner.js';
import type { Engine } from './engine.js';
import { Handshake, type Accepted, type Attempt } from './handshake.js';
import type { Peer, Refused } from './peer.js';
import type { AdvertisedAgents } from './providers/offers.js';
import type { Hosting } from './providers/provider-table.js';
import { RESUMED_ELSEWHERE, type Session } from './session.js';
import { credentialOf, recheck, refuseResume } from './standing.js';

type Phase =
  | { readonly kind: 'greeting'; readonly handshake: Handshake }
  /** Accepted, but the store has yet to take that. What the client sends meanwhile is held. */
  | { readonly kind: 'entering'; readonly session: Session; readonly held: (() => void)[] }
  | { readonly kind: 'open'; readonly session: Session }
  | { readonly kind: 'closed' };

/** What is known of a connection beside what is said on it. */
export interface ConnectionOrigin {
  /** For the logs. */
  readonly address?: string | undefined;
  readonly owner?: ConnectionOwner | undefined;
}

/** Commands that are held while the store takes the session. */
const MAX_HELD = 1_000;

export class Connection {
  readonly #engine: Engine;
  #peer: Peer;
  readonly #address: string | undefined;
  readonly #owner: ConnectionOwner | undefined;
  #phase: Phase;

  constructor(engine: Engine, peer: Peer, { address, owner }: ConnectionOrigin = {}) {
    this.#engine = engine;
    this.#peer = peer;
    this.#address = address;
    this.#owner = owner;
    const handshake = new Handshake(engine, {
      address,
      authenticators: owner === undefined ? engine.authenticators : ownersAuthenticators(owner),
      helloTimeoutMs: owner?.helloTimeoutMs ?? engine.limits.helloTimeoutMs,
      reply: (reply) => {
        this.#peer.reply(reply);
      },
      open: (attempt, outcome) => {
        this.#accept(attempt, outcome);
      },
      resume: (wish, correlationId, principal) => {
        this.#takeUp(wish, correlationId, principal);
      },
      receive: (envelope) => {
        this.receive(envelope);
      },
      nack: (error, correlationId, refused) => {
        this.#nack(error, correlationId, refused);
      },
      close: (reason) => {
        this.#close(reason);
      },
    });
    this.#phase = { kind: 'greeting', handshake };
  }

  /** Whether the next frame may begin a session, and nothing is decided yet. */
  get isGreeting(): boolean {
    return this.#phase.kind === 'greeting' && this.#phase.handshake.isGreeting;
  }

  /** Until a session begins, the other side may turn out to speak another dialect. */
  speakThrough(peer: Peer): void {
    if (this.isGreeting) this.#peer = peer;
  }

  /** A frame that was understood. */
  receive(envelope: AnyEnvelope, size = 0): void {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'open':
        if (phase.session.peer === this.#peer) this.#heard(phase.session, envelope, size);
        break;
      case 'entering':
        this.#hold(phase.held, () => {
          this.receive(envelope, size);
        });
        break;
      case 'greeting':
        phase.handshake.receive(envelope);
        break;
      case 'closed':
        break;
    }
  }

  #hold(held: (() => void)[], act: () => void): void {
    held.push(act);
    if (held.length > MAX_HELD) this.#close('too many commands before the session was accepted');
  }

  /** A frame that was not. */
  refuse(refusal: Refusal): void {
    const phase = this.#phase;
    if (phase.kind === 'closed') return;
    if (phase.kind === 'entering') {
      this.#hold(phase.held, () => {
        this.refuse(refusal);
      });
      return;
    }
    const { code, message, type, optional, kind, traceId } = refusal;
    this.#engine.logger.info({ ...this.#ids(), code, type, reason: message }, 'frame refused');
    if (phase.kind === 'open' && phase.session.peer === this.#peer) phase.session.confirmResumeToken();
    if (kind === 'extension' && optional) return;
    if (phase.kind === 'greeting' && type === 'session.open') {
      phase.handshake.reject(new ArcpError(code, message), refusal.id);
      return;
    }
    const refused = type !== undefined && isMessageType(type) ? { type, traceId } : undefined;
    this.#nack(new ArcpError(code, message), refusal.id, refused);
    if (phase.kind === 'greeting') phase.handshake.countFailure();
  }

  /** The transport is gone. */
  closed(end: TransportEnd): void {
    const phase = this.#phase;
    this.#phase = { kind: 'closed' };
    if (phase.kind === 'greeting') phase.handshake.end();
    if (this.#owner !== undefined) {
      if (phase.kind === 'open' || phase.kind === 'entering') this.#engine.sessions.end(phase.session);
      this.#owner.closed?.(end);
      return;
    }
    if (phase.kind === 'entering' && phase.session.isClaimedBy(this.#peer))
      this.#engine.sessions.detach(phase.session);
    if (phase.kind !== 'open') return;
    this.#engine.logger.info(
      { session: phase.session.id, code: end.code, reason: end.reason },
      'connection lost',
    );
    if (phase.session.peer === this.#peer) this.#engine.sessions.detach(phase.session);
  }

  #ids(): { session?: string; address: string | undefined } {
    const phase = this.#phase;
    return { ...(phase.kind === 'open' ? { session: phase.session.id } : {}), address: this.#address };
  }

  #accept(
    { wish: open, sessionId, correlationId }: Attempt<Envelope<'session.open'>>,
    { principal, quota = principal, trust = this.#engine.trust }: Accepted,
  ): void {
    const { sessions, logger } = this.#engine;
    let session: Session;
    try {
      session = sessions.open({
        id: sessionId,
        principal,
        quota,
        clientCapabilities: open.payload.capabilities,
        terms: this.#peer.terms,
        trust,
        // An owner's token is not among those that the runtime judges.
        credential: this.#owner === undefined ? credentialOf(open.payload.auth) : undefined,
      });
    } catch (error) {
      this.#reject(ArcpError.from(error), correlationId);
      return;
    }
    const { kind, version } = open.payload.client;
    logger.info(
      { session: sessionId, principal, trust, client: kind, version, address: this.#address },
      'session opened',
    );
    const resume_token = session.rotateResumeToken();
    const { agents: advertised = [] } = open.payload.capabilities;
    const hosting: { readonly provider?: Hosting } =
      advertised.length === 0 ? {} : { provider: this.#admit(session, advertised) };
    this.#enter(session, correlationId, () => {
      const { agents } = this.#engine.capabilities;
      this.#peer.reply({
        type: 'session.accepted',
        payload: {
          session_id: sessionId,
          runtime: this.#engine.identity,
          capabilities: { ...session.identity.capabilities, agents, ...hosting },
          trust_level: trust,
          resume_token,
          ...this.#proof('session.accepted', open.payload.nonce, sessionId),
        },
        sessionId,
        correlationId,
      });
      session.attach(this.#peer, 0);
      this.#owner?.opened?.(hosting.provider ?? { hosted: [], refused: [] });
    });
  }

  #admit(session: Session, advertised: AdvertisedAgents): Hosting {
    const { providers } = this.#engine;
    const canCarry = this.#peer.native !== undefined;
    return providers.admit(session, advertised, canCarry, this.#owner?.scope);
  }

  /** That this runtime is who it says, where somebody wants to know. */
  #proof(type: IdentityStatement['type'], nonce: string | undefined, sessionId: string) {
    if (nonce === undefined) return {};
    const { kind, version } = this.#engine.identity;
    return { identity: this.#engine.key.prove({ type, nonce, sessionId, kind, version }) };
  }

  #reject(error: ArcpError, correlationId: MessageId): void {
    if (this.#phase.kind === 'greeting') this.#phase.handshake.reject(error, correlationId);
  }

  /** (C3) */
  #takeUp({ payload }: Envelope<'session.resume'>, id: MessageId, principal: string | undefined): void {
    if (this.#owner !== undefined) {
      this.#reject(new ArcpError('RESUME_WINDOW_EXPIRED', 'this connection begins a session'), id);
      return;
    }
    const outcome = this.#engine.sessions.resume(payload.resume_token, payload.last_event_seq, principal);
    if (outcome instanceof ArcpError) {
      this.#reject(outcome, id);
      return;
    }
    const session = outcome;
    const shown = payload.auth === undefined ? undefined : credentialOf(payload.auth);
    const refusal = refuseResume(this.#engine, session, shown);
    if (refusal !== undefined) {
      this.#reject(refusal, id);
      return;
    }
    session.credential = shown ?? session.credential;
    const { peer: former } = session;
    if (former !== undefined) {
      // Before it has closed, so that its close is not taken for a drop of the connection that comes.
      this.#engine.sessions.detach(session);
      former.close(CLOSE_CODES.normal, RESUMED_ELSEWHERE);
    }
    this.#engine.logger.info({ session: session.id, from: payload.last_event_seq }, 'session resumed');
    const resume_token = session.rotateResumeToken();
    this.#enter(session, id, () => {
      this.#peer.reply({
        type: 'session.resumed',
        payload: {
          session_id: session.id,
          resume_token,
          replayed_from: payload.last_event_seq + 1,
          replayed: payload.last_event_seq < session.outbox.lastSeq,
          ...this.#proof('session.resumed', payload.nonce, session.id),
        },
        sessionId: session.id,
        correlationId: id,
      });
      session.attach(this.#peer, payload.last_event_seq);
      this.#engine.tellAgents(session);
    });
  }

  /**
   * Has the session kept (L2), then answers, then does what was held; a repeat of the handshake is none of that. Of
   * several that resume a session at once, the latest gets it (C4).
   */
  #enter(session: Session, correlationId: string, answer: () => void): void {
    session.sawBefore(correlationId, this.#engine.limits);
    if (this.#phase.kind === 'greeting') this.#phase.handshake.end();
    const held: (() => void)[] = [];
    this.#phase = { kind: 'entering', session, held };
    session.claim(this.#peer);
    this.#engine.sessions.save(session, (error) => {
      if (this.#phase.kind !== 'entering') return;
      if (!session.isClaimedBy(this.#peer)) {
        this.#close('the session has ended, or was resumed on another connection');
        return;
      }
      if (error !== undefined) {
        // One that the store knows waits on, and can be resumed with the token that its client has.
        if (session.revision === 0) this.#engine.sessions.end(session);
        this.#peer.reply({
          type: 'session.rejected',
          payload: new ArcpError('UNAVAILABLE', 'the runtime could not store the session').toPayload(),
          correlationId,
        });
        this.#close('the runtime could not store the session');
        return;
      }
      this.#phase = { kind: 'open', session };
      this.#peer.enter(session);
      answer();
      // Its credential may have been revoked while it was not connected yet (S1).
      recheck(this.#engine, session);
      for (const act of held) act();
    });
  }

  /** The transport has room again. */
  drained(): void {
    if (this.#phase.kind !== 'open') return;
    this.#phase.session.outbox.resume();
    this.#phase.session.hosting?.drained();
  }

  /** A repeat says nothing, not even that the client has its new token (RFC 0001 §6.4). */
  #heard(session: Session, envelope: AnyEnvelope, size: number): void {
    if (session.sawBefore(envelope.id, this.#engine.limits)) {
      session.hosting?.repeated(envelope);
      this.#engine.logger.debug({ session: session.id, id: envelope.id }, 'dropped: sent before');
      return;
    }
    if (session.confirmResumeToken()) this.#engine.sessions.save(session);
    if (session.hosting?.receive(envelope, size) !== true) this.#command(session, envelope);
  }

  #command(session: Session, envelope: AnyEnvelope): void {
    const command = commandFor(envelope.type);
    try {
      if (command !== undefined) command({ engine: this.#engine, session, peer: this.#peer }, envelope);
      else throw notTaken(envelope);
    } catch (error) {
      const refused = ArcpError.from(error);
      const { code, message } = refused;
      const fields = { session: session.id, type: envelope.type, code, reason: message };
      if (error instanceof ArcpError) this.#engine.logger.info(fields, 'command refused');
      else this.#engine.logger.error(fields, 'command failed');
      const { type, trace_id: traceId, job_id: jobId } = envelope;
      this.#nack(refused, envelope.id, { type, traceId, jobId });
    }
  }

  #nack(error: ArcpError, correlationId: string | undefined, refused: Refused | undefined): void {
    const phase = this.#phase;
    this.#peer.reply({
      type: 'nack',
      payload: { ...error.toPayload(), ...(correlationId === undefined ? {} : { ack_for: correlationId }) },
      sessionId: phase.kind === 'open' ? phase.session.id : undefined,
      correlationId,
      refused,
    });
  }

  #close(reason: string): void {
    if (this.#phase.kind === 'greeting') this.#phase.handshake.end();
    this.#phase = { kind: 'closed' };
    this.#peer.close(CLOSE_CODES.policyViolation, reason);
  }
}

/** Why a message of the language is not taken here. */
function notTaken({ type }: AnyEnvelope): ArcpError {
  const rule = MESSAGES[type];
  if (rule.direction === 'runtime')
    return new ArcpError('INVALID_ARGUMENT', `${type} is sent by runtimes only`);
  if (rule.handshake)
    return new ArcpError('FAILED_PRECONDITION', `${type}: this connection has a session already`);
  return new ArcpError('UNIMPLEMENTED', `${type} is not implemented by this runtime`);
}
