/**
 * Messages that were sent and of which the other side has not said that it has them: they are sent again on its next
 * connection, in order and under their ids, by which it drops those that it had (RFC 0001 §6.4). So nothing between a
 * runtime and an agent that dialled in is lost or done twice when a socket drops.
 */
import type { MessageId } from '../../protocol/ids.js';

interface Kept {
  readonly id: MessageId;
  readonly frame: string;
}

export class Unconfirmed {
  #kept: Kept[] = [];
  #size = 0;

  get count(): number {
    return this.#kept.length;
  }

  /** Of all of them, in UTF-16 units. */
  get size(): number {
    return this.#size;
  }

  keep(id: MessageId, frame: string): void {
    this.#kept.push({ id, frame });
    this.#size += frame.length;
  }

  /** The other side has this one, and all before it. One that is not known says nothing. */
  confirm(id: string): void {
    const at = this.#kept.findIndex((one) => one.id === id);
    if (at < 0) return;
    for (const { frame } of this.#kept.slice(0, at + 1)) this.#size -= frame.length;
    this.#kept = this.#kept.slice(at + 1);
  }

  /** What is to be sent again. */
  *frames(): Generator<string> {
    for (const { frame } of this.#kept) yield frame;
  }

  clear(): void {
    this.#kept = [];
    this.#size = 0;
  }
}
