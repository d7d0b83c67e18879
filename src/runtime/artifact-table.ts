/**
 * The artifacts of a runtime (RFC 0001 §16): put as a whole or in parts, fetched piece by piece, released, and forgotten
 * when their time is over.
 *
 * (T1) Durable before visible (L2): a part is answered once its bytes and the document that counts them are committed.
 *      A file without a document is removed at the next start; a document without its file is DATA_LOSS when fetched.
 * (T2) Only its owner's principal knows an artifact: NOT_FOUND for what is not there, PERMISSION_DENIED for another's,
 *      as with jobs (decision 10).
 * (T3) A part that is there already is answered and changes nothing, so that whoever lost an answer sends it again.
 * (T4) Sizes, numbers and times are bounded for each principal (L7), and no more than a part is ever held in memory.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Clock, Timer } from '../clock.js';
import { ArcpError, type ErrorCode } from '../protocol/errors.js';
import type { ArtifactRef } from '../protocol/payloads/artifacts.js';
import type { Store } from '../store/store.js';
import { Artifact, ARTIFACT_DOCUMENTS, type ArtifactOwner, type ArtifactRecord } from './artifact.js';
import { ArtifactQuotas } from './artifact-quotas.js';
import type { NewId } from './ids.js';
import type { Journal } from './journal.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';

export interface ArtifactContext {
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly limits: Limits;
  readonly logger: Logger;
}

/** A part of an artifact, or all of it. */
export interface ArtifactPart {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** Where `bytes` begins. */
  readonly offset: number;
  /** Whether further parts follow. */
  readonly more: boolean;
  /** Which parts belong together; nothing for a whole. */
  readonly uploadId: string | undefined;
  /** Of the whole, hexadecimal. */
  readonly sha256: string | undefined;
  readonly retainSeconds: number | undefined;
}

/** What is there after a part, and whether the runtime waits for more. */
export interface PutOutcome {
  readonly ref: ArtifactRef;
  readonly more: boolean;
}

/** A piece of an artifact. */
export interface ArtifactPiece {
  readonly ref: ArtifactRef;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly more: boolean;
}

/** How long an artifact may be there beyond its time; nobody is given it any more. */
const SWEEP_MS = 60_000;
/** Longest media type, in UTF-16 units. */
const MAX_MEDIA_TYPE = 256;
const SHA256 = /^[0-9a-f]{64}$/;
const SWEPT_AT_ONCE = 64;
/** What is no fault of the store. */
const PEERS_FAULT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED']);

export class ArtifactTable {
  readonly #context: ArtifactContext;
  readonly #quotas: ArtifactQuotas;
  readonly #artifacts = new Map<string, Artifact>();
  /** By principal and upload id. */
  readonly #uploads = new Map<string, Artifact>();
  readonly #busy = new Set<Promise<unknown>>();
  #sweep: Timer | undefined;
  #closed = false;

  constructor(context: ArtifactContext) {
    this.#context = context;
    this.#quotas = new ArtifactQuotas(context.limits);
  }

  /** Does what a client asks for, unless too much is on its way for its principal: RESOURCE_EXHAUSTED. */
  onTheWire<T>({ quota }: ArtifactOwner, run: () => Promise<T>): Promise<T> {
    return this.#quotas.whileInFlight(quota, run);
  }

