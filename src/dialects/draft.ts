/**
 * The draft-1.1 dialect: a translator at the session's edge (law L5). Commands become native ones, native events and
 * answers become the draft's; nothing behind it knows.
 *
 * (D1) Each native event is one numbered frame, so that the numbers have no gap (draft-1.1 §8.3) and mean the same in
 *      both dialects. `job.accepted`, which the draft does not number, goes before the frame of its event, to who asked.
 * (D2) What was stored is native, and what is sent follows from it and the session alone: it is the same at every replay.
 * (D3) A `job.submit` that is refused is answered with `job.error`, which is numbered and stored like the end of a job.
 */
import { decodeDraftFrame, type DraftRefusal } from '../protocol/draft/envelope.js';
import { commonFeatures, type DraftFeature } from '../protocol/draft/features.js';
import type { DraftPayload } from '../protocol/draft/messages.js';
import { ArcpError } from '../protocol/errors.js';
import { PROTOCOL_VERSION } from '../protocol/envelope.js';
import type { MessageType } from '../protocol/messages.js';
import type { Connection } from '../runtime/connection.js';
import type { Engine } from '../runtime/engine.js';
import type { Peer, Refused, Reply, SessionTerms, SessionView } from '../runtime/peer.js';
import { sessionOfLog } from '../runtime/session-log.js';
import { sessionOfResumeToken } from '../runtime/session.js';
import type { StoredRecord } from '../store/store.js';
import { CLOSE_CODES, type CloseCode, type Transport } from '../transport/transport.js';
import type { Dialect } from './dialect.js';
import { refusalOf, toNative } from './draft/commands.js';
import { freshFrameId } from './draft/frame-ids.js';
import { EventFrames, type Asker } from './draft/frames.js';
import { KeepAlive } from './draft/keep-alive.js';
import { draftReply, type DraftReply } from './draft/replies.js';
import { heartbeatSeconds, ourFeatures } from './draft/welcome.js';

/** The dialect's name in the terms of its sessions. */
export const DRAFT = 'draft-1.1';

export class DraftDialect implements Dialect {
  readonly peer: DraftPeer;
  readonly #engine: Engine;

  constructor(engine: Engine, transport: Transport) {
    this.#engine = engine;
    this.peer = new DraftPeer(engine, transport);
  }

  take(frame: string, connection: Connection): void {
    const { peer } = this;
    peer.heard();
    const decoded = decodeDraftFrame(frame, { maxDepth: this.#engine.limits.maxNesting });
    if (!decoded.ok) {
      connection.refuse(asNative(decoded.refusal));
      return;
    }
    const { envelope } = decoded;
    if (envelope.type === 'session.hello') {
      const { capabilities, resume } = envelope.payload;
      peer.greet(capabilities.features);
      if (resume !== undefined && !this.#knows(resume)) {
        const message = 'no session of that id can be resumed with this token';
        connection.refuse(refusalOf(envelope, message, 'RESUME_WINDOW_EXPIRED'));
        return;
      }
    }
    if (envelope.type === 'session.bye') peer.takeLeave();
    const translated = toNative(envelope, {
      features: peer.features,
      now: this.#engine.timestamps.now(),
    });
    if (translated.kind === 'command') connection.receive(translated.envelope);
    else if (translated.kind === 'refused') connection.refuse(translated.refusal);
  }

  closed(): void {
    this.peer.stop();
  }

  /** Whether that is a session of this dialect. Whether the token is genuine is not asked here. */
  #knows({ session_id: id, resume_token: token }: Resume): boolean {
    return sessionOfResumeToken(token) === id && this.#engine.sessions.find(id)?.terms.dialect === DRAFT;
  }
}

type Resume = NonNullable<DraftPayload<'session.hello'>['resume']>;

function asNative({ kind, message, id, type, traceId, optional }: DraftRefusal) {
  return {
    ...refusalOf({ id, type, ...(traceId === undefined ? {} : { trace_id: traceId }) }, message),
    kind,
    optional,
  };
}

/** Native types that ask for work: what refuses them is a `job.error` (D3). */
const WORK: ReadonlySet<MessageType> = new Set(['tool.invoke', 'agent.delegate']);

class DraftPeer implements Peer {
  readonly #engine: Engine;
  readonly #transport: Transport;
  /** What the client of the latest `session.hello` and we have in common. */
  #offered: readonly DraftFeature[] | undefined;
  #session: SessionView | undefined;
  #features: ReadonlySet<string> | undefined;
  #frames: EventFrames | undefined;
  #keepAlive: KeepAlive | undefined;
  #saidBye = false;
  #pings = 0;

