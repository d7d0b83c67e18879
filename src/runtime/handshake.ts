/**
 * The beginning of a connection: who it is, and which session it wants. It ends when a session is entered, or the connection
 * closed.
 *
 * (H1) Only handshake messages count; anything else is dropped and logged (decision 16).
 * (H2) It takes `helloTimeoutMs` at most, however long an authenticator takes, and may fail `maxHandshakeFailures` times.
 * (H3) Nobody gets in by an authenticator that fails, and nobody else is bothered.
 */
import type { AnyEnvelope, Envelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { MessageId, SessionId } from '../protocol/ids.js';
import { MESSAGES, type Payload } from '../protocol/messages.js';
import type { Timer } from '../clock.js';
import type { Authenticator, AuthOutcome } from './authenticator.js';
import type { Engine } from './engine.js';
import type { Refused, Reply } from './peer.js';
import { sessionOfResumeToken } from './session.js';

type Phase =
  | { readonly kind: 'greeting' }
  | {
      readonly kind: 'challenged';
      readonly wish: Wish;
      readonly sessionId: SessionId;
      readonly verify: (response: string) => AuthOutcome | Promise<AuthOutcome>;
    }
  /** An authenticator takes its time. Handshake frames that come meanwhile are held. */
  | { readonly kind: 'authenticating'; readonly held: AnyEnvelope[] }
  | { readonly kind: 'over' };

/** A new session, or one to go on with. */
type Wish = Envelope<'session.open'> | Envelope<'session.resume'>;

/** Who wants a session, and in which frame. */
export interface Attempt<W extends Wish = Wish> {
  readonly wish: W;
  readonly sessionId: SessionId;
  readonly correlationId: MessageId;
  /** Whether it is the answer to a challenge. */
  readonly isAnswer: boolean;
}

export type Accepted = Extract<AuthOutcome, { kind: 'accepted' }>;

/** The connection that a handshake is for. */
export interface Doorway {
  readonly address: string | undefined;
  /** Those that judge who is on it, by scheme. */
  readonly authenticators: ReadonlyMap<string, Authenticator>;
  readonly helloTimeoutMs: number;
  reply(reply: Reply): void;
  /** Somebody is who it says, and wants a session. */
  open(attempt: Attempt<Envelope<'session.open'>>, outcome: Accepted): void;
  /** Whoever shows this token, be it the session's principal or not said who, wants the session to go on. */
  resume(wish: Envelope<'session.resume'>, correlationId: MessageId, principal: string | undefined): void;
  receive(envelope: AnyEnvelope): void;
  nack(error: ArcpError, correlationId: MessageId | undefined, refused: Refused | undefined): void;
  close(reason: string): void;
}

type AuthFields = Payload<'session.open'>['auth'];

export class Handshake {
  readonly #engine: Engine;
  readonly #door: Doorway;
  readonly #timeout: Timer;
  #phase: Phase = { kind: 'greeting' };
  #failures = 0;
  #hasDropped = false;

  constructor(engine: Engine, door: Doorway) {
    this.#engine = engine;
    this.#door = door;
    const { helloTimeoutMs } = door;
    this.#timeout = engine.clock.timer(helloTimeoutMs, () => {
      engine.logger.info({ address: door.address }, 'closing a connection without a session');
      door.close(`no session was opened within ${helloTimeoutMs} ms`);
    });
  }

  /** Whether nothing is decided yet, nor being decided. */
  get isGreeting(): boolean {
    return this.#phase.kind === 'greeting' || this.#phase.kind === 'challenged';
  }

  /** A session was entered, or the connection is gone. */
  end(): void {
    this.#timeout.cancel();
    this.#phase = { kind: 'over' };
  }

  /** A frame that was understood (H1). */
  receive(envelope: AnyEnvelope): void {
    const phase = this.#phase;
    if (phase.kind === 'over') return;
    if (phase.kind === 'authenticating' && MESSAGES[envelope.type].handshake) {
      phase.held.push(envelope);
      if (phase.held.length > this.#engine.limits.maxHandshakeFailures)
        this.#door.close('too many handshakes at once');
      return;
    }
    switch (envelope.type) {
      case 'session.open':
        this.#authenticate(envelope, this.#engine.newId('session'), envelope.payload.auth);
        break;
      case 'session.authenticate':
        this.#answered(envelope);
        break;
      case 'session.resume':
        this.#resume(envelope);
        break;
      default:
        this.#logDrop(envelope);
    }
  }

  /** Once for all to see: a peer can send any number of them. */
  #logDrop({ type }: AnyEnvelope): void {
    const { logger } = this.#engine;
    const fields = { address: this.#door.address, type };
    if (this.#hasDropped) logger.debug(fields, 'dropped: no session yet');
    else logger.info(fields, 'dropped: no session yet');
    this.#hasDropped = true;
  }

  #resume(resume: Envelope<'session.resume'>): void {
    const { auth, resume_token: token } = resume.payload;
    if (auth === undefined) this.#door.resume(resume, resume.id, undefined);
    else this.#authenticate(resume, sessionOfResumeToken(token) ?? this.#engine.newId('session'), auth);
  }

  #authenticate(wish: Wish, sessionId: SessionId, { scheme, token }: AuthFields): void {
    const authenticator = this.#door.authenticators.get(scheme);
    if (authenticator === undefined) {
      const offered = [...this.#door.authenticators.keys()].join(', ') || 'none at all';
      const message = `that auth scheme is not configured here; those offered: ${offered}`;
      this.reject(new ArcpError('UNAUTHENTICATED', message), wish.id);
      return;
    }
    const attempt = { wish, sessionId, correlationId: wish.id, isAnswer: false };
    this.#ask(() => authenticator.authenticate({ token, sessionId }), attempt);
  }

  #answered({ id, payload }: Envelope<'session.authenticate'>): void {
    if (this.#phase.kind !== 'challenged') {
      const error = new ArcpError('FAILED_PRECONDITION', 'nothing was asked');
      this.#door.nack(error, id, { type: 'session.authenticate' });
      return;
    }
    const { verify, wish, sessionId } = this.#phase;
    this.#ask(() => verify(payload.response), { wish, sessionId, correlationId: id, isAnswer: true });
  }

  /** (H3) */
  #ask(authenticate: () => AuthOutcome | Promise<AuthOutcome>, attempt: Attempt): void {
    let outcome: AuthOutcome | Promise<AuthOutcome>;
    try {
      outcome = authenticate();
      if (!isPending(outcome)) checkOutcome(outcome);
    } catch (error) {
      outcome = this.#outOfOrder(error);
    }
    if (!isPending(outcome)) {
      this.#decide(outcome, attempt);
      return;
    }
    const held: AnyEnvelope[] = [];
    this.#phase = { kind: 'authenticating', held };
    void Promise.resolve(outcome)
      .then(checkOutcome)
      .catch((error: unknown) => this.#outOfOrder(error))
      .then((decided) => {
        if (this.#phase.kind !== 'authenticating') return;
        this.#phase = { kind: 'greeting' };
        this.#decide(decided, attempt);
        for (const envelope of held) this.#door.receive(envelope);
      });
  }

  #outOfOrder(error: unknown): AuthOutcome {
    const reason = error instanceof Error ? error.message : String(error);
    this.#engine.logger.error({ address: this.#door.address, reason }, 'authenticator failed');
    return { kind: 'rejected', message: 'authentication is out of order' };
  }

  #decide(outcome: AuthOutcome, attempt: Attempt): void {
    const { wish, sessionId, correlationId, isAnswer } = attempt;
    switch (outcome.kind) {
      case 'rejected': {
        const error = new ArcpError('UNAUTHENTICATED', outcome.message);
        this.reject(error, correlationId, isAnswer ? 'session.unauthenticated' : 'session.rejected');
        break;
      }
      case 'challenge':
        this.#phase = { kind: 'challenged', wish, sessionId, verify: outcome.verify };
        this.#door.reply({
          type: 'session.challenge',
          payload: { challenge: outcome.challenge, challenge_id: outcome.challenge, type: 'opaque' },
          correlationId,
        });
        break;
      case 'accepted':
        if (wish.type === 'session.resume') this.#door.resume(wish, correlationId, outcome.principal);
        else this.#door.open({ ...attempt, wish }, outcome);
        break;
    }
  }

  /** Nobody gets a session by this frame. */
  reject(
    error: ArcpError,
    correlationId: MessageId | undefined,
    type: 'session.rejected' | 'session.unauthenticated' = 'session.rejected',
  ): void {
    const { code, message } = error;
    this.#engine.logger.warn({ address: this.#door.address, code, reason: message }, 'session rejected');
    this.#door.reply({ type, payload: error.toPayload(), correlationId });
    this.countFailure();
  }

  /** (H2) */
  countFailure(): void {
    this.#failures += 1;
    if (this.#failures >= this.#engine.limits.maxHandshakeFailures)
      this.#door.close('too many failed handshakes');
    else if (this.#phase.kind === 'challenged') this.#phase = { kind: 'greeting' };
  }
}

function isPending(outcome: AuthOutcome | Promise<AuthOutcome>): outcome is Promise<AuthOutcome> {
  return 'then' in outcome;
}

/** Authenticators may be plain JavaScript. */
function checkOutcome(outcome: AuthOutcome): AuthOutcome {
  if (['accepted', 'rejected', 'challenge'].includes(outcome.kind)) return outcome;
  throw new TypeError('the authenticator gave no outcome');
}
