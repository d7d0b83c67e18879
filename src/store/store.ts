/**
 * The durable log behind one port. A log belongs to one job, or to one session (for what happens to no job).
 *
 * (S1) `append` takes a group for several logs and keeps its order. When it returns, or its promise resolves,
 *      every record of the group survives what the store promises to survive; when it throws or rejects, none
 *      of the group is visible to `read`, now or ever.
 * (S2) A record's `seq` is its log's length before it plus one. A gap or a repeat refuses the whole group: a
 *      second writer of a log finds out here.
 * (S3) The unit of atomicity is one log; a group is a matter of speed, not of meaning.
 */
export interface Store {
  append(group: readonly LogRecord[]): void | Promise<void>;
  /** Records of one log with `seq` > `after`, in order, at most `limit`. An unknown log is empty. */
  read(log: string, after: number, limit: number): readonly LogRecord[] | Promise<readonly LogRecord[]>;
  /** Forgets whole logs. */
  drop(logs: readonly string[]): void | Promise<void>;
  close(): void | Promise<void>;
  /** How long the runtime may gather records before it appends them as one group. */
  readonly grouping: Grouping;
}

export interface LogRecord {
  /** A job id, or a session id, or that with `.n` behind it for a later part of its log. */
  readonly log: string;
  /** From 1, contiguous within the log. */
  readonly seq: number;
  /** The message type of the event. */
  readonly type: string;
  /** The event as text: a native envelope without the fields that a session adds, see `runtime/event-log.ts`. */
  readonly body: string;
}

/**
 * `turn`: what one burst of synchronous work produced. `batch`: what one turn of the event loop produced, at most
 * this many records.
 */
export type Grouping = { readonly kind: 'turn' } | { readonly kind: 'batch'; readonly records: number };
