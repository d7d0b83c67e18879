/**
 * Tells the runtime how far the client has read (`session.ack`), so that a runtime with an acknowledgement window
 * goes on and one that keeps events for a resume can let go of them: after every 64 events, and 250 ms after the
 * last ones. What was received counts as read: the client holds it for its iterators.
 */
import type { Clock, Timer } from '../clock.js';

const EVENTS_PER_ACK = 64;
const IDLE_MS = 250;

export class Acks {
  readonly #clock: Clock;
  readonly #send: (lastProcessedSeq: number) => void;
  #acknowledged = 0;
  #received = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, send: (lastProcessedSeq: number) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  received(eventSeq: number): void {
    this.#received = eventSeq;
    if (eventSeq - this.#acknowledged >= EVENTS_PER_ACK) this.#acknowledge();
    else this.#timer ??= this.#clock.timer(IDLE_MS, () => this.#idle());
  }

  /** Begins anew: after `eventSeq` of another session, or of this one on another connection. */
  restart(eventSeq: number): void {
    this.stop();
    this.#acknowledged = eventSeq;
    this.#received = eventSeq;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #idle(): void {
    this.#timer = undefined;
    if (this.#received > this.#acknowledged) this.#acknowledge();
  }

  #acknowledge(): void {
    this.#acknowledged = this.#received;
    this.#send(this.#received);
  }
}
