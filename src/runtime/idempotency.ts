/**
 * Doing a thing once (decision 11): per principal, a key remembers which request it stood for and which job came of it.
 * A repeat finds the job; the same key on another request is a conflict.
 *
 * (D1) A key outlives the job that it stands for, and the process. While the job is kept, its head in the store says what
 *      its key is; before its log is forgotten, the key and the job's end become documents.
 * (D2) Ends may be large, so that only so many bytes of them are kept. A key whose end is gone is still a key: a repeat
 *      is told so, and nothing is done twice.
 */
import { createHash } from 'node:crypto';
import { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import type { Store, StoredDocument } from '../store/store.js';
import type { Clock, Timer } from '../clock.js';
import type { Ending } from './ending.js';
import type { Job } from './job.js';
import type { Journal } from './journal.js';
import type { Limits } from './limits.js';

/** Whose key it is. */
export interface KeyOwner {
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
}

/** What is known of a job whose log is forgotten. */
export interface ToldJob {
  readonly accepted: Payload<'job.accepted'>;
  readonly traceId: string;
  readonly ending: Ending;
}

/** A job that a key stands for although its log is forgotten. */
export interface ForgottenJob {
  readonly jobId: JobId;
  /** What it was told of; nothing when there was no room for it (D2). */
  told(): Promise<ToldJob | undefined>;
}

/** What the store keeps of a key whose job is forgotten. */
interface KeyRecord extends KeyOwner {
  readonly key: string;
  readonly request: string;
  readonly until: number;
  readonly jobId: JobId;
  /** Of the end; 0 when that is not kept. */
  readonly bytes: number;
}

type Remembered =
  | { readonly kind: 'job'; readonly request: string; readonly until: number; readonly job: Job }
  | {
      readonly kind: 'forgotten';
      readonly request: string;
      readonly until: number;
      readonly record: KeyRecord;
      readonly document: KeyDocument;
    };

/** Where the document of a key stands in the store. */
interface KeyDocument {
  revision: number;
}

/** Where a key of a job is to be found. */
interface Place extends KeyOwner {
  readonly key: string;
}

export interface KeysContext {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly store: Store;
  readonly journal: Journal;
}

/** What the keys of the documents begin with: of keys, and of the ends that belong to them. */
export const KEY_DOCUMENTS = 'key/';
const END_DOCUMENTS = 'end/';

/** Sweeps in one window: expired keys are gone at the latest this fraction of a window later. */
const SWEEPS_PER_WINDOW = 24;

export class IdempotencyKeys {
  readonly #context: KeysContext;
  /** By quota, then by principal and key, oldest first. */
  readonly #keys = new Map<string, Map<string, Remembered>>();
  /** Keys of jobs that are kept. */
  readonly #places = new Map<JobId, Place>();
  /** Bytes of ends by quota. */
  readonly #bytes = new Map<string, number>();
  #sweep: Timer | undefined;

  constructor(context: KeysContext) {
    this.#context = context;
  }

  /** The job that this key stands for, if any. Throws DUPLICATE_KEY when it stands for another request. */
  find({ principal, quota }: KeyOwner, key: string, request: string): Job | ForgottenJob | undefined {
    const remembered = this.#keys.get(quota)?.get(nameOf(principal, key));
    if (remembered === undefined || remembered.until <= this.#context.clock.now()) return undefined;
    if (remembered.kind === 'job' && remembered.job.lost) return undefined;
    const jobId = remembered.kind === 'job' ? remembered.job.id : remembered.record.jobId;
    if (remembered.request !== request) {
      throw new ArcpError('DUPLICATE_KEY', 'the idempotency key was used for a different request', {
        details: { existing_job_id: jobId },
      });
    }
    if (remembered.kind === 'job') return remembered.job;
    return { jobId, told: () => this.#toldOf(jobId) };
  }

  remember({ principal, quota }: KeyOwner, key: string, request: string, job: Job): void {
    const until = job.origin.createdAt + this.#context.limits.idempotencyWindowMs;
    this.#places.set(job.id, { principal, quota, key });
    this.#set({ principal, quota }, key, { kind: 'job', request, until, job });
  }

  /** Takes up the keys whose jobs an earlier life forgot. Those of jobs that are kept come later, and win. */
  restore(documents: readonly StoredDocument[]): void {
    const found = documents.map(({ text, revision }) => ({
      record: JSON.parse(text) as KeyRecord,
      revision,
    }));
    found.sort((one, other) => one.record.until - other.record.until);
    for (const { record, revision } of found) {
      const { request, until, key, quota, bytes } = record;
      this.#bytes.set(quota, this.#bytesOf(quota) + bytes);
      this.#set(record, key, { kind: 'forgotten', request, until, record, document: { revision } });
    }
  }

  /** The logs of jobs are about to be forgotten: resolves once their keys do without (D1). */
  async keepEnds(logs: readonly string[]): Promise<void> {
    const keyed = logs.filter((log) => this.#places.has(log as JobId));
    await Promise.all(keyed.map((log) => this.#keepEnd(log as JobId)));
  }

  close(): void {
    this.#sweep?.cancel();
  }

  async #keepEnd(jobId: JobId): Promise<void> {
    const place = this.#places.get(jobId);
    if (place === undefined) return;
    this.#places.delete(jobId);
    const { principal, quota, key } = place;
    const remembered = this.#keys.get(quota)?.get(nameOf(principal, key));
    if (remembered?.kind !== 'job' || remembered.job.id !== jobId) return;
    const { job, request, until } = remembered;
    const { ending } = job;
    if (ending === undefined) return;
    const told: ToldJob = { accepted: job.accepted, traceId: job.origin.traceId, ending };
    const text = JSON.stringify(told);
    const bytes = Buffer.byteLength(text);
    const record: KeyRecord = { principal, quota, key, request, until, jobId, bytes };
    try {
      await Promise.all([
        this.#put(`${KEY_DOCUMENTS}${jobId}`, 1, JSON.stringify(record)),
        this.#put(`${END_DOCUMENTS}${jobId}`, 1, text),
      ]);
    } catch (error) {
      // Its log stays then, and it is tried again.
      this.#places.set(jobId, place);
      throw error;
    }
    const keys = this.#keys.get(quota);
    // The key may have been forgotten meanwhile.
    if (keys?.get(nameOf(principal, key)) !== remembered) {
      this.#remove(record, { revision: 1 });
      return;
    }
    keys.set(nameOf(principal, key), {
      kind: 'forgotten',
      request,
      until,
      record,
      document: { revision: 1 },
    });
    this.#bytes.set(quota, this.#bytesOf(quota) + bytes);
    this.#forgetEnds(quota, keys);
  }

  async #toldOf(jobId: JobId): Promise<ToldJob | undefined> {
    const key = `${END_DOCUMENTS}${jobId}`;
    const found = (await this.#context.store.documents(key)).find((one) => one.key === key);
    return found === undefined ? undefined : (JSON.parse(found.text) as ToldJob);
  }

  #set({ principal, quota }: KeyOwner, key: string, remembered: Remembered): void {
    let keys = this.#keys.get(quota);
    if (keys === undefined) {
      keys = new Map();
      this.#keys.set(quota, keys);
    }
    const name = nameOf(principal, key);
    const before = keys.get(name);
    if (before !== undefined) this.#drop(before);
    keys.delete(name);
    keys.set(name, remembered);
    this.#forget(keys);
    this.#scheduleSweep();
  }

  /** What is expired, and the oldest beyond the limit. */
  #forget(keys: Map<string, Remembered>): void {
    const now = this.#context.clock.now();
    for (const [oldest, remembered] of keys) {
      if (keys.size <= this.#context.limits.maxIdempotencyKeysPerPrincipal && remembered.until > now) break;
      keys.delete(oldest);
      this.#drop(remembered);
    }
  }

  #drop(remembered: Remembered): void {
    if (remembered.kind === 'job') {
      this.#places.delete(remembered.job.id);
      return;
    }
    const { record, document } = remembered;
    this.#bytes.set(record.quota, this.#bytesOf(record.quota) - record.bytes);
    this.#remove(record, document);
  }

  #remove({ jobId, bytes }: KeyRecord, document: KeyDocument): void {
    this.#putLater(`${KEY_DOCUMENTS}${jobId}`, document);
    if (bytes > 0) this.#putLater(`${END_DOCUMENTS}${jobId}`, { revision: 1 });
  }

  /** (D2) The oldest go first. */
  #forgetEnds(quota: string, keys: Map<string, Remembered>): void {
    const { maxIdempotencyBytesPerPrincipal } = this.#context.limits;
    if (this.#bytesOf(quota) <= maxIdempotencyBytesPerPrincipal) return;
    for (const [name, remembered] of keys) {
      if (this.#bytesOf(quota) <= maxIdempotencyBytesPerPrincipal) return;
      if (remembered.kind === 'job' || remembered.record.bytes === 0) continue;
      const { record, document } = remembered;
      const without = { ...record, bytes: 0 };
      const trimmed: Remembered = { ...remembered, record: without };
      keys.set(name, trimmed);
      this.#bytes.set(quota, this.#bytesOf(quota) - record.bytes);
      this.#putLater(`${KEY_DOCUMENTS}${record.jobId}`, document, JSON.stringify(without), () => {
        if (keys.get(name) !== trimmed) return;
        keys.set(name, remembered);
        this.#bytes.set(quota, this.#bytesOf(quota) + record.bytes);
      });
      this.#putLater(`${END_DOCUMENTS}${record.jobId}`, { revision: 1 });
    }
  }

  #bytesOf(quota: string): number {
    return this.#bytes.get(quota) ?? 0;
  }

  #put(key: string, revision: number, text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#context.journal.append({
        kind: 'document',
        key,
        revision,
        text,
        settled: (error) => {
          if (error === undefined) resolve();
          else reject(ArcpError.from(error));
        },
      });
    });
  }

  /** What a store refuses of this stays until the next life finds it expired. */
  #putLater(key: string, document: KeyDocument, text?: string, refused: () => void = () => undefined): void {
    document.revision += 1;
    this.#context.journal.append({
      kind: 'document',
      key,
      revision: document.revision,
      text,
      settled: (error) => {
        if (error === undefined) return;
        document.revision -= 1;
        refused();
      },
    });
  }

  #scheduleSweep(): void {
    if (this.#sweep !== undefined || this.#keys.size === 0) return;
    const { clock, limits } = this.#context;
    this.#sweep = clock.timer(limits.idempotencyWindowMs / SWEEPS_PER_WINDOW, () => {
      this.#sweep = undefined;
      for (const [quota, keys] of this.#keys) {
        this.#forget(keys);
        if (keys.size > 0) continue;
        this.#keys.delete(quota);
        this.#bytes.delete(quota);
      }
      this.#scheduleSweep();
    });
  }
}

function nameOf(principal: string, key: string): string {
  return JSON.stringify([principal, key]);
}

/** What makes two requests the same: agent, arguments, lease, …, whatever the order of their keys. */
export function requestFingerprint(...parts: readonly unknown[]): string {
  return createHash('sha256').update(canonicalJson(parts)).digest('base64');
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
