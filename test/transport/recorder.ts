/** Takes down everything that a transport tells, and lets a test await it. */
import type { TransportEnd, TransportHandlers } from '../../src/transport/transport.js';

export class Recorder implements TransportHandlers {
  readonly frames: string[] = [];
  readonly binaries: Uint8Array[] = [];
  readonly ends: TransportEnd[] = [];
  /** What was told after the end; always empty, or T3 is broken. */
  readonly late: string[] = [];
  readonly #waiting: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  #drained = 0;

  message(frame: string): void {
    if (this.ends.length > 0) this.late.push(frame);
    this.frames.push(frame);
    this.#check();
  }

  binary(bytes: Uint8Array): void {
    if (this.ends.length > 0) this.late.push('binary');
    this.binaries.push(bytes);
    this.#check();
  }

  drained(): void {
    if (this.ends.length > 0) this.late.push('drained');
    this.#drained += 1;
    this.#check();
  }

  closed(end: TransportEnd): void {
    this.ends.push(end);
    this.#check();
  }

  async received(count: number): Promise<readonly string[]> {
    await this.#until(() => this.frames.length >= count);
    return this.frames;
  }

  async ended(): Promise<TransportEnd> {
    await this.#until(() => this.ends.length > 0);
    const [end] = this.ends;
    if (end === undefined) throw new Error('unreachable');
    return end;
  }

  receivedBinary(): Promise<void> {
    return this.#until(() => this.binaries.length > 0);
  }

  drainedOnce(): Promise<void> {
    return this.#until(() => this.#drained > 0);
  }

  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ isDone, resolve }));
  }

  #check(): void {
    for (const { isDone, resolve } of this.#waiting) if (isDone()) resolve();
  }
}

/** A turn of the event loop, so that what was going to be told too much has had its chance. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
