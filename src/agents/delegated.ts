/** Work that a job gives to others: children, and other runtimes. */
import type { JobEvent } from '../protocol/job-event.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type { WorkerProfile, WorkerRole } from '../protocol/worker-profile.js';

export interface DelegateOptions {
  /** One sentence on what the child is asked to do. */
  readonly task?: string;
  /** The child's arguments. Default `{task, context}`. */
  readonly arguments?: unknown;
  readonly context?: Readonly<Record<string, unknown>>;
  /**
   * Names this piece of work among those that the job delegates. A key that was used before, in this attempt or an
   * earlier one, gives the child that was started then, unless that failed or was cancelled; the same key for something
   * else is DUPLICATE_KEY. Only such a child goes on when its parent is started again.
   */
  readonly key?: string;
  /** Whether a child that failed or was cancelled under the key is begun anew, and not given as it ended. Default true. */
  readonly again?: boolean;
  /** What the child may do, within what its parent may: `{'fs.read': ['/data/**']}`. What it does not name it inherits. */
  readonly leaseRequest?: Readonly<Record<string, unknown>>;
  /** The child's worker profile, or a role; it is narrowed to its parent's. Default: what its agent declares. */
  readonly profile?: WorkerRole | Partial<WorkerProfile>;
  /** Reserved out of the parent's remainder, e.g. `['USD:1.00']`; what is not spent comes back. Default: the parent's own counters. */
  readonly budget?: readonly string[];
  /** When its lease ends, RFC 3339, within its parent's; the same as `expires_at` in `leaseRequest`. */
  readonly expiresAt?: string;
  /** How long it may run, from its first start, all attempts at it together; never longer than its parent may still. */
  readonly maxRuntimeMs?: number;
  /**
   * What becomes of it when its parent completes, fails or is cancelled: it is cancelled before that (the default), or
   * lives on, within what its parent might have done.
   */
  readonly onParentEnd?: 'cancel' | 'detach';
  /** Cancels the child. */
  readonly signal?: AbortSignal;
}

/** A runtime by what it is: its fingerprint has to be one that the operator has named. */
export interface HandoffRef {
  readonly fingerprint?: unknown;
  readonly kind?: unknown;
  readonly url?: unknown;
  readonly [more: string]: unknown;
}

export interface HandoffOptions {
  /** Default `{}`. */
  readonly arguments?: unknown;
  /** The job's context, an artifact here: it is copied there, and its id there is the argument `shared_memory_ref`. */
  readonly artifact?: string | ArtifactRef;
  /** What it may do there, within what it may do here. Default: the same. */
  readonly leaseRequest?: Readonly<Record<string, unknown>>;
  /** What it may spend there, e.g. `['USD:1.00']`. Default: what is left here. */
  readonly budget?: readonly string[];
  /** Said to whoever watches. */
  readonly reason?: string;
  /** Names this handoff among those of the job; an attempt that is started again finds it under its key. Default `handoff`. */
  readonly key?: string;
}

export interface DelegateItem extends DelegateOptions {
  readonly target: string;
}

export interface DelegateAllOptions {
  /** How many children run at once. Default 8. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

export interface ChildJob {
  readonly jobId: string;
  /** How the child ended; never rejects. */
  readonly outcome: Promise<ChildOutcome>;
  /**
   * Its events, from the first to the terminal one, each time they are iterated. Read from the store as they are asked
   * for: none is left out, and what nobody reads costs nothing. Throws the signal's reason when the job is stopped while
   * it waits for more, and DATA_LOSS where the child has ended and is no longer kept.
   */
  readonly events: AsyncIterable<JobEvent, undefined>;
  /**
   * What it gave: its value; of what it streamed the bytes; of an artifact the reference. Rejects with the error of a
   * child that failed, and with CANCELLED.
   */
  result(): Promise<unknown>;
  /** Asks the child to stop; `outcome` tells how it ended. */
  cancel(reason?: string): void;
}

export type ChildOutcome =
  | {
      readonly status: 'completed';
      readonly value: unknown;
      readonly summary?: string | undefined;
      readonly result?: StreamedResult | undefined;
      /** Where the result is, when it is an artifact: see `ctx.fetchArtifact`. */
      readonly resultRef?: ArtifactRef | undefined;
    }
  | {
      readonly status: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
    }
  | { readonly status: 'cancelled'; readonly reason?: string | undefined };

/** A result that came in chunks. */
export interface StreamedResult {
  readonly resultId: string;
  /** Decoded bytes. */
  readonly size: number;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
}
