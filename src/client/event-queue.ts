/**
 * An async iterator that somebody else feeds. Items go into one array while the reader empties another, and the two
 * are swapped when the reader has caught up: no promise and no list node per item that waits.
 *
 * (Q1) Items come out in the order in which they went in, then the end or the error, once.
 * (Q2) Law L7: when more than `limit` waits unread, what waits is dropped and the reader gets one
 *      BACKPRESSURE_OVERFLOW after the items that it had begun to take.
 * (Q3) `return` (leaving a `for await`) lets go of everything and calls `released`.
 */
import { ArcpError } from '../protocol/index.js';

export interface QueueLimit {
  readonly items: number;
  /** Of the sizes given to `push`. */
  readonly size: number;
}

type Supply =
  { readonly kind: 'open' } | { readonly kind: 'ended' } | { readonly kind: 'failed'; readonly error: Error };

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: Error) => void;
}

const DONE = { value: undefined, done: true } as const;

export class EventQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #limit: QueueLimit;
  readonly #released: () => void;
  #inbox: T[] = [];
  #inboxSize = 0;
  /** Emptied slot by slot, so that what was read can be collected. */
  #outbox: (T | undefined)[] = [];
  #taken = 0;
  #waiters: Waiter<T>[] = [];
  #supply: Supply = { kind: 'open' };

  constructor(limit: QueueLimit, released: () => void = () => undefined) {
    this.#limit = limit;
    this.#released = released;
  }

  push(item: T, size: number): void {
    if (this.#supply.kind !== 'open') return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve({ value: item, done: false });
      return;
    }
    this.#inbox.push(item);
    this.#inboxSize += size;
    if (this.#inbox.length > this.#limit.items || this.#inboxSize > this.#limit.size) this.#overflow();
  }

  end(): void {
    this.#stop({ kind: 'ended' });
  }

  fail(error: Error): void {
    this.#stop({ kind: 'failed', error });
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#taken === this.#outbox.length && this.#inbox.length > 0) {
      this.#outbox = this.#inbox;
      this.#inbox = [];
      this.#inboxSize = 0;
      this.#taken = 0;
    }
    if (this.#taken < this.#outbox.length) {
      const value = this.#outbox[this.#taken] as T;
      this.#outbox[this.#taken] = undefined;
      this.#taken += 1;
      return Promise.resolve({ value, done: false });
    }
    switch (this.#supply.kind) {
      case 'open':
        return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
      case 'ended':
        return Promise.resolve(DONE);
      case 'failed': {
        const { error } = this.#supply;
        this.#supply = { kind: 'ended' };
        return Promise.reject(error);
      }
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#inbox = [];
    this.#outbox = [];
    this.#taken = 0;
    this.#supply = { kind: 'ended' };
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(DONE);
    this.#released();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #overflow(): void {
    const unread = this.#inbox.length;
    this.#inbox = [];
    this.#inboxSize = 0;
    this.fail(
      new ArcpError('BACKPRESSURE_OVERFLOW', `the reader fell behind: ${unread} unread items were dropped`, {
        details: { unread, limit: this.#limit },
      }),
    );
    this.#released();
  }

  #stop(supply: Supply): void {
    if (this.#supply.kind !== 'open') return;
    this.#supply = supply;
    const waiters = this.#waiters.splice(0);
    if (supply.kind === 'failed') {
      const first = waiters.shift();
      if (first !== undefined) {
        this.#supply = { kind: 'ended' };
        first.reject(supply.error);
      }
    }
    for (const waiter of waiters) waiter.resolve(DONE);
  }
}