  /**
   * Takes a part. Rejects with INVALID_ARGUMENT for one that is malformed or whose hash is wrong, OUT_OF_RANGE for one
   * that does not follow what is there, RESOURCE_EXHAUSTED at a limit, UNAVAILABLE when it cannot be stored.
   */
  put(owner: ArtifactOwner, given: ArtifactPart): Promise<PutOutcome> {
    return this.#tracked(async () => {
      const part = this.#checked(given);
      const artifact = this.#artifactFor(owner, part);
      return artifact.inTurn(() => this.#take(artifact, part));
    });
  }

  /**
   * The bytes from `offset` on, at most `limit` and at most a part of them. Without `offset` the whole; rejects with
   * FAILED_PRECONDITION when that is more than a part.
   */
  fetch(owner: ArtifactOwner, id: string, offset?: number, limit?: number): Promise<ArtifactPiece> {
    return this.#tracked(async () => {
      const artifact = this.#own(owner, id);
      const { maxChunkBytes } = this.#context.limits;
      const { size, ref } = artifact;
      if (artifact.phase.kind !== 'kept')
        throw new ArcpError('FAILED_PRECONDITION', 'the artifact is not whole yet');
      if (offset === undefined && size > maxChunkBytes) {
        throw new ArcpError(
          'FAILED_PRECONDITION',
          `the artifact has ${size} bytes, and a message holds ${maxChunkBytes}: fetch it in parts, from offset 0 on`,
          { details: { size, max_part_bytes: maxChunkBytes } },
        );
      }
      const from = offset ?? 0;
      if (from > size) throw outOfRange(`the artifact has ${size} bytes`, size);
      const length = Math.min(limit ?? maxChunkBytes, maxChunkBytes, size - from);
      const bytes = await this.#context.store.blobs.read(id, from, length).catch((error: unknown) => {
        this.#own(owner, id); // released meanwhile
        throw this.#failure(error, id, 'cannot read an artifact');
      });
      return { ref, bytes, offset: from, more: from + length < size };
    });
  }

  /** Forgets an artifact, be it whole or not. Resolves when that is committed. */
  release(owner: ArtifactOwner, id: string): Promise<void> {
    return this.#tracked(async () => {
      const artifact = this.#own(owner, id);
      await artifact.inTurn(async () => {
        this.#own(owner, id);
        await this.#forget(artifact);
      });
    });
  }

  /** Takes up what an earlier life kept, and removes what it left behind (T1). */
  async restore(): Promise<number> {
    const { store, logger } = this.#context;
    const orphans = new Map((await store.blobs.list()).map(({ name, size }) => [name, size]));
    for (const { text, revision } of await store.documents(ARTIFACT_DOCUMENTS)) {
      const record = JSON.parse(text) as ArtifactRecord;
      const artifact = new Artifact(record);
      const found = orphans.get(record.id);
      orphans.delete(record.id);
      artifact.revision = revision;
      this.#quotas.restore(record.quota, record.size);
      this.#add(artifact);
      if (found !== undefined && found >= record.size) continue;
      logger.error(
        { artifact: record.id, size: record.size, found },
        'the content of an artifact is missing',
      );
      if (record.phase.kind === 'uploading') artifact.expiresAt = 0;
    }
    await this.#removeExpired();
    for (const name of orphans.keys()) await this.#removeBlob(name);
    return this.#artifacts.size;
  }

  /** Takes nothing more, and resolves once nothing is being written or read. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#sweep?.cancel();
    await Promise.allSettled(this.#busy);
  }

  /** What can be said of a part without looking at what is there. */
  #checked(part: ArtifactPart): ArtifactPart {
    const { maxChunkBytes, maxArtifactBytes } = this.#context.limits;
    const { bytes, offset, more, uploadId, mediaType } = part;
    const sha256 = part.sha256?.toLowerCase();
    if (bytes.length > maxChunkBytes) {
      const message = `${bytes.length} bytes are over the limit of ${maxChunkBytes} for one message: put it in parts`;
      throw new ArcpError('INVALID_ARGUMENT', message, { details: { max_part_bytes: maxChunkBytes } });
    }
    if (uploadId === undefined && (more || offset > 0)) {
      throw new ArcpError('INVALID_ARGUMENT', 'parts of an artifact have an upload_id in common');
    }
    if (mediaType.length > MAX_MEDIA_TYPE) {
      throw new ArcpError('INVALID_ARGUMENT', `media_type: longer than ${MAX_MEDIA_TYPE} characters`);
    }
    if (sha256 !== undefined && !SHA256.test(sha256)) {
      throw new ArcpError('INVALID_ARGUMENT', 'sha256: expected 64 hexadecimal digits');
    }
    if (offset + bytes.length > maxArtifactBytes) {
      const message = `the artifact is over the limit of ${maxArtifactBytes} bytes`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
    return { ...part, sha256 };
  }

  /** The artifact that a part belongs to: one that is there, or a new one. */
  #artifactFor({ principal, quota }: ArtifactOwner, part: ArtifactPart): Artifact {
    const { clock, newId, limits } = this.#context;
    const { uploadId, offset, mediaType, sha256: promised, retainSeconds } = part;
    if (uploadId !== undefined) {
      const known = this.#uploads.get(uploadKey(principal, uploadId));
      if (known !== undefined && !this.#isOver(known)) return known;
      if (offset > 0) throw outOfRange('nothing of this upload is kept: begin at 0', 0);
    }
    this.#quotas.add(quota);
    const { artifactRetentionMs, maxArtifactRetentionMs, artifactUploadIdleMs } = limits;
    const asked = retainSeconds === undefined ? artifactRetentionMs : retainSeconds * 1000;
    const retainMs = Math.min(asked, maxArtifactRetentionMs);
    const artifact = new Artifact({
      id: newId('artifact'),
      principal,
      quota,
      mediaType,
      uploadId,
      size: 0,
      expiresAt: clock.now() + artifactUploadIdleMs,
      phase: { kind: 'uploading', promised, retainMs },
    });
    this.#add(artifact);
    return artifact;
  }

  async #take(artifact: Artifact, { bytes, offset, more, sha256 }: ArtifactPart): Promise<PutOutcome> {
    const { phase, size } = artifact;
    const end = offset + bytes.length;
    switch (phase.kind) {
      case 'gone':
        throw outOfRange('nothing of this upload is kept any more: begin at 0', 0);
      case 'kept':
        if ((more ? end <= size : end === size) && (sha256 ?? phase.sha256) === phase.sha256)
          return { ref: artifact.ref, more: false };
        throw new ArcpError('FAILED_PRECONDITION', `the artifact is whole already, with ${size} other bytes`);
      case 'uploading':
        if (offset > size) throw outOfRange(`the next part begins at ${size}`, size);
        if (more && end <= size && artifact.revision > 0) return { ref: artifact.ref, more };
        if (end < size) throw outOfRange(`${size} bytes are there, so ${end} cannot be the end`, size);
        return this.#write(artifact, phase, bytes.subarray(size - offset), more, sha256 ?? phase.promised);
    }
  }

  /** Appends what is new in a part. What goes wrong leaves the artifact as it was, or none where there was none (L6). */
  async #write(
    artifact: Artifact,
    phase: Extract<Artifact['phase'], { kind: 'uploading' }>,
    bytes: Uint8Array,
    more: boolean,
    promised: string | undefined,
  ): Promise<PutOutcome> {
    const { clock, store, limits } = this.#context;
    const { quota, size: before } = artifact;
    let grown = 0;
    try {
      this.#quotas.grow(quota, bytes.length);
      grown = bytes.length;
      const hash = (await this.#hashOf(artifact)).copy().update(bytes);
      const sha256 = more ? undefined : hash.copy().digest('hex');
      if (sha256 !== undefined && promised !== undefined && sha256 !== promised) {
        throw new ArcpError('INVALID_ARGUMENT', `sha256: the content has ${sha256}: nothing of it is kept`);
      }
      await store.blobs.write(artifact.id, before, bytes, !more);
      const next: Pick<ArtifactRecord, 'size' | 'expiresAt' | 'phase'> = {
        size: before + bytes.length,
        expiresAt: clock.now() + (more ? limits.artifactUploadIdleMs : phase.retainMs),
        phase: sha256 === undefined ? { ...phase, promised } : { kind: 'kept', sha256 },
      };
      await this.#commit(artifact, artifact.record(next));
      Object.assign(artifact, next, { hash: more ? hash : undefined });
      return { ref: artifact.ref, more };
    } catch (error) {
      this.#quotas.shrink(quota, grown);
      const isWrong = error instanceof ArcpError && error.code === 'INVALID_ARGUMENT';
      if (artifact.revision === 0 || isWrong) await this.#forget(artifact);
      throw this.#failure(error, artifact.id, 'cannot store an artifact');
    }
  }

  /** After a restart it is made again of what is there. */
  async #hashOf(artifact: Artifact): Promise<Hash> {
    if (artifact.hash !== undefined) return artifact.hash;
    const { store, limits } = this.#context;
    const hash = createHash('sha256');
    for (let at = 0; at < artifact.size; at += limits.maxChunkBytes) {
      hash.update(
        await store.blobs.read(artifact.id, at, Math.min(limits.maxChunkBytes, artifact.size - at)),
      );
    }
    return (artifact.hash = hash);
  }

  /** An artifact of this principal that is there (T2). */
  #own({ principal }: ArtifactOwner, id: string): Artifact {
    const artifact = this.#artifacts.get(id);
    if (artifact === undefined || this.#isOver(artifact))
      throw new ArcpError('NOT_FOUND', 'there is no such artifact');
    if (artifact.principal !== principal) {
      throw new ArcpError('PERMISSION_DENIED', 'the artifact belongs to another principal');
    }
    return artifact;
  }

  #isOver({ phase, expiresAt }: Artifact): boolean {
    return phase.kind === 'gone' || expiresAt <= this.#context.clock.now();
  }

  #add(artifact: Artifact): void {
    this.#artifacts.set(artifact.id, artifact);
    const { principal, uploadId } = artifact;
    if (uploadId !== undefined) this.#uploads.set(uploadKey(principal, uploadId), artifact);
    this.#scheduleSweep();
  }

  /** The document goes first: a file without one is removed at the next start, if not now (T1). */
  async #forget(artifact: Artifact): Promise<void> {
    if (artifact.phase.kind === 'gone') return;
    if (artifact.revision > 0) await this.#commit(artifact, undefined);
    const { id, quota, size, principal, uploadId } = artifact;
    artifact.phase = { kind: 'gone' };
    this.#artifacts.delete(id);
    const key = uploadId === undefined ? undefined : uploadKey(principal, uploadId);
    if (key !== undefined && this.#uploads.get(key) === artifact) this.#uploads.delete(key);
    this.#quotas.remove(quota, size);
    await this.#removeBlob(id);
  }

  #commit(artifact: Artifact, record: ArtifactRecord | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#context.journal.append(
        artifact.document(record, (error) => {
          if (error === undefined) resolve();
          else reject(ArcpError.from(error));
        }),
      );
    });
  }

  async #removeBlob(name: string): Promise<void> {
    try {
      await this.#context.store.blobs.remove(name);
    } catch (error) {
      this.#failure(error, name, 'cannot remove the content of an artifact');
    }
  }

  #scheduleSweep(): void {
    if (this.#closed || this.#artifacts.size === 0) return;
    this.#sweep ??= this.#context.clock.timer(SWEEP_MS, () => {
      this.#sweep = undefined;
      void this.#tracked(() => this.#removeExpired());
    });
  }

  /** In batches, so that the store takes them as groups. */
  async #removeExpired(): Promise<void> {
    const over = [...this.#artifacts.values()].filter((artifact) => this.#isOver(artifact));
    for (let at = 0; at < over.length && !this.#closed; at += SWEPT_AT_ONCE) {
      await Promise.all(over.slice(at, at + SWEPT_AT_ONCE).map((artifact) => this.#removeIfOver(artifact)));
    }
    this.#scheduleSweep();
  }

  async #removeIfOver(artifact: Artifact): Promise<void> {
    try {
      await artifact.inTurn(async () => {
        if (this.#isOver(artifact)) await this.#forget(artifact);
      });
    } catch (error) {
      this.#failure(error, artifact.id, 'cannot forget an artifact');
    }
  }

  /** What may be told of an error; what may not is logged. */
  #failure(error: unknown, id: string, what: string): ArcpError {
    const code = error instanceof ArcpError ? error.code : undefined;
    if (error instanceof ArcpError && code !== undefined && PEERS_FAULT.has(code)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    this.#context.logger.error({ artifact: id, reason }, what);
    if (error instanceof ArcpError && code === 'DATA_LOSS') return error;
    return new ArcpError('UNAVAILABLE', 'the artifact cannot be stored or read at the moment');
  }

  #tracked<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new ArcpError('UNAVAILABLE', 'the runtime is shutting down'));
    const running = run();
    const settled = running
      .catch(() => undefined)
      .finally(() => {
        this.#busy.delete(settled);
      });
    this.#busy.add(settled);
    return running;
  }
}

function uploadKey(principal: string, uploadId: string): string {
  return JSON.stringify([principal, uploadId]);
}

function outOfRange(message: string, expectedOffset: number): ArcpError {
  return new ArcpError('OUT_OF_RANGE', message, { details: { expected_offset: expectedOffset } });
}
