/**
 * The life of the client's connection: one union of phases, each with the timer or socket that it owns, and one place
 * (`#conclude`) that decides what an attempt's outcome leads to.
 *
 * (N1) The first attempt is the only one until it has succeeded once: `connect` fails fast. After that, lost
 *      connections are made again with backoff, to resume the session where that is possible.
 * (N2) Every attempt ends, at the latest after `connectTimeoutMs`; every phase but `open` and `closed` has a timer.
 * (N3) What a socket says that is no longer the current one is ignored.
 * (N4) `closed` is final, and the owner is told once.
 * (N5) A resume shows the resume token alone; where the runtime wants the bearer token too (UNAUTHENTICATED), it is asked
 *      once more with that.
 * (N6) Where the runtime has to prove who it is, nothing that it says counts before it has; what comes meanwhile waits.
 * (N7) A session that breaks off at one and the same event for too large a frame, more often than a command is sent, is
 *      given up: each resume would bring that frame again.
 */
import {
  ArcpError,
  decodeFrame,
  type AnyEnvelope,
  type Envelope,
  type Payload,
  type Refusal,
} from '../protocol/index.js';
import { CLOSE_CODES, type Transport, type TransportEnd } from '../transport/transport.js';
import type { Backoff } from './backoff.js';
import type { Clock, Timer } from '../clock.js';
import {
  currentToken,
  frameOf,
  openMessage,
  readHandshake,
  resumeMessage,
  type Credentials,
  type ResumePoint,
} from './handshake.js';
import type { OutboundMessage } from './command.js';
import { newNonce, type ExpectedIdentity } from './expected-identity.js';
import { KeepAlive } from './keep-alive.js';
import type { ClientLimits } from './limits.js';

export interface ConnectionSettings {
  readonly dial: (options: { readonly signal: AbortSignal }) => Promise<Transport>;
  readonly credentials: Credentials;
  readonly respond: ((challenge: Payload<'session.challenge'>) => string | Promise<string>) | undefined;
  /** Absent: a lost connection closes the client. */
  readonly backoff: Backoff | undefined;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  /** Who the runtime has to prove to be, if anybody. */
  readonly expected?: ExpectedIdentity | undefined;
}

/** Whoever the connection is for. None of these may throw. */
export interface ConnectionOwner {
  /** Where to go on; `undefined` opens a new session. */
  resumePoint(): ResumePoint | undefined;
  opened(accepted: Envelope<'session.accepted'>): void;
  resumed(resumed: Envelope<'session.resumed'>): void;
  /** A message in an open session; `size` is the length of its text. */
  receive(envelope: AnyEnvelope, size: number): void;
  /** A frame in an open session that does not decode. */
  undecodable(refusal: Refusal, frame: string): void;
  /** The connection is gone and will be made again after `delayMs`. */
  waiting(error: ArcpError, delayMs: number): void;
  /** The session cannot be resumed; a new one is opened at once. */
  unresumable(error: ArcpError): void;
  closed(error: ArcpError): void;
}

type Phase =
  | { readonly kind: 'connecting'; readonly dialling: AbortController; readonly deadline: Timer }
  | {
      readonly kind: 'handshaking';
      readonly transport: Transport;
      /** What is resumed, if anything. */
      readonly resume: ResumePoint | undefined;
      /** Whether the resume has brought the bearer token (N5). */
      readonly shown: boolean;
      readonly deadline: Timer;
      /** What the runtime is to sign (N6). */
      readonly nonce: string | undefined;
    }
  | {
      readonly kind: 'verifying';
      readonly transport: Transport;
      readonly deadline: Timer;
      readonly held: string[];
    }
  | { readonly kind: 'open'; readonly transport: Transport; readonly keepAlive: KeepAlive }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | {
      readonly kind: 'closing';
      readonly transport: Transport;
      readonly deadline: Timer;
      readonly error: ArcpError;
    }
  | { readonly kind: 'closed'; readonly error: ArcpError };

type Handshaking = Extract<Phase, { kind: 'handshaking' }>;

/** Frames that wait while a runtime is verified (N6). */
const MAX_HELD = 1_000;

