/**
 * A connection over a bad network. What the client says waits until the network carries it, which may be twice; what the
 * runtime says waits too, so that the runtime sees a slow reader. A cut loses whatever is on the way.
 */
import type { MemoryTransport } from '../../src/transport/memory.js';

export class Link {
  readonly #wire: MemoryTransport;
  readonly #onFrame: (frame: string) => void;
  readonly #onCut: () => void;
  #outbound: string[] = [];
  #alive = true;

  constructor(wire: MemoryTransport, onFrame: (frame: string) => void, onCut: () => void) {
    this.#wire = wire;
    this.#onFrame = onFrame;
    this.#onCut = onCut;
    wire.start({
      message: (frame) => {
        this.#onFrame(frame);
      },
      closed: () => {
        this.#end();
      },
    });
    wire.pause();
  }

  get alive(): boolean {
    return this.#alive;
  }

  send(frame: string): void {
    if (this.#alive) this.#outbound.push(frame);
  }

  /** Carries the next frames to the runtime; the first of them twice, if told to. */
  carryOut(count: number, twice: boolean): void {
    const carried = this.#outbound.splice(0, count);
    const [first] = carried;
    if (twice && first !== undefined) this.#wire.send(first);
    for (const frame of carried) this.#wire.send(frame);
  }

  /** Lets through what the runtime has said by now. */
  async carryIn(): Promise<void> {
    this.#wire.resume();
    await Promise.resolve();
    await Promise.resolve();
    this.#wire.pause();
  }

  /** From now on the network is a good one. */
  heal(): void {
    this.#wire.resume();
    this.carryOut(Infinity, false);
  }

  cut(): void {
    this.#wire.destroy();
    this.#end();
  }

  #end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#outbound = [];
    this.#onCut();
  }
}
