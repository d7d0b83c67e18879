/** What a person is told of the streams of jobs: one line when a stream ends, with its kind and how much it carried. */
import type { JobEvent } from '../client/index.js';
import { printable } from './text.js';

/** Streams that are counted at once; beyond, the oldest is told as if nothing of it had been seen (law L7). */
const MAX_COUNTED = 1_000;

interface Counted {
  /** `stream` from the job, `input` into it. */
  readonly way: 'stream' | 'input';
  readonly kind: string;
  chunks: number;
  /** Decoded bytes of `text` and `binary`; other kinds carry values. */
  bytes: number;
}

export class StreamLines {
  readonly #streams = new Map<string, Counted>();

  /** Counts the event, and gives a line where it ends a stream. */
  of(event: JobEvent): string | undefined {
    const { stream_id: id } = event;
    if (id === undefined) return undefined;
    const key = `${event.job_id} ${id}`;
    switch (event.type) {
      case 'stream.open':
        this.#begin(key, event.payload.kind, event.source === undefined ? 'stream' : 'input');
        return undefined;
      case 'stream.chunk': {
        const counted = this.#streams.get(key);
        if (counted === undefined) return undefined;
        counted.chunks += 1;
        counted.bytes += sizeOf(counted.kind, event.payload.data);
        return undefined;
      }
      case 'stream.close':
        return this.#end(key, '');
      case 'stream.error':
        return this.#end(key, `  ${event.payload.code}: ${printable(event.payload.message)}`);
      default:
        return undefined;
    }
  }

  #begin(key: string, kind: string, way: Counted['way']): void {
    this.#streams.set(key, { way, kind, chunks: 0, bytes: 0 });
    if (this.#streams.size <= MAX_COUNTED) return;
    for (const [oldest] of this.#streams) {
      this.#streams.delete(oldest);
      break;
    }
  }

  #end(key: string, failure: string): string {
    const counted = this.#streams.get(key);
    this.#streams.delete(key);
    if (counted === undefined) return `stream  ended${failure}`;
    const { way, kind, chunks, bytes } = counted;
    const size = isBytes(kind) ? `, ${bytes} bytes` : '';
    return `${way} ${printable(kind)}  ${chunks} ${chunks === 1 ? 'chunk' : 'chunks'}${size}${failure}`;
  }
}

function isBytes(kind: string): boolean {
  return kind === 'text' || kind === 'binary';
}

function sizeOf(kind: string, data: unknown): number {
  if (typeof data !== 'string' || !isBytes(kind)) return 0;
  return Buffer.byteLength(data, kind === 'text' ? 'utf8' : 'base64');
}
