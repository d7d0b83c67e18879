/**
 * Two transports joined in memory, for tests and for a client in the runtime's own process. Frames arrive in a
 * microtask, in order; nothing else happens by itself, so that a test sees the same run every time.
 */
import { Delivery } from './delivery.js';
import type { CloseCode, Transport, TransportEnd, TransportHandlers } from './transport.js';
import { CLOSE_CODES } from './transport.js';
import { endOf, exceedsBytes } from './utf8.js';

export interface MemoryPairOptions {
  /** Bytes of one frame. Default 1.5 MiB; a larger one closes the pair with 1009. */
  readonly maxFrameBytes?: number;
}

export interface MemoryTransport extends Transport {
  /** Stops taking what the other end sends, like a peer that does not read: the other's `buffered` grows. */
  pause(): void;
  resume(): void;
  /** Breaks the connection: both ends are told 1006, and what was not delivered is lost. */
  destroy(): void;
}

export function memoryPair(options: MemoryPairOptions = {}): [MemoryTransport, MemoryTransport] {
  const { maxFrameBytes = 1_572_864 } = options;
  const there = new Lane();
  const back = new Lane();
  return [new MemoryEnd(back, there, maxFrameBytes), new MemoryEnd(there, back, maxFrameBytes)];
}

type Arrival = string | TransportEnd;

/** One direction. What was put in is taken out in a microtask, while the lane is open and not paused. */
class Lane {
  /** Set by the ends. */
  onArrival: (arrival: Arrival) => void = () => undefined;
  onDrained: () => void = () => undefined;
  #arrivals: Arrival[] = [];
  #units = 0;
  /** Nothing is taken out before the receiving end was started. */
  #open = false;
  #paused = false;
  #filled = false;
  #scheduled = false;

  /** UTF-16 units of the frames in it. */
  get units(): number {
    return this.#units;
  }

  put(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    if (typeof arrival === 'string') this.#units += arrival.length;
    this.#filled = true;
    this.#schedule();
  }

  open(): void {
    this.#open = true;
    this.#schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  clear(): void {
    this.#arrivals = [];
    this.#units = 0;
  }

  get #flowing(): boolean {
    return this.#open && !this.#paused;
  }

  #schedule(): void {
    if (this.#scheduled || !this.#flowing || this.#arrivals.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#empty();
    });
  }

  #empty(): void {
    const arrivals = this.#arrivals;
    let next = 0;
    while (this.#flowing && this.#arrivals === arrivals) {
      const arrival = arrivals[next];
      if (arrival === undefined) break;
      next += 1;
      if (typeof arrival === 'string') this.#units -= arrival.length;
      this.onArrival(arrival);
    }
    if (this.#arrivals === arrivals) this.#arrivals = arrivals.slice(next);
    if (this.#filled && this.#arrivals.length === 0) {
      this.#filled = false;
      this.onDrained();
    }
  }
}

class MemoryEnd implements MemoryTransport {
  readonly #inbound: Lane;
  readonly #outbound: Lane;
  readonly #delivery = new Delivery();
  #open = true;

  constructor(inbound: Lane, outbound: Lane, maxFrameBytes: number) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    outbound.onDrained = () => {
      this.#delivery.drained();
    };
    inbound.onArrival = (arrival) => {
      if (typeof arrival !== 'string') this.#end(arrival);
      else if (!exceedsBytes(arrival, maxFrameBytes)) this.#delivery.message(arrival);
      else this.#shut(endOf(CLOSE_CODES.messageTooBig, `the frame is larger than ${maxFrameBytes} bytes`));
    };
  }

  get buffered(): number {
    return this.#outbound.units;
  }

  send(frame: string): void {
    if (this.#open) this.#outbound.put(frame);
  }

  close(code: CloseCode, reason: string): void {
    this.#shut(endOf(code, reason));
  }

  start(handlers: TransportHandlers): void {
    this.#delivery.start(handlers);
    this.#inbound.open();
  }

  pause(): void {
    this.#inbound.pause();
  }

  resume(): void {
    this.#inbound.resume();
  }

  destroy(): void {
    const broken = endOf(1006, 'the connection broke');
    this.#outbound.clear();
    this.#shut(broken);
  }

  /** Closes this end and tells the other one, behind what it was sent. */
  #shut(end: TransportEnd): void {
    if (!this.#open) return;
    this.#outbound.put(end);
    this.#end(end);
  }

  #end(end: TransportEnd): void {
    if (!this.#open) return;
    this.#open = false;
    this.#inbound.clear();
    queueMicrotask(() => {
      this.#delivery.end(end);
    });
  }
}
