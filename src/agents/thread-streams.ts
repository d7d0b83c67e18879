/** Streams of an agent in a worker thread, on the thread's side: what is written goes to the stream in the runtime. */
import { nanoid } from 'nanoid';
import { Writable } from 'node:stream';
import { ArcpError } from '../protocol/errors.js';
import { ID_PREFIXES } from '../protocol/ids.js';
import type { StreamKind } from '../protocol/payloads/streams.js';
import { isContinuous, type StreamValue } from '../protocol/stream-chunk.js';
import { ValueStream } from '../protocol/value-stream.js';
import type { InputStream, JobStream, StreamOptions } from './agent.js';
import { handledSteps } from './handled.js';
import type { CallMethod, ServedInput } from './worker-messages.js';

type Call = (method: CallMethod, ...args: readonly unknown[]) => Promise<unknown>;
type Done = (error?: Error | null) => void;

class ThreadStream extends Writable implements JobStream {
  readonly streamId: string;
  readonly kind: StreamKind;
  readonly #number: number;
  readonly #call: Call;
  #closed = false;

  constructor(number: number, streamId: string, kind: StreamKind, call: Call) {
    super({ objectMode: !isContinuous(kind), decodeStrings: false });
    this.on('error', () => undefined);
    this.#number = number;
    this.streamId = streamId;
    this.kind = kind;
    this.#call = call;
  }

  override _write(data: unknown, _encoding: string, done: Done): void {
    this.#ask('streamWrite', [data], done);
  }

  override _writev(writes: readonly { readonly chunk: unknown }[], done: Done): void {
    this.#ask(
      'streamWrite',
      writes.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: Done): void {
    this.#ask('streamEnd', [], (error) => {
      this.#closed = error === undefined;
      done(error);
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    if (!this.#closed) {
      const reason = error === null ? undefined : ArcpError.from(error).toPayload();
      this.#call('streamDestroy', this.#number, reason).catch(() => undefined);
    }
    done(error);
  }

  /** Values cross as JSON, so that what an object makes of itself there is what counts. */
  #ask(method: CallMethod, items: readonly unknown[], done: Done): void {
    let sent: readonly unknown[];
    try {
      sent = this.writableObjectMode ? items.map((item) => JSON.stringify(item)) : items;
    } catch (error) {
      done(new ArcpError('INVALID_ARGUMENT', `not JSON: ${String(error)}`));
      return;
    }
    this.#call(method, this.#number, sent).then(
      () => {
        done();
      },
      (error: unknown) => {
        done(ArcpError.from(error));
      },
    );
  }
}

export class ThreadStreams {
  readonly #call: Call;
  readonly #open = new Map<number, ThreadStream>();
  #next = 1;

  constructor(call: Call) {
    this.#call = call;
  }

  /** The streams into the job; the runtime's side reads them. */
  get input(): AsyncIterable<InputStream, undefined> {
    return { [Symbol.asyncIterator]: () => handledSteps(this.#inputs()) };
  }

  async *#inputs(): AsyncGenerator<InputStream, undefined> {
    for (;;) {
      const next = (await this.#call('nextInput')) as ServedInput | undefined;
      if (next === undefined) return undefined;
      const { number, id, kind, contentType } = next;
      yield new ValueStream(id, kind, contentType, handledSteps(this.#values(number)));
    }
  }

  async *#values(number: number): AsyncGenerator<StreamValue, undefined> {
    let isOver = false;
    try {
      for (;;) {
        const step = (await this.#call('readInput', number)) as IteratorResult<StreamValue, undefined>;
        isOver = step.done === true;
        if (step.done === true) return undefined;
        yield step.value;
      }
    } finally {
      if (!isOver) this.#call('leaveInput', number).catch(() => undefined);
    }
  }

  /** What the runtime has against the stream ends it. */
  open(options: StreamOptions): JobStream {
    const number = this.#next++;
    const streamId = options.streamId ?? `${ID_PREFIXES.stream}_${nanoid()}`;
    const stream = new ThreadStream(number, streamId, options.kind, this.#call);
    this.#open.set(number, stream);
    stream.once('close', () => this.#open.delete(number));
    this.#call('openStream', number, { ...options, streamId }).catch((error: unknown) => {
      stream.destroy(ArcpError.from(error));
    });
    return stream;
  }

  stopped(number: number, error: ArcpError): void {
    this.#open.get(number)?.destroy(error);
  }

  /** Resolves once the streams that were ended have told all that was written. */
  async settled(): Promise<void> {
    const ending = [...this.#open.values()].filter(({ writableEnded }) => writableEnded);
    await Promise.all(ending.map((stream) => new Promise((resolve) => stream.once('close', resolve))));
  }
}
