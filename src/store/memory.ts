/**
 * The store that forgets at exit: for tests, for embedding, and for runtimes whose jobs need not outlive them.
 * It keeps the port's promises (S1 to S4) except survival.
 */
import { ArcpError } from '../protocol/errors.js';
import { TemporaryBlobs } from './temporary-blobs.js';
import type {
  DocumentWrite,
  LogHead,
  LogRecord,
  Store,
  StoredDocument,
  StoredPlace,
  StoredRecord,
  Write,
} from './store.js';

interface Entry {
  readonly type: string;
  readonly body: string;
  readonly position: number;
}

interface Log {
  readonly head: string | undefined;
  readonly entries: Entry[];
}

/** A `Store` in memory. Its groups are what one turn of the event loop produced. */
export function memoryStore(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly grouping = { kind: 'turn' } as const;
  readonly durable = false;
  readonly blobs = new TemporaryBlobs();
  readonly #logs = new Map<string, Log>();
  readonly #documents = new Map<string, StoredDocument>();
  #position = 0;

  append(group: readonly Write[]): void {
    const restore: (() => void)[] = [];
    const position = this.#position;
    let written = 0;
    try {
      for (const write of group) {
        if (write.kind === 'record') this.#write(write);
        else restore.push(this.#put(write));
        written += 1;
      }
    } catch (error) {
      this.#takeBack(group.slice(0, written));
      this.#position = position;
      for (const one of restore.reverse()) one();
      throw error;
    }
  }

  /** (S2) */
  #write({ log: name, seq, type, body, head }: LogRecord): void {
    const log = this.#logs.get(name);
    const length = log?.entries.length ?? 0;
    if (seq !== length + 1) {
      throw new ArcpError('ABORTED', `log ${name} is at ${length}, so ${seq} cannot be appended`);
    }
    const entry = { type, body, position: (this.#position += 1) };
    if (log === undefined) {
      this.#logs.set(name, { head, entries: [entry] });
    } else {
      log.entries.push(entry);
    }
  }

  /** (S2) Returns how to take it back. */
  #put({ key, revision, text }: DocumentWrite): () => void {
    const before = this.#documents.get(key);
    const stored = before?.revision ?? 0;
    if (revision !== stored + 1) {
      throw new ArcpError('ABORTED', `document ${key} is at ${stored}, so ${revision} cannot be put`);
    }
    if (text === undefined) this.#documents.delete(key);
    else this.#documents.set(key, { key, revision, text });
    return () => {
      if (before === undefined) this.#documents.delete(key);
      else this.#documents.set(key, before);
    };
  }

  /** Removes the records of a refused group that were written already. */
  #takeBack(written: readonly Write[]): void {
    for (const write of written) {
      if (write.kind !== 'record') continue;
      const log = this.#logs.get(write.log);
      log?.entries.pop();
      if (log?.entries.length === 0) this.#logs.delete(write.log);
    }
  }

  read(log: string, after: number, limit: number): readonly StoredRecord[] {
    const entries = this.#logs.get(log)?.entries ?? [];
    return entries
      .slice(after, after + limit)
      .map(({ type, body }, index) => ({ log, seq: after + index + 1, type, body }));
  }

  places(after: number, limit: number): readonly StoredPlace[] {
    const places: StoredPlace[] = [];
    for (const [log, { entries }] of this.#logs) {
      for (const [index, { position, type, body }] of entries.entries()) {
        if (position <= after) continue;
        places.push({ position, log, seq: index + 1, type, bytes: Buffer.byteLength(body) });
      }
    }
    return places.sort((one, other) => one.position - other.position).slice(0, limit);
  }

  lastPosition(): number {
    return this.#position;
  }

  heads(limit: number, before?: string): readonly LogHead[] {
    const all = this.#heads().reverse();
    const from = before === undefined ? 0 : all.findIndex(({ log }) => log === before) + 1;
    return all.slice(from, from + limit);
  }

  documents(prefix: string): readonly StoredDocument[] {
    return [...this.#documents.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  drop(logs: readonly string[]): void {
    for (const log of logs) this.#logs.delete(log);
  }

  close(): void {
    this.#logs.clear();
    this.#documents.clear();
    this.blobs.close();
  }

  #heads(): LogHead[] {
    return [...this.#logs].flatMap(([log, { head, entries }]) => {
      const latest = entries.at(-1);
      if (head === undefined || latest === undefined) return [];
      return [{ log, head, seq: entries.length, type: latest.type, body: latest.body }];
    });
  }
}
