/**
 * The receiving half that all transports share: it holds what comes before `start`, keeps the order, and sees to it
 * that `closed` is called once and last (T1, T3). Handlers are never called from within `start`.
 */
import type { TransportEnd, TransportHandlers } from './transport.js';

type Arrival = string | Uint8Array | TransportEnd;

type State =
  | { readonly phase: 'queueing'; readonly arrivals: Arrival[]; handlers: TransportHandlers | undefined }
  | { readonly phase: 'live'; readonly handlers: TransportHandlers }
  /** Closed by its owner: frames are dropped, the end is still to be told. */
  | { readonly phase: 'muted'; handlers: TransportHandlers | undefined }
  | { readonly phase: 'over' };

export class Delivery {
  #state: State = { phase: 'queueing', arrivals: [], handlers: undefined };

  message(frame: string): void {
    const state = this.#state;
    if (state.phase === 'live') state.handlers.message(frame);
    else if (state.phase === 'queueing') state.arrivals.push(frame);
  }

  binary(bytes: Uint8Array): void {
    const state = this.#state;
    if (state.phase === 'live') state.handlers.binary?.(bytes);
    else if (state.phase === 'queueing') state.arrivals.push(bytes);
  }

  drained(): void {
    if (this.#state.phase === 'live') this.#state.handlers.drained?.();
  }

  /** Tells the end; the second and every later call is ignored. */
  end(end: TransportEnd): void {
    const state = this.#state;
    if (state.phase === 'over') return;
    if (state.phase === 'queueing') {
      if (!state.arrivals.some(isEnd)) state.arrivals.push(end);
    } else if (state.handlers === undefined) {
      this.#state = { phase: 'queueing', arrivals: [end], handlers: undefined };
    } else {
      this.#state = { phase: 'over' };
      state.handlers.closed(end);
    }
  }

  /** The owner has closed: from now on only the end is told. */
  mute(): void {
    const state = this.#state;
    if (state.phase === 'over' || state.phase === 'muted') return;
    const end = state.phase === 'queueing' ? state.arrivals.find(isEnd) : undefined;
    if (end === undefined) this.#state = { phase: 'muted', handlers: state.handlers };
  }

  start(handlers: TransportHandlers): void {
    const state = this.#state;
    if (state.phase === 'live' || state.phase === 'over' || state.handlers !== undefined) {
      throw new Error('a transport is started once');
    }
    state.handlers = handlers;
    if (state.phase === 'queueing') {
      queueMicrotask(() => {
        this.#catchUp(state.arrivals, handlers);
      });
    }
  }

  #catchUp(arrivals: Arrival[], handlers: TransportHandlers): void {
    for (let next = 0; next < arrivals.length && this.#state.phase === 'queueing'; next++) {
      const arrival = arrivals[next];
      if (arrival === undefined) break;
      if (typeof arrival === 'string') handlers.message(arrival);
      else if (arrival instanceof Uint8Array) handlers.binary?.(arrival);
      else {
        this.#state = { phase: 'over' };
        handlers.closed(arrival);
      }
    }
    if (this.#state.phase === 'queueing') this.#state = { phase: 'live', handlers };
  }
}

function isEnd(arrival: Arrival): arrival is TransportEnd {
  return typeof arrival !== 'string' && !(arrival instanceof Uint8Array);
}
