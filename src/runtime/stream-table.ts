/**
 * The open streams of a runtime, from jobs and into them, and the latest that have ended: who names one is told what
 * has become of it. Ids are looked up within a principal, so that nobody can take or guess another's.
 */
import type { Limits } from './limits.js';
import { OldestFirst } from './oldest-first.js';
import type { ArcpError } from '../protocol/errors.js';
import type { PaceWish } from './stream-pace.js';

/** A stream that is open. */
export interface OpenStream {
  readonly id: string;
  readonly principal: string;
  /** The session that may slow it down, and the one that feeds it if it is one into a job. */
  readonly sessionId: string;
  readonly direction: 'output' | 'input';
  /** Ends it: its last event is `stream.error`. */
  stop(error: ArcpError): void;
  /** What its consumer asks of its producer. */
  wish(wish: PaceWish): void;
}

export type StreamLookup =
  | { readonly kind: 'open'; readonly stream: OpenStream }
  | { readonly kind: 'ended' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'unknown' };

export class StreamTable {
  readonly #limits: Limits;
  readonly #open = new Map<string, Map<string, OpenStream>>();
  /** By principal and id, oldest first. */
  readonly #ended = new Map<string, true>();
  readonly #oldest = new OldestFirst(this.#ended);

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether this principal has, or lately had, a stream of this id. */
  has(principal: string, id: string): boolean {
    return this.#open.get(principal)?.has(id) === true || this.#ended.has(keyOf(principal, id));
  }

  add(stream: OpenStream): void {
    const streams = this.#open.get(stream.principal);
    if (streams === undefined) this.#open.set(stream.principal, new Map([[stream.id, stream]]));
    else streams.set(stream.id, stream);
  }

  /** The stream has ended. */
  ended({ principal, id }: OpenStream): void {
    const streams = this.#open.get(principal);
    streams?.delete(id);
    if (streams?.size === 0) this.#open.delete(principal);
    const key = keyOf(principal, id);
    this.#ended.delete(key);
    this.#ended.set(key, true);
    if (this.#ended.size <= this.#limits.maxRememberedStreams) return;
    const oldest = this.#oldest.peek();
    if (oldest !== undefined) this.#ended.delete(oldest[0]);
  }

  /** What a principal is told of a stream. */
  find(principal: string, id: string): StreamLookup {
    const stream = this.#open.get(principal)?.get(id);
    if (stream !== undefined) return { kind: 'open', stream };
    if (this.#ended.has(keyOf(principal, id))) return { kind: 'ended' };
    for (const streams of this.#open.values()) if (streams.has(id)) return { kind: 'foreign' };
    return { kind: 'unknown' };
  }
}

function keyOf(principal: string, id: string): string {
  return `${principal.length}:${principal}${id}`;
}