type AttemptOutcome =
  | { readonly kind: 'opened'; readonly accepted: Envelope<'session.accepted'> }
  | { readonly kind: 'resumed'; readonly resumed: Envelope<'session.resumed'> }
  | { readonly kind: 'unresumable'; readonly error: ArcpError }
  | { readonly kind: 'failed'; readonly error: ArcpError };

export class Connection {
  readonly #settings: ConnectionSettings;
  readonly #owner: ConnectionOwner;
  #established = false;
  /** After which event frames were too large, and how often (N7). */
  #tooBig = { after: -1, times: 0 };
  #phase: Phase;

  /** Begins to connect; the owner is told nothing before this returns. */
  constructor(settings: ConnectionSettings, owner: ConnectionOwner) {
    this.#settings = settings;
    this.#owner = owner;
    this.#phase = this.#connecting();
  }

  get isOpen(): boolean {
    return this.#phase.kind === 'open';
  }

  /** Why nothing can be sent any more, if so. */
  get end(): ArcpError | undefined {
    return this.#phase.kind === 'closing' || this.#phase.kind === 'closed' ? this.#phase.error : undefined;
  }

  /** Sends a frame in the open session; false when there is none now. */
  send(frame: string): boolean {
    if (this.#phase.kind !== 'open') return false;
    this.#phase.transport.send(frame);
    return true;
  }

  /**
   * Closes for good. In an open session `farewell` is sent first, and its answer (`farewellAnswered`) awaited for a
   * moment.
   */
  close(error: ArcpError, farewell?: string): void {
    const phase = this.#phase;
    if (phase.kind === 'closed') return;
    if (phase.kind === 'open' && farewell !== undefined) {
      phase.keepAlive.stop();
      phase.transport.send(farewell);
      const { closeTimeoutMs } = this.#settings.limits;
      const deadline = this.#settings.clock.timer(closeTimeoutMs, () => this.farewellAnswered());
      this.#phase = { kind: 'closing', transport: phase.transport, deadline, error };
      return;
    }
    this.#leave('closed by the client');
    this.#phase = { kind: 'closed', error };
    this.#owner.closed(error);
  }

  farewellAnswered(): void {
    if (this.#phase.kind === 'closing') this.close(this.#phase.error);
  }

  /** Lets go of what the current phase owns. */
  #leave(reason: string): void {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'connecting':
        phase.deadline.cancel();
        phase.dialling.abort();
        break;
      case 'handshaking':
      case 'verifying':
      case 'closing':
        phase.deadline.cancel();
        phase.transport.close(CLOSE_CODES.normal, reason);
        break;
      case 'open':
        phase.keepAlive.stop();
        phase.transport.close(CLOSE_CODES.normal, reason);
        break;
      case 'waiting':
        phase.timer.cancel();
        break;
      case 'closed':
        break;
    }
  }

  #connecting(): Phase {
    const { clock, limits, dial } = this.#settings;
    const dialling = new AbortController();
    const deadline = clock.timer(limits.connectTimeoutMs, () => {
      const error = new ArcpError('DEADLINE_EXCEEDED', `no session within ${limits.connectTimeoutMs} ms`);
      this.#conclude({ kind: 'failed', error });
    });
    const phase: Phase = { kind: 'connecting', dialling, deadline };
    dialNow(dial, dialling.signal).then(
      (transport) => {
        if (this.#phase === phase) this.#shakeHands(transport, deadline);
        else transport.close(CLOSE_CODES.normal, 'given up');
      },
      (cause: unknown) => {
        if (this.#phase === phase) this.#conclude({ kind: 'failed', error: unreachable(cause) });
      },
    );
    return phase;
  }

  #shakeHands(transport: Transport, deadline: Timer): void {
    const resume = this.#owner.resumePoint();
    const nonce = this.#settings.expected === undefined ? undefined : newNonce();
    const phase: Handshaking = { kind: 'handshaking', transport, resume, shown: false, deadline, nonce };
    this.#phase = phase;
    transport.start({
      message: (frame) => this.#message(transport, frame),
      closed: (end) => this.#lost(transport, end),
    });
    if (resume !== undefined) this.#say(transport, resumeMessage(resume, undefined, nonce));
    else this.#sayWithToken(phase, (token) => openMessage(this.#settings.credentials, token, nonce));
  }

