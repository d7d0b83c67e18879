/** Streams of an agent in a worker thread, on the runtime's side: the real ones, by the numbers that the thread gave. */
import { ArcpError, type ErrorPayload } from '../protocol/errors.js';
import type { StreamValue } from '../protocol/stream-chunk.js';
import type { InputStream, JobContext, JobStream, StreamOptions } from './agent.js';
import type { ServedInput } from './worker-messages.js';

export class ServedStreams {
  readonly #ctx: Pick<JobContext, 'openStream' | 'input'>;
  readonly #onStopped: (number: number, error: ArcpError) => void;
  readonly #open = new Map<number, JobStream>();
  #arriving: AsyncIterator<InputStream, undefined> | undefined;
  readonly #inputs = new Map<number, AsyncIterator<StreamValue, undefined>>();
  #nextInput = 1;

  constructor(
    ctx: Pick<JobContext, 'openStream' | 'input'>,
    onStopped: (number: number, error: ArcpError) => void,
  ) {
    this.#ctx = ctx;
    this.#onStopped = onStopped;
  }

  open(number: number, options: StreamOptions): void {
    const stream = this.#ctx.openStream(options);
    this.#open.set(number, stream);
    stream.on('error', (error) => {
      this.#onStopped(number, ArcpError.from(error));
    });
    stream.once('close', () => this.#open.delete(number));
  }

  /** Resolves when the last of the items is written. */
  write(number: number, items: readonly (string | Uint8Array)[]): Promise<void> {
    return this.#on(number, (stream, done) => {
      for (const [index, item] of items.entries()) {
        const value: unknown = stream.writableObjectMode ? JSON.parse(item as string) : item;
        stream.write(value, index === items.length - 1 ? done : undefined);
      }
    });
  }

  end(number: number): Promise<void> {
    return this.#on(number, (stream, done) => {
      stream.once('error', done);
      stream.end(done);
    });
  }

  destroy(number: number, error: ErrorPayload | undefined): void {
    this.#open.get(number)?.destroy(error === undefined ? undefined : ArcpError.fromPayload(error));
  }

  /** The next stream into the job. */
  async nextInput(): Promise<ServedInput | undefined> {
    this.#arriving ??= this.#ctx.input[Symbol.asyncIterator]();
    const step = await this.#arriving.next();
    if (step.done === true) return undefined;
    const stream = step.value;
    const number = this.#nextInput++;
    this.#inputs.set(number, stream[Symbol.asyncIterator]());
    const { id, kind, contentType } = stream;
    return { number, id, kind, contentType };
  }

  /** Its next value. */
  async readInput(number: number): Promise<IteratorResult<StreamValue, undefined>> {
    const next = await this.#inputs.get(number)?.next();
    if (next?.done !== false) this.#inputs.delete(number);
    return next ?? { done: true, value: undefined };
  }

  async leaveInput(number: number): Promise<void> {
    await this.#inputs.get(number)?.return?.();
    this.#inputs.delete(number);
  }

  #on(number: number, act: (stream: JobStream, done: (error?: Error | null) => void) => void): Promise<void> {
    const stream = this.#open.get(number);
    if (stream === undefined)
      return Promise.reject(new ArcpError('FAILED_PRECONDITION', 'the stream has ended'));
    return new Promise((resolve, reject) => {
      act(stream, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(stream.errored ?? error);
      });
    });
  }
}
