/**
 * Whether a session may go on with the credential that let it in (RFC 0001 §8.4).
 *
 * (S1) A revoked credential ends its session: at once where it is connected, and else when it is to be resumed. The jobs
 *      of the session go on.
 * (S2) A replaced one gives its client until `refreshTimeoutMs` to show the new one. Whoever does not is out, and a
 *      wrong answer does not move the deadline.
 * (S3) A session keeps the digest of its credential, never the credential, so that it is judged after a restart too.
 * (S4) An authenticator that fails judges nobody: who is in stays in, and who comes back stays out until it works again.
 */
import { ArcpError } from '../protocol/errors.js';
import { CLOSE_CODES } from '../transport/transport.js';
import { digestOf, type AuthOutcome, type CredentialStanding } from './authenticator.js';
import type { Command, CommandScene } from './command.js';
import type { Engine } from './engine.js';
import type { Session } from './session.js';

/** The credential that let a session in, as the store keeps it (S3). */
export interface SessionCredential {
  readonly scheme: string;
  /** SHA-256 in base64. */
  readonly digest: string;
}

/** Nothing where none was shown, as by anonymous clients: there is nothing to revoke. */
export function credentialOf(auth: {
  readonly scheme: string;
  readonly token?: string | undefined;
}): SessionCredential | undefined {
  if (auth.token === undefined) return undefined;
  return { scheme: auth.scheme, digest: digestOf(auth.token).toString('base64') };
}

/** Judges every connected session anew. */
export function recheckAll(engine: Engine): void {
  for (const session of engine.sessions.connected()) recheck(engine, session);
}

/** Judges a session that is connected. */
export function recheck(engine: Engine, session: Session): void {
  switch (standingOf(engine, session, session.credential)) {
    case 'good':
      session.refreshed();
      break;
    case 'replaced':
      if (!session.owesRefresh) askAgain(engine, session);
      break;
    case 'revoked':
      evict(engine, session, REVOKED);
      break;
    case 'unknown':
      break;
  }
}

/** Why a session cannot be resumed by this client, if so; one that was revoked ends (S1, S2). */
export function refuseResume(
  engine: Engine,
  session: Session,
  shown: SessionCredential | undefined,
): ArcpError | undefined {
  switch (standingOf(engine, session, shown ?? session.credential)) {
    case 'good':
      return undefined;
    case 'replaced':
      return new ArcpError(
        'UNAUTHENTICATED',
        'the credential was replaced: resume with the new one in `auth`',
      );
    case 'unknown':
      return new ArcpError('UNAUTHENTICATED', 'authentication is out of order');
    case 'revoked':
      evict(engine, session, REVOKED);
      return new ArcpError('UNAUTHENTICATED', REVOKED);
  }
}

/** The answer to `session.refresh`: the new credential itself. */
export const authenticateAgain: Command<'session.authenticate'> = (scene, { id, payload }) => {
  const { engine, session } = scene;
  const { credential } = session;
  const authenticator = credential && engine.authenticators.get(credential.scheme);
  if (credential === undefined || authenticator === undefined || !session.owesRefresh)
    throw new ArcpError('FAILED_PRECONDITION', 'nothing was asked');
  if (session.countRefreshTry() > engine.limits.maxHandshakeFailures) {
    evict(engine, session, 'too many wrong credentials');
    return;
  }
  const token = payload.response;
  const shown = credentialOf({ scheme: credential.scheme, token });
  Promise.resolve({ token, sessionId: session.id })
    .then((given) => authenticator.authenticate(given))
    .then((outcome) => refusalOf(session, outcome))
    .catch((error: unknown) => outOfOrder(engine, session, error))
    .then((refusal) => {
      if (session.peer !== scene.peer || !session.owesRefresh) return;
      if (refusal === undefined) takeCredential(scene, id, shown);
      else nack(scene, id, refusal);
    })
    .catch((error: unknown) => outOfOrder(engine, session, error));
};

const REVOKED = 'the credential of the session was revoked';

/** (S2) */
function askAgain(engine: Engine, session: Session): void {
  const { clock, limits, logger } = engine;
  const deadlineMs = limits.refreshTimeoutMs;
  const timer = clock.timer(deadlineMs, () => {
    // It may have become good again, without an answer.
    if (standingOf(engine, session, session.credential) === 'good') session.refreshed();
    else evict(engine, session, `the new credential was not shown within ${deadlineMs} ms`);
  });
  session.oweRefresh(timer);
  logger.info({ session: session.id, deadline_ms: deadlineMs }, 'credential replaced: asked for the new one');
  session.peer?.reply({
    type: 'session.refresh',
    payload: {
      deadline: new Date(clock.now() + deadlineMs).toISOString(),
      deadline_ms: deadlineMs,
      reason: 'the credential was replaced',
    },
    sessionId: session.id,
  });
}

function evict(engine: Engine, session: Session, message: string): void {
  const { peer, id } = session;
  engine.logger.warn({ session: id, principal: session.principal, reason: message }, 'session evicted');
  peer?.reply({
    type: 'session.evicted',
    payload: { code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED', message, allow_resume: false },
    sessionId: id,
  });
  engine.sessions.end(session);
  peer?.close(CLOSE_CODES.policyViolation, message);
}

/** The new credential counts once it is kept (law L2). */
function takeCredential(scene: CommandScene, id: string, shown: SessionCredential | undefined): void {
  const { engine, session, peer } = scene;
  const before = session.credential;
  session.credential = shown;
  engine.sessions.save(session, (error) => {
    if (error !== undefined) {
      session.credential = before;
      nack(scene, id, new ArcpError('UNAVAILABLE', 'the runtime could not store the session'));
      return;
    }
    session.refreshed();
    engine.logger.info({ session: session.id }, 'session authenticated again');
    peer.reply({ type: 'ack', payload: { ack_for: id }, sessionId: session.id, correlationId: id });
  });
}

function refusalOf({ principal }: Session, outcome: AuthOutcome): ArcpError | undefined {
  switch (outcome.kind) {
    case 'accepted':
      if (outcome.principal === principal) return undefined;
      return new ArcpError('PERMISSION_DENIED', 'the session belongs to another principal');
    case 'rejected':
      return new ArcpError('UNAUTHENTICATED', outcome.message);
    case 'challenge':
      return new ArcpError('UNIMPLEMENTED', 'a session is not refreshed by challenge: open a new one');
  }
}

function nack({ session, peer }: CommandScene, id: string, error: ArcpError): void {
  peer.reply({
    type: 'nack',
    payload: { ...error.toPayload(), ack_for: id },
    sessionId: session.id,
    correlationId: id,
    refused: { type: 'session.authenticate' },
  });
}

/** (S4) */
function standingOf(
  engine: Engine,
  session: Session,
  credential: SessionCredential | undefined,
): CredentialStanding | 'unknown' {
  if (credential === undefined) return 'good';
  const authenticator = engine.authenticators.get(credential.scheme);
  // Another configuration than the one that let it in.
  if (authenticator === undefined) return 'revoked';
  try {
    return authenticator.standing?.(Buffer.from(credential.digest, 'base64'), session.principal) ?? 'good';
  } catch (error) {
    outOfOrder(engine, session, error);
    return 'unknown';
  }
}

function outOfOrder({ logger }: Engine, { id }: Session, error: unknown): ArcpError {
  const reason = error instanceof Error ? error.message : String(error);
  logger.error({ session: id, reason }, 'authenticator failed');
  return new ArcpError('UNAUTHENTICATED', 'authentication is out of order');
}
