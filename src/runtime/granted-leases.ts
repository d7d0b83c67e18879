/**
 * The leases that are granted to running jobs: by whom they are found, extended and taken back (RFC 0001 §15).
 * Each step is an event of the job (L1), and holds from the moment that it is appended.
 */
import { ArcpError } from '../protocol/errors.js';
import { capabilityOf, targetKind } from '../protocol/lease-capability.js';
import type { Payload } from '../protocol/messages.js';
import { elevationTo } from '../protocol/trust-level.js';
import { TargetPatterns } from '../protocol/target-patterns.js';
import type { EngineContext } from './engine-context.js';
import type { EnvelopeFields } from './event-log.js';
import type { Job } from './job.js';
import type { HeldLease, LeaseId } from './job-authority.js';

/** What is granted. The resource is a pattern, as it is in a `lease_request`. */
export interface Grant {
  readonly permission: string;
  readonly resource: string;
  readonly operation: string;
  /** How long it holds, in milliseconds; no longer than the job's own lease. */
  readonly forMs: number;
}

export class GrantedLeases {
  readonly #context: EngineContext;
  readonly #jobs = new Map<LeaseId, Job>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * Grants a lease to a job that is not over: `lease.granted`.
   * @throws ArcpError INVALID_ARGUMENT for a resource that is no pattern, RESOURCE_EXHAUSTED for one lease too many.
   */
  grant(job: Job, grant: Grant, fields?: EnvelopeFields): HeldLease {
    const { permission, resource, operation } = grant;
    const { clock, limits, newId } = this.#context;
    refuseOver(job);
    const { authority } = job.origin;
    if (authority.leases.length >= limits.maxLeasesPerJob)
      throw new ArcpError('RESOURCE_EXHAUSTED', `${job.id} has ${limits.maxLeasesPerJob} leases already`);
    // Throws where it makes no sense, before there is an event that says it.
    new TargetPatterns(targetKind(capabilityOf(permission) ?? permission), [resource]);
    const id = newId('lease');
    const expiresAt = this.#end(job, clock.now() + grant.forMs);
    const payload = { lease_id: id, permission, resource, operation, expires_at: isoOf(expiresAt) };
    this.#append(job, 'lease.granted', payload, fields);
    this.#jobs.set(id, job);
    return this.#held(job, id);
  }

  /**
   * Makes a lease hold `byMs` longer, from now on where it has expired: `lease.extended`.
   * @throws ArcpError LEASE_REVOKED
   */
  extend(id: LeaseId, byMs: number, fields?: EnvelopeFields): HeldLease {
    const job = this.jobOf(id);
    const held = this.#held(job, id);
    if (held.revoked !== undefined)
      throw new ArcpError('LEASE_REVOKED', `${id} was revoked: ${held.revoked}`);
    const now = this.#context.clock.now();
    const expiresAt = this.#end(job, Math.max(held.expiresAt, now) + byMs);
    this.#append(job, 'lease.extended', { lease_id: id, expires_at: isoOf(expiresAt) }, fields);
    const level = elevationTo(held.permission);
    if (level !== undefined) job.trust.elevate(id, level, expiresAt);
    return this.#held(job, id);
  }

  /** Takes a lease back: `lease.revoked`. One that is revoked already stays so. */
  revoke(id: LeaseId, reason: string, fields?: EnvelopeFields): HeldLease {
    const job = this.jobOf(id);
    const held = this.#held(job, id);
    if (held.revoked !== undefined) return held;
    this.#append(job, 'lease.revoked', { lease_id: id, reason }, fields);
    job.trust.lower(id);
    return this.#held(job, id);
  }

  /** Throws NOT_FOUND. */
  of(id: LeaseId): HeldLease {
    return this.#held(this.jobOf(id), id);
  }

  /** The job that has it. Throws NOT_FOUND; leases of jobs that are over are found no more. */
  jobOf(id: LeaseId): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new ArcpError('NOT_FOUND', 'there is no such lease');
    return job;
  }

  /** The job goes on after a restart, with what its events say that it was granted. */
  restored(job: Job): void {
    for (const { id } of job.origin.authority.leases) this.#jobs.set(id, job);
  }

  ended(job: Job): void {
    for (const { id } of job.origin.authority.leases) this.#jobs.delete(id);
  }

  #held(job: Job, id: LeaseId): HeldLease {
    const held = job.origin.authority.lease(id);
    if (held === undefined) throw new ArcpError('NOT_FOUND', 'there is no such lease');
    return held;
  }

  /** A granted lease ends with the job's own at the latest (L4). */
  #end(job: Job, wanted: number): number {
    const { clock, limits } = this.#context;
    const own = job.origin.bounds.expiresAt ?? Infinity;
    return Math.min(wanted, own, clock.now() + limits.maxGrantedLeaseMs);
  }

  #append<T extends 'lease.granted' | 'lease.extended' | 'lease.revoked'>(
    job: Job,
    type: T,
    payload: Payload<T>,
    fields?: EnvelopeFields,
  ): void {
    refuseOver(job);
    job.emitText(type, JSON.stringify(payload), undefined, fields);
    job.origin.authority.apply(type, payload);
  }
}

function refuseOver(job: Job): void {
  if (job.isOver) throw new ArcpError('FAILED_PRECONDITION', `job ${job.id} has ended`);
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
