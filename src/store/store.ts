/**
 * The durable log behind one port. A log belongs to one job, or to one session (for what happens to no job).
 * Beside the logs there are documents: small texts under keys, for what has no history.
 *
 * (S1) `append` takes a group of writes and keeps its order. When it returns, or its promise resolves, every write of
 *      the group survives what the store promises to survive; when it throws or rejects, none of the group is
 *      visible to anybody, now or ever.
 * (S2) A record's `seq` is its log's length before it plus one, and a document's `revision` the one before it plus one.
 *      A gap or a repeat refuses the whole group with ABORTED: a second writer finds out here.
 * (S3) The unit of atomicity is one log, or one document; a group is a matter of speed, not of meaning.
 * (S4) Records have positions: from 1, one more from record to record in the order of commit, over all logs. They are
 *      never used again, so that where logs were forgotten there are gaps.
 */
import type { Blobs } from './blobs.js';

export interface Store {
  append(group: readonly Write[]): void | Promise<void>;
  /** Records of one log with `seq` > `after`, in order, at most `limit`. An unknown log is empty. */
  read(log: string, after: number, limit: number): readonly StoredRecord[] | Promise<readonly StoredRecord[]>;
  /** What was committed behind this position, without its text, in order of commit; at most `limit` records. */
  places(after: number, limit: number): readonly StoredPlace[] | Promise<readonly StoredPlace[]>;
  /** The position of the latest record that was ever committed; 0 before the first. */
  lastPosition(): number | Promise<number>;
  /** Logs with a head, latest first; at most `limit`, those begun before the log `before` where it is given. */
  heads(limit: number, before?: string): readonly LogHead[] | Promise<readonly LogHead[]>;
  /** Documents whose key begins with `prefix`, by key. */
  documents(prefix: string): readonly StoredDocument[] | Promise<readonly StoredDocument[]>;
  /** Forgets whole logs. */
  drop(logs: readonly string[]): void | Promise<void>;
  close(): void | Promise<void>;
  /** What is too large for a log or a document. Given up with the store. */
  readonly blobs: Blobs;
  /** How long the runtime may gather writes before it appends them as one group. */
  readonly grouping: Grouping;
  /** Whether what was appended survives the end of the process. */
  readonly durable: boolean;
  /** The runtime's private key, where one is kept beside the logs: what `make` gives, and from then on the same. */
  key?(make: () => string): string;
}

export type Write = LogRecord | DocumentWrite;

export interface StoredRecord {
  /** A job id, or a session id, or that with `.n` behind it for a later part of its log. */
  readonly log: string;
  /** From 1, contiguous within the log. */
  readonly seq: number;
  /** The message type of the event. */
  readonly type: string;
  /** The event as text: a native envelope without the fields that a session adds, see `runtime/event-log.ts`. */
  readonly body: string;
}

/** Where a record stands among all of them. */
export interface StoredPlace {
  readonly position: number;
  readonly log: string;
  readonly seq: number;
  readonly type: string;
  /** Of the body, as UTF-8. */
  readonly bytes: number;
}

export interface LogRecord extends StoredRecord {
  readonly kind: 'record';
  /** On a log's first record: what it takes to go on with the log after a restart. Never shown to a client. */
  readonly head?: string | undefined;
}

export interface LogHead {
  readonly log: string;
  readonly head: string;
  /** Of the latest record. */
  readonly seq: number;
  readonly type: string;
  readonly body: string;
}

export interface DocumentWrite {
  readonly kind: 'document';
  readonly key: string;
  /** From 1. */
  readonly revision: number;
  /** `undefined` removes the document. */
  readonly text: string | undefined;
}

export interface StoredDocument {
  readonly key: string;
  readonly revision: number;
  readonly text: string;
}

/**
 * `turn`: what one burst of synchronous work produced. `batch`: what one turn of the event loop produced, at most
 * this many writes.
 */
export type Grouping = { readonly kind: 'turn' } | { readonly kind: 'batch'; readonly writes: number };