  /** A token that is a string goes out at once. */
  #sayWithToken(phase: Handshaking, message: (token: string | undefined) => OutboundMessage): void {
    const { token } = this.#settings.credentials;
    if (typeof token !== 'function') {
      this.#say(phase.transport, message(token));
      return;
    }
    currentToken(token).then(
      (current) => {
        if (this.#phase === phase) this.#say(phase.transport, message(current));
      },
      (error: unknown) => {
        if (this.#phase === phase) this.#conclude({ kind: 'failed', error: ArcpError.from(error) });
      },
    );
  }

  #say(transport: Transport, message: Parameters<typeof frameOf>[0]): void {
    transport.send(frameOf(message, this.#settings.clock.now()));
  }

  #message(transport: Transport, frame: string): void {
    const phase = this.#phase;
    if (!('transport' in phase) || phase.transport !== transport) return;
    if (phase.kind === 'verifying') {
      phase.held.push(frame);
      if (phase.held.length > MAX_HELD) {
        const error = new ArcpError('RESOURCE_EXHAUSTED', 'the runtime says too much before it is known');
        this.#conclude({ kind: 'failed', error });
      }
      return;
    }
    const decoded = decodeFrame(frame);
    if (phase.kind === 'handshaking') {
      if (decoded.ok) this.#handshake(phase, decoded.envelope);
      else if (decoded.refusal.type?.startsWith('session.') === true) {
        const why = `the runtime's ${decoded.refusal.type} is malformed: ${decoded.refusal.message}`;
        this.#conclude({ kind: 'failed', error: new ArcpError('INVALID_REQUEST', why) });
      }
      return;
    }
    if (phase.kind === 'open') phase.keepAlive.heard();
    if (decoded.ok) this.#owner.receive(decoded.envelope, frame.length);
    else this.#owner.undecodable(decoded.refusal, frame);
  }

  #handshake(phase: Handshaking, envelope: AnyEnvelope): void {
    const { resume, shown } = phase;
    const step = readHandshake(envelope, resume !== undefined);
    switch (step.kind) {
      case 'nothing':
        break;
      case 'challenged':
        this.#respond(phase, step.challenge);
        break;
      case 'unresumable': {
        const wantsToken = step.error.code === 'UNAUTHENTICATED' && !shown;
        if (resume === undefined || !wantsToken || this.#settings.credentials.token === undefined) {
          this.#conclude(step);
          break;
        }
        const next: Handshaking = { ...phase, shown: true };
        this.#phase = next;
        this.#sayWithToken(next, (token) => resumeMessage(resume, token, phase.nonce));
        break;
      }
      case 'opened':
        this.#verify(phase, step.accepted, step);
        break;
      case 'resumed':
        this.#verify(phase, step.resumed, step);
        break;
      case 'refused':
        this.#conclude({ kind: 'failed', error: step.error });
        break;
    }
  }

