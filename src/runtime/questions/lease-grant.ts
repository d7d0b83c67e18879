/** Leases made from grants (RFC 0001 §15.4): an event of the job that has them. */
import type { Id } from '../../protocol/ids.js';
import type { EngineContext } from '../engine-context.js';
import type { EnvelopeFields } from '../event-log.js';
import type { Job } from '../job.js';

export interface LeaseGrant {
  readonly permission: string;
  readonly resource: string;
  readonly operation: string;
  readonly forMs: number;
}

export interface GrantedLease {
  readonly id: Id<'lease'>;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Appends `lease.granted`. It ends with the job's own lease at the latest (L4). */
export function grantLease(
  job: Job,
  { clock, newId }: EngineContext,
  { permission, resource, operation, forMs }: LeaseGrant,
  fields: EnvelopeFields,
): GrantedLease {
  const id = newId('lease');
  const expiresAt = Math.min(clock.now() + forMs, job.origin.bounds.expiresAt ?? Infinity);
  const payload = {
    lease_id: id,
    permission,
    resource,
    operation,
    expires_at: new Date(expiresAt).toISOString(),
  };
  job.emitText('lease.granted', JSON.stringify(payload), undefined, fields);
  return { id, expiresAt };
}