  constructor(engine: Engine, transport: Transport) {
    this.#engine = engine;
    this.#transport = transport;
  }

  get terms(): SessionTerms {
    return { dialect: DRAFT, features: this.#offered ?? [], budgetPolicy: 'allow-overshoot' };
  }

  /** What was agreed on; nothing while there is no session. */
  get features(): ReadonlySet<string> | undefined {
    return this.#features;
  }

  get buffered(): number {
    return this.#transport.buffered;
  }

  greet(features: readonly string[] | undefined): void {
    this.#offered = commonFeatures(ourFeatures(this.#engine), features);
  }

  /** The client leaves without waiting for an answer. */
  takeLeave(): void {
    this.#saidBye = true;
  }

  heard(): void {
    this.#keepAlive?.heard();
  }

  stop(): void {
    this.#keepAlive?.stop();
  }

  /** A `session.resume` brings no features of its own: then those of the session go on. */
  enter(session: SessionView): void {
    this.#session = session;
    this.#features = new Set(this.#offered ?? session.terms.features);
    this.#frames = new EventFrames(session.id, this.#features);
    if (!this.#features.has('heartbeat')) return;
    this.#keepAlive = new KeepAlive(this.#engine.clock, 1_000 * heartbeatSeconds(this.#engine), {
      ping: () => {
        this.#pings += 1;
        const payload = { nonce: `p_${this.#pings}`, sent_at: this.#engine.timestamps.now() };
        this.#reply({ type: 'session.ping', payload });
      },
      lost: () => {
        const message = 'nothing was heard in two intervals';
        this.#reply({ type: 'session.error', payload: { code: 'HEARTBEAT_LOST', message, retryable: true } });
        this.close(CLOSE_CODES.policyViolation, message);
      },
    });
  }

  event(record: StoredRecord, eventSeq: number): void {
    const frames = this.#frames?.of(record, eventSeq, () => this.#askerOf(record)) ?? [];
    for (const frame of frames) this.#send(frame);
  }

  reply<T extends MessageType>(reply: Reply<T>): void {
    if (reply.type === 'nack' && this.#refusedWork(reply as Reply<'nack'>)) return;
    if (reply.type === 'session.closed' && this.#saidBye) return;
    const features = [...(this.#features ?? [])];
    const answer = draftReply(reply, { engine: this.#engine, features });
    if (answer === undefined) return;
    this.#reply(answer);
    if (answer.isLast === true) this.close(CLOSE_CODES.policyViolation, 'the session was refused');
  }

  close(code: CloseCode, reason: string): void {
    this.stop();
    this.#transport.close(code, reason);
  }

  /** (D3) */
  #refusedWork({ payload, sessionId, correlationId, refused }: Reply<'nack'>): boolean {
    if (!isWork(refused) || correlationId === undefined || sessionId === undefined) return false;
    const session = this.#engine.sessions.find(sessionId);
    if (session === undefined) return false;
    const request = { correlationId, traceId: refused.traceId };
    this.#engine.intake.refuse(session, request, ArcpError.fromPayload(payload));
    return true;
  }

  #askerOf({ log }: StoredRecord): Asker {
    const id = this.#session?.id;
    if (sessionOfLog(log) === id) return 'this session';
    const origin = this.#engine.jobs.find(log)?.origin;
    if (origin?.sessionId === id) return 'this session';
    return origin?.parent?.origin.sessionId === id ? 'a job of this session' : 'somebody else';
  }

  #reply({ type, payload, jobId, traceId }: DraftReply): void {
    this.#send(
      JSON.stringify({
        arcp: PROTOCOL_VERSION,
        id: freshFrameId(this.#engine.clock.now()),
        type,
        session_id: this.#session?.id,
        job_id: jobId,
        trace_id: traceId,
        payload,
      }),
    );
  }

  /** A client that commands without reading is cut off; its session can be resumed (law L7). */
  #send(frame: string): void {
    this.#keepAlive?.said();
    this.#transport.send(frame);
    if (this.#transport.buffered > this.#engine.limits.hardBufferBytes) {
      this.close(CLOSE_CODES.tryAgainLater, 'the client does not read what it is sent');
    }
  }
}

function isWork(refused: Refused | undefined): refused is Refused {
  return refused !== undefined && WORK.has(refused.type);
}