  /** (N6) */
  #verify(
    { transport, deadline, nonce }: Handshaking,
    answer: Envelope<'session.accepted'> | Envelope<'session.resumed'>,
    outcome: AttemptOutcome,
  ): void {
    const { expected } = this.#settings;
    if (expected === undefined || nonce === undefined) {
      this.#conclude(outcome);
      return;
    }
    const phase: Phase = { kind: 'verifying', transport, deadline, held: [] };
    this.#phase = phase;
    expected.verify(answer, nonce).then(
      () => {
        if (this.#phase !== phase) return;
        this.#conclude(outcome);
        for (const frame of phase.held) this.#message(transport, frame);
      },
      (error: unknown) => {
        if (this.#phase === phase) this.#conclude({ kind: 'failed', error: ArcpError.from(error) });
      },
    );
  }

  #respond(phase: Handshaking, challenge: Payload<'session.challenge'>): void {
    const { respond } = this.#settings;
    const fail = (why: string, cause?: unknown): void => {
      if (this.#phase !== phase) return;
      this.#conclude({ kind: 'failed', error: new ArcpError('UNAUTHENTICATED', why, { cause }) });
    };
    if (respond === undefined) {
      fail('the runtime asks a challenge, and there is no `respond` option to answer it');
      return;
    }
    Promise.resolve(challenge)
      .then(respond)
      .then(
        (response) => {
          if (this.#phase !== phase) return;
          this.#say(phase.transport, {
            type: 'session.authenticate',
            payload: { response, challenge_id: challenge.challenge_id },
          });
        },
        (cause: unknown) => fail('the challenge could not be answered', cause),
      );
  }

  #lost(transport: Transport, end: TransportEnd): void {
    const phase = this.#phase;
    if (!('transport' in phase) || phase.transport !== transport) return;
    if (phase.kind === 'closing') {
      this.farewellAnswered();
      return;
    }
    const reason = end.reason === '' ? '' : `: ${end.reason}`;
    const error = new ArcpError('UNAVAILABLE', `the connection was closed (${end.code}${reason})`, {
      details: { close_code: end.code },
    });
    const stuck = phase.kind === 'open' && end.code === CLOSE_CODES.messageTooBig && this.#isStuck();
    this.#conclude(stuck ? { kind: 'unresumable', error } : { kind: 'failed', error });
  }

  /** (N7) */
  #isStuck(): boolean {
    const after = this.#owner.resumePoint()?.lastEventSeq ?? 0;
    const times = this.#tooBig.after === after ? this.#tooBig.times + 1 : 1;
    this.#tooBig = { after, times };
    return times > this.#settings.limits.maxSends;
  }

  /** The one place of policy: what follows from how an attempt, or an open connection, ended. */
  #conclude(outcome: AttemptOutcome): void {
    const phase = this.#phase;
    const { backoff } = this.#settings;
    switch (outcome.kind) {
      case 'opened':
      case 'resumed': {
        if (phase.kind !== 'handshaking' && phase.kind !== 'verifying') return;
        phase.deadline.cancel();
        this.#established = true;
        backoff?.reset();
        this.#phase = {
          kind: 'open',
          transport: phase.transport,
          keepAlive: this.#keepAlive(phase.transport),
        };
        if (outcome.kind === 'opened') this.#owner.opened(outcome.accepted);
        else this.#owner.resumed(outcome.resumed);
        return;
      }
      case 'unresumable':
        this.#leave('session not resumed');
        this.#phase = this.#connecting();
        this.#owner.unresumable(outcome.error);
        return;
      case 'failed': {
        const again = this.#established && outcome.error.retryable;
        const delayMs = again ? backoff?.next() : undefined;
        if (delayMs === undefined) {
          this.close(again ? exhausted(outcome.error, backoff) : outcome.error);
          return;
        }
        this.#leave('connection given up');
        const timer = this.#settings.clock.timer(delayMs, () => {
          this.#phase = this.#connecting();
        });
        this.#phase = { kind: 'waiting', timer };
        this.#owner.waiting(outcome.error, delayMs);
        return;
      }
    }
  }

  #keepAlive(transport: Transport): KeepAlive {
    const { clock, limits } = this.#settings;
    return new KeepAlive(
      clock,
      limits.keepAliveMs,
      () => this.#say(transport, { type: 'ping', payload: {} }),
      () => this.#lost(transport, { code: 1006, reason: `silent for ${2 * limits.keepAliveMs} ms` }),
    );
  }
}

function exhausted(error: ArcpError, backoff: Backoff | undefined): ArcpError {
  if (backoff === undefined) return error;
  return new ArcpError('UNAVAILABLE', `gave up after ${backoff.attempts} attempts: ${error.message}`, {
    cause: error,
  });
}

async function dialNow(dial: ConnectionSettings['dial'], signal: AbortSignal): Promise<Transport> {
  return await dial({ signal });
}

function unreachable(cause: unknown): ArcpError {
  if (cause instanceof ArcpError) return cause;
  return new ArcpError('UNAVAILABLE', `the runtime cannot be reached: ${String(cause)}`, { cause });
}
