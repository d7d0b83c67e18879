/**
 * One artifact: whose it is, what is there of it, and how the store knows of it.
 *
 * (A1) What is done to an artifact is done in turn: parts may come faster than they can be written.
 * (A2) `size` and `phase` follow what the store has committed, file and document both (L2).
 */
import { createHash, type Hash } from 'node:crypto';
import type { Id } from '../protocol/ids.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type { DocumentEntry } from './journal.js';

/** Who puts an artifact and who may have it. */
export interface ArtifactOwner {
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
}

/** An artifact as the store keeps it. */
export interface ArtifactRecord extends ArtifactOwner {
  readonly id: Id<'artifact'>;
  readonly mediaType: string;
  readonly uploadId: string | undefined;
  /** Of what is there, in bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly phase:
    /** Parts are yet to come. `promised` is the hash that its sender gave, `retainMs` how long it is to be kept then. */
    | { readonly kind: 'uploading'; readonly promised: string | undefined; readonly retainMs: number }
    | { readonly kind: 'kept'; readonly sha256: string };
}

type Phase = ArtifactRecord['phase'] | { readonly kind: 'gone' };

/** What the keys of artifacts' documents begin with. */
export const ARTIFACT_DOCUMENTS = 'artifact/';

export class Artifact implements ArtifactOwner {
  readonly id: Id<'artifact'>;
  readonly principal: string;
  readonly quota: string;
  readonly mediaType: string;
  readonly uploadId: string | undefined;
  size: number;
  expiresAt: number;
  phase: Phase;
  /** Of its document. */
  revision = 0;
  /** Of what is there; nothing after a restart, until a further part comes. */
  hash: Hash | undefined;
  #latest: Promise<unknown> = Promise.resolve();

  constructor(record: ArtifactRecord) {
    this.id = record.id;
    this.principal = record.principal;
    this.quota = record.quota;
    this.mediaType = record.mediaType;
    this.uploadId = record.uploadId;
    this.size = record.size;
    this.expiresAt = record.expiresAt;
    this.phase = record.phase;
    if (this.size === 0) this.hash = createHash('sha256');
  }

  /** (A1) */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#latest.then(run);
    this.#latest = done.catch(() => undefined);
    return done;
  }

  /** What its document is to say of it. */
  record(changes: Pick<ArtifactRecord, 'size' | 'expiresAt' | 'phase'>): ArtifactRecord {
    const { id, principal, quota, mediaType, uploadId } = this;
    return { id, principal, quota, mediaType, uploadId, ...changes };
  }

  /** The write that makes the document this one, or removes it. */
  document(record: ArtifactRecord | undefined, settled: DocumentEntry['settled']): DocumentEntry {
    this.revision += 1;
    return {
      kind: 'document',
      key: `${ARTIFACT_DOCUMENTS}${this.id}`,
      revision: this.revision,
      text: record === undefined ? undefined : JSON.stringify(record),
      settled: (error) => {
        if (error !== undefined) this.revision -= 1;
        settled(error);
      },
    };
  }

  get ref(): ArtifactRef {
    return {
      artifact_id: this.id,
      uri: `arcp://artifact/${this.id}`,
      media_type: this.mediaType,
      size: this.size,
      ...(this.phase.kind === 'kept' ? { sha256: this.phase.sha256 } : {}),
      expires_at: new Date(this.expiresAt).toISOString(),
    };
  }
}
