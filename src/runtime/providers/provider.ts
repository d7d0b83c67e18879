/**
 * A session that hosts agents: the runtime's side of it.
 *
 * (H1) While it is connected it is given jobs. When its connection drops its jobs wait for it: both sides keep what the
 *      other has not confirmed and send it again on the next connection, under the same ids, so that nothing is lost or
 *      done twice. One that did not agree to that (`arcpx.arcp.host.v1`) is gone at once.
 * (H2) One that is not back within `providerReturnMs`, or whose session ends, is gone: its attempts are lost
 *      (`AttemptLost`). It may come back with nothing; what it still says for them is refused.
 * (H5) A job does not wait as long where waiting is of no use: once the session has been away for `providerMoveMs`, others
 *      go on with its jobs as far as they have room. Only with jobs whose recovery makes another attempt of them: one that
 *      would fail instead waits, since whoever does it may still be back.
 * (H3) A message is confirmed once what came of it is committed (L2).
 * (H4) What is on its way to a provider is bounded (L7): one that confirms nothing is cut off and gone.
 */
import type { JobContext } from '../../agents/agent.js';
import type { JobConversation } from '../../agents/remote/conversation.js';
import { Conversations } from '../../agents/remote/conversations.js';
import type { AgentLink, ToAgent } from '../../agents/remote/link.js';
import { Unconfirmed } from '../../agents/remote/unconfirmed.js';
import type { Timer } from '../../clock.js';
import { PROTOCOL_VERSION, type AnyEnvelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import { OPT_IN } from '../../protocol/extensions.js';
import type { MessageId } from '../../protocol/ids.js';
import { MESSAGES } from '../../protocol/messages.js';
import { CLOSE_CODES } from '../../transport/transport.js';
import type { Engine } from '../engine.js';
import type { Peer } from '../peer.js';
import type { Session, SessionHosting } from '../session.js';
import type { AdvertisedAgents, Offer, RefusedOffer } from './offers.js';
import type { Host } from './provided-agent.js';

type Presence =
  | { readonly kind: 'here'; readonly peer: Peer }
  /** Not connected yet, or not any more: until the timer fires. Its jobs are left to it while there is patience (H5). */
  | { readonly kind: 'away'; readonly timer: Timer; readonly patience: Timer | 'over' }
  | { readonly kind: 'gone' };

interface Place {
  readonly offer: Offer;
  conversation: JobConversation | undefined;
  /** Left to others, while its job waits for jobs that it delegated. */
  isLent: boolean;
}

/** `event.emit` of this name, of no job, replaces what the session offers: nothing, to be drained. */
export const PROVIDER_AGENTS = 'provider.agents';

/** One for all: it closes what an attempt left open, which is mostly nothing. */
const ATTEMPT_OVER = new ArcpError('ABORTED', 'the attempt is over');

/** What the table of providers does for one of them. */
export interface ProviderOwner {
  /** Offers these instead of what was offered before. */
  offer(provider: Provider, advertised: AdvertisedAgents): readonly RefusedOffer[];
  /** It can do nothing for the moment, or for good: it is not listed then. */
  changed(provider: Provider): void;
  roomMade(provider: Provider): void;
  /** How many jobs of what it offers others could take. */
  roomBeside(provider: Provider, offer: Offer): number;
  /** Its session is over. */
  forget(provider: Provider): void;
}

export class Provider implements Host, SessionHosting {
  readonly session: Session;
  /** What the names of its agents have to begin with, if anything. */
  readonly scope: string | undefined;
  readonly #engine: Engine;
  readonly #owner: ProviderOwner;
  readonly #conversations: Conversations;
  readonly #unconfirmed = new Unconfirmed();
  readonly #confirms: boolean;
  readonly #places = new Map<string, Place>();
  readonly #busyBy = new Map<string, number>();
  #busy = 0;
  #presence: Presence;
  /** The latest message of the other side, while it is not confirmed. */
  #received: MessageId | undefined;
  #ready: (() => void)[] = [];
  /** What it offers, as it said it. */
  advertised: AdvertisedAgents = [];

  constructor(engine: Engine, session: Session, owner: ProviderOwner, scope?: string) {
    this.#engine = engine;
    this.session = session;
    this.scope = scope;
    this.#owner = owner;
    this.#confirms = session.extensions.has(OPT_IN.host);
    this.#presence = this.#away();
    const link: AgentLink = {
      send: (message) => this.#send(message),
      ready: () => this.#whenReady(),
      now: () => engine.clock.now(),
    };
    this.#conversations = new Conversations(link, engine.limits);
  }

  get isGone(): boolean {
    return this.#presence.kind === 'gone';
  }

  get busy(): number {
    return this.#busy;
  }

  roomFor(offer: Offer): number {
    if (this.#presence.kind !== 'here') return 0;
    const { maxJobsPerProvider } = this.#engine.limits;
    return Math.max(0, Math.min(offer.maxJobs - this.#busyWith(offer), maxJobsPerProvider - this.#busy));
  }

  hold(offer: Offer, place: string): boolean {
    if (this.roomFor(offer) === 0) return false;
    this.#places.set(place, { offer, conversation: undefined, isLent: false });
    this.#count(offer, 1);
    return true;
  }

  run(place: string, input: unknown, ctx: JobContext): Promise<unknown> {
    const held = this.#places.get(place);
    if (held === undefined) return Promise.reject(new ArcpError('INTERNAL', 'a job without a place'));
    const conversation = this.#conversations.begin(input, ctx, held.offer.terms.takesInput);
    held.conversation = conversation;
    conversation.children.watch(() => {
      this.#lend(held, conversation.waitsForChildren);
    });
    return conversation.outcome;
  }

  release(place: string): void {
    const held = this.#places.get(place);
    if (held === undefined) return;
    this.#places.delete(place);
    held.conversation?.close(ATTEMPT_OVER);
    if (!held.isLent) this.#count(held.offer, -1);
    this.#owner.roomMade(this);
  }

  /** A message of the session: whether it is one of a provider. */
  receive(envelope: AnyEnvelope, size: number): boolean {
    this.#confirm(envelope);
    if (envelope.type === 'ack' && envelope.payload.received_up_to !== undefined) {
      this.#unconfirmed.confirm(envelope.payload.received_up_to);
      this.#tellReady();
      return true;
    }
    const { job_id: jobId } = envelope;
    if (jobId === undefined) return this.#isUpdate(envelope);
    const isOwn = this.#conversations.knows(jobId);
    return (
      (isOwn || MESSAGES[envelope.type].direction === 'runtime') &&
      this.#conversations.receive(envelope, size)
    );
  }

  repeated(envelope: AnyEnvelope): void {
    this.#confirm(envelope);
  }

  attached(peer: Peer): void {
    const wasGone = this.isGone;
    this.close();
    this.#presence = { kind: 'here', peer };
    for (const frame of this.#unconfirmed.frames()) peer.native?.(frame);
    if (this.#received !== undefined) this.#tellReceived(this.#received);
    if (wasGone) this.#owner.offer(this, this.advertised);
    else {
      this.#owner.changed(this);
      this.#owner.roomMade(this);
    }
  }

  detached(): void {
    if (this.#presence.kind !== 'here') return;
    const error = new ArcpError(
      'ABORTED',
      'the agent lost its connection, and did not say that it would resume',
    );
    if (!this.#confirms) this.#leave(error);
    else this.#presence = this.#away();
  }

  ended(): void {
    this.#leave(new ArcpError('ABORTED', 'the session of the agent that did the job has ended'));
    this.#owner.forget(this);
  }

  drained(): void {
    this.#tellReady();
  }

  /** Lets go of its timer. */
  close(): void {
    if (this.#presence.kind !== 'away') return;
    const { timer, patience } = this.#presence;
    timer.cancel();
    if (patience !== 'over') patience.cancel();
  }

  /** (H5) */
  moveJobs(): void {
    if (this.#presence.kind !== 'away' || this.#presence.patience !== 'over') return;
    const rooms = new Map<Offer, number>();
    for (const { offer, conversation } of [...this.#places.values()]) {
      if (conversation === undefined || !this.#goesOnElsewhere(offer, conversation)) continue;
      const room = rooms.get(offer) ?? this.#owner.roomBeside(this, offer);
      rooms.set(offer, room - 1);
      if (room <= 0) continue;
      const message = 'the agent lost its connection, and another one goes on with the job';
      conversation.takeAway(new ArcpError('ABORTED', message, { retryable: false }));
    }
  }

  /** Whether another attempt would be made of this one (`next-attempt.ts`). */
  #goesOnElsewhere({ terms }: Offer, { ctx, isOver, resultId }: JobConversation): boolean {
    if (isOver || terms.recovery === 'fail' || ctx.attempt >= this.#engine.limits.maxAttempts) return false;
    const hasStreamed = resultId !== undefined || ctx.resultSoFar !== undefined;
    return terms.recovery === 'resume' || !hasStreamed;
  }

  #away(): Presence {
    const { clock, limits } = this.#engine;
    const { providerReturnMs, providerMoveMs } = limits;
    const timer = clock.timer(providerReturnMs, () => {
      const message = `the agent lost its connection and was not back within ${providerReturnMs} ms`;
      this.#leave(new ArcpError('ABORTED', message));
    });
    const patience = clock.timer(providerMoveMs, () => {
      if (this.#presence.kind !== 'away') return;
      this.#presence = { ...this.#presence, patience: 'over' };
      this.moveJobs();
    });
    return { kind: 'away', timer, patience };
  }

  /** (H2) */
  #leave(error: ArcpError): void {
    if (this.#presence.kind === 'gone') return;
    this.close();
    this.#presence = { kind: 'gone' };
    this.#unconfirmed.clear();
    this.#tellReady();
    const { logger } = this.#engine;
    logger.info(
      { session: this.session.id, jobs: this.#places.size, reason: error.message },
      'provider gone',
    );
    this.#owner.changed(this);
    this.#conversations.lost(error);
  }

  #send(message: ToAgent): MessageId {
    const { newId, timestamps, limits, logger } = this.#engine;
    const id = newId('message');
    const presence = this.#presence;
    if (presence.kind === 'gone') return id;
    const { type, payload, jobId, correlationId, streamId, traceId } = message;
    const frame = JSON.stringify({
      arcp: PROTOCOL_VERSION,
      id,
      type,
      timestamp: timestamps.now(),
      session_id: this.session.id,
      job_id: jobId,
      correlation_id: correlationId,
      stream_id: streamId,
      trace_id: traceId,
      payload,
    });
    if (this.#confirms) this.#unconfirmed.keep(id, frame);
    if (presence.kind === 'here') presence.peer.native?.(frame);
    // (H4)
    if (
      this.#unconfirmed.count > limits.maxUnconfirmedFrames ||
      this.#unconfirmed.size > limits.hardBufferBytes
    ) {
      logger.warn(
        { session: this.session.id, frames: this.#unconfirmed.count },
        'the provider confirms nothing',
      );
      this.#leave(new ArcpError('ABORTED', 'the agent that did the job does not confirm what it is sent'));
      if (presence.kind === 'here')
        presence.peer.close(CLOSE_CODES.tryAgainLater, 'what the agent is sent is not confirmed');
    }
    return id;
  }

  /** (H3) */
  #confirm({ id, job_id: jobId, type }: AnyEnvelope): void {
    // What belongs to the connection is never sent again, so that nobody waits to hear of it.
    if (!this.#confirms || (jobId === undefined && type !== 'event.emit')) return;
    const isDue = this.#received === undefined;
    this.#received = id;
    if (!isDue) return;
    void this.#confirmCommitted();
  }

  async #confirmCommitted(): Promise<void> {
    // What arrives in this turn is confirmed at once.
    await Promise.resolve();
    const id = this.#received;
    await this.#engine.journal.flushed();
    if (id === undefined || this.#presence.kind !== 'here') return;
    this.#tellReceived(id);
    if (this.#received === id) this.#received = undefined;
    else void this.#confirmCommitted();
  }

  #tellReceived(id: MessageId): void {
    if (this.#presence.kind !== 'here') return;
    this.#presence.peer.reply({
      type: 'ack',
      payload: { received_up_to: id },
      sessionId: this.session.id,
    });
  }

  #isUpdate(envelope: AnyEnvelope): boolean {
    if (envelope.type !== 'event.emit' || envelope.payload.name !== PROVIDER_AGENTS) return false;
    if (this.#presence.kind !== 'here') return true;
    const { peer } = this.#presence;
    const about = { sessionId: this.session.id, correlationId: envelope.id };
    const agents = (envelope.payload.data as { readonly agents?: unknown } | null | undefined)?.agents;
    try {
      const refused = this.#owner.offer(this, this.#engine.providers.readAdvertised(agents));
      const [first] = refused;
      if (first !== undefined) throw refusalOf(first, refused);
      peer.reply({ type: 'ack', payload: { ack_for: envelope.id }, ...about });
    } catch (error) {
      const payload = { ...ArcpError.from(error).toPayload(), ack_for: envelope.id };
      peer.reply({ type: 'nack', payload, ...about });
    }
    return true;
  }

  #busyWith({ name, version }: Offer): number {
    return this.#busyBy.get(`${name}@${version}`) ?? 0;
  }

  #count({ name, version }: Offer, by: number): void {
    const ref = `${name}@${version}`;
    this.#busy += by;
    this.#busyBy.set(ref, (this.#busyBy.get(ref) ?? 0) + by);
  }

  #lend(held: Place, isLent: boolean): void {
    if (held.isLent === isLent) return;
    held.isLent = isLent;
    this.#count(held.offer, isLent ? -1 : 1);
    if (isLent) this.#owner.roomMade(this);
  }

  get #isReady(): boolean {
    const { softBufferBytes } = this.#engine.limits;
    if (this.#presence.kind === 'gone') return true;
    if (this.#presence.kind === 'away' || this.#unconfirmed.size >= softBufferBytes) return false;
    return this.#presence.peer.buffered < softBufferBytes;
  }

  #whenReady(): Promise<void> {
    if (this.#isReady) return Promise.resolve();
    return new Promise((resolve) => this.#ready.push(resolve));
  }

  #tellReady(): void {
    if (!this.#isReady) return;
    const ready = this.#ready;
    this.#ready = [];
    for (const resolve of ready) resolve();
  }
}

function refusalOf({ agent, code, message }: RefusedOffer, refused: readonly RefusedOffer[]): ArcpError {
  const first = `${agent}: ${code}: ${message}`;
  return new ArcpError('FAILED_PRECONDITION', `not hosted: ${first}`, { details: { refused } });
}
