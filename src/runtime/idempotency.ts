/**
 * Doing a thing once (decision 11): per principal, a key remembers which request it stood for and which job came of it.
 * A repeat finds the job; the same key on another request is a conflict.
 */
import { createHash } from 'node:crypto';
import { ArcpError } from '../protocol/errors.js';
import type { Clock, Timer } from '../clock.js';
import type { Job } from './job.js';
import type { Limits } from './limits.js';

/** Whose key it is. */
export interface KeyOwner {
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
}

interface Remembered {
  readonly request: string;
  readonly job: Job;
  readonly until: number;
}

/** Sweeps in one window: expired keys are gone at the latest this fraction of a window later. */
const SWEEPS_PER_WINDOW = 24;

export class IdempotencyKeys {
  readonly #clock: Clock;
  readonly #limits: Limits;
  /** By quota, then by principal and key, oldest first. */
  readonly #keys = new Map<string, Map<string, Remembered>>();
  #sweep: Timer | undefined;

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The job that this key stands for, if any. Throws DUPLICATE_KEY when it stands for another request. */
  find({ principal, quota }: KeyOwner, key: string, request: string): Job | undefined {
    const remembered = this.#keys.get(quota)?.get(nameOf(principal, key));
    if (remembered === undefined || remembered.until <= this.#clock.now() || remembered.job.lost)
      return undefined;
    if (remembered.request !== request) {
      throw new ArcpError('DUPLICATE_KEY', 'the idempotency key was used for a different request', {
        details: { existing_job_id: remembered.job.id },
      });
    }
    return remembered.job;
  }

  remember({ principal, quota }: KeyOwner, key: string, request: string, job: Job): void {
    let keys = this.#keys.get(quota);
    if (keys === undefined) {
      keys = new Map();
      this.#keys.set(quota, keys);
    }
    const name = nameOf(principal, key);
    keys.delete(name);
    keys.set(name, { request, job, until: this.#clock.now() + this.#limits.idempotencyWindowMs });
    this.#forget(keys);
    this.#scheduleSweep();
  }

  close(): void {
    this.#sweep?.cancel();
  }

  /** What is expired, and the oldest beyond the limit. */
  #forget(keys: Map<string, Remembered>): void {
    const now = this.#clock.now();
    for (const [oldest, { until }] of keys) {
      if (keys.size <= this.#limits.maxIdempotencyKeysPerPrincipal && until > now) break;
      keys.delete(oldest);
    }
  }

  #scheduleSweep(): void {
    if (this.#sweep !== undefined || this.#keys.size === 0) return;
    this.#sweep = this.#clock.timer(this.#limits.idempotencyWindowMs / SWEEPS_PER_WINDOW, () => {
      this.#sweep = undefined;
      for (const [quota, keys] of this.#keys) {
        this.#forget(keys);
        if (keys.size === 0) this.#keys.delete(quota);
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
