/**
 * The store that forgets at exit: for tests, for embedding, and for runtimes whose jobs need not outlive them.
 * It keeps the port's promises (S1 to S3) except survival.
 */
import { ArcpError } from '../protocol/errors.js';
import type { LogRecord, Store } from './store.js';

interface Entry {
  readonly type: string;
  readonly body: string;
}

/** A `Store` in memory. Its groups are what one turn of the event loop produced. */
export function memoryStore(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly grouping = { kind: 'turn' } as const;
  readonly #logs = new Map<string, Entry[]>();

  append(group: readonly LogRecord[]): void {
    let written = 0;
    try {
      for (const record of group) {
        this.#write(record);
        written += 1;
      }
    } catch (error) {
      for (const { log } of group.slice(0, written)) this.#logs.get(log)?.pop();
      throw error;
    }
  }

  /** (S2) */
  #write({ log, seq, type, body }: LogRecord): void {
    const entries = this.#logs.get(log);
    const length = entries?.length ?? 0;
    if (seq !== length + 1) {
      throw new ArcpError('ABORTED', `log ${log} is at ${length}, so ${seq} cannot be appended`);
    }
    if (entries === undefined) this.#logs.set(log, [{ type, body }]);
    else entries.push({ type, body });
  }

  read(log: string, after: number, limit: number): readonly LogRecord[] {
    const entries = this.#logs.get(log) ?? [];
    return entries
      .slice(after, after + limit)
      .map(({ type, body }, index) => ({ log, seq: after + index + 1, type, body }));
  }

  drop(logs: readonly string[]): void {
    for (const log of logs) this.#logs.delete(log);
  }

  close(): void {
    this.#logs.clear();
  }
}
