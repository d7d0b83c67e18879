/**
 * The way to other runtimes, as the engine knows it: who they are is the operator's word, and how they are reached, and with
 * which token, is behind this port. Nothing that a client or an agent says becomes an address that is dialled.
 */
import type { ArtifactSource } from '../../protocol/artifact-parts.js';
import type { AnyEnvelope } from '../../protocol/envelope.js';
import type { ArtifactRef } from '../../protocol/payloads/artifacts.js';
import type { Priority } from '../../protocol/priority.js';
import type { TrustLevel } from '../../protocol/trust-level.js';
import type { WorkerProfile } from '../../protocol/worker-profile.js';

/** A runtime that jobs may be handed over to. */
export interface HandoffTarget {
  /** What agents call it. */
  readonly name: string;
  readonly url: string;
  /** `sha256:…`: it has to prove that it has it (decision 28). */
  readonly fingerprint: string;
  /** What it has to say it is, if anything. */
  readonly kind?: string | undefined;
}

export interface Carrier {
  readonly targets: readonly HandoffTarget[];
  /**
   * A session with that runtime, which has proven who it is. Rejects with UNAUTHENTICATED where it has not,
   * FAILED_PRECONDITION where it is of another kind, UNAVAILABLE where it cannot be reached.
   * @param again whether to try for as long as one that is lost comes back by itself, instead of once
   */
  connect(target: HandoffTarget, signal: AbortSignal, again: boolean): Promise<Line>;
}

export interface RemoteRequest {
  readonly agent: string;
  readonly arguments: unknown;
  readonly leaseRequest: Readonly<Record<string, unknown>>;
  readonly profile: Partial<WorkerProfile>;
  readonly maxRuntimeMs: number | undefined;
  /** A ceiling over what this runtime is there. */
  readonly trustLevel: TrustLevel;
  readonly handoffHops: number;
  /** The same key is the same job, also after a restart of either side (decision 11). */
  readonly idempotencyKey: string;
  readonly traceId: string;
  readonly priority: Priority;
}

/** An open session with the other runtime. It comes back by itself after a lost connection. */
export interface Line {
  /** Whether a later session there finds what this one has started: strangers find nothing (decision 10). */
  readonly findsAgain: boolean;
  putArtifact(source: ArtifactSource, mediaType: string): Promise<ArtifactRef>;
  fetchArtifact(ref: ArtifactRef): Promise<AsyncIterable<Uint8Array>>;
  start(request: RemoteRequest): Promise<RemoteJob>;
  close(): Promise<void>;
}

export interface RemoteJob {
  readonly id: string;
  /** From its acceptance to its end, each once; throws when it can be followed no longer. */
  readonly events: AsyncIterable<AnyEnvelope>;
  cancel(reason: string): Promise<void>;
}
