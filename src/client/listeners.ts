/** What a client tells beside the answers to its calls, and who listens. */
import type { AnyEnvelope, ArcpError, Inventory, Refusal } from '../protocol/index.js';
import type { Question } from './question.js';

/** Something that came and concerns no call and no job of this client. */
export type Notice =
  /** The runtime refused something of which nobody waits for the answer. */
  | { readonly kind: 'nack'; readonly error: ArcpError; readonly envelope: AnyEnvelope }
  /** A frame that does not decode. */
  | { readonly kind: 'undecodable'; readonly refusal: Refusal }
  /** A message that belongs to nothing that the client knows of. It was dropped. */
  | { readonly kind: 'unrouted'; readonly envelope: AnyEnvelope }
  /** A cancel that nobody waits for (an aborted signal, a late acceptance) was refused. */
  | { readonly kind: 'cancel-failed'; readonly jobId: string; readonly error: ArcpError }
  /** The runtime asked for the token anew and did not take what it was shown: it will end the session. */
  | { readonly kind: 'refresh-failed'; readonly error: ArcpError }
  /** Events are missing; every job in flight was given up with this error. */
  | { readonly kind: 'gap'; readonly error: ArcpError };

export type ConnectionChange =
  | { readonly state: 'open'; readonly resumed: boolean }
  /** Lost; the next attempt is in `delayMs`. */
  | { readonly state: 'waiting'; readonly error: ArcpError; readonly delayMs: number }
  | { readonly state: 'closed'; readonly error: ArcpError };

export interface ClientEvents {
  readonly notice: Notice;
  readonly connection: ConnectionChange;
  /** A job that this client is told of asks a person. In a history it may have been answered since: see `ended`. */
  readonly question: Question;
  /** The agents of the runtime are others than they were: what `Client.agents` gives from now on. */
  readonly agents: Inventory;
}

type Listener<Name extends keyof ClientEvents> = (event: ClientEvents[Name]) => void;

export class Listeners {
  readonly #listeners: { readonly [Name in keyof ClientEvents]: Set<Listener<Name>> } = {
    notice: new Set(),
    connection: new Set(),
    question: new Set(),
    agents: new Set(),
  };

  /** Returns the function that ends the listening. */
  add<Name extends keyof ClientEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners: Set<Listener<Name>> = this.#listeners[name];
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** A listener that throws does so in a task of its own, as an event target's would. */
  tell<Name extends keyof ClientEvents>(name: Name, event: ClientEvents[Name]): void {
    const listeners: Set<Listener<Name>> = this.#listeners[name];
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
