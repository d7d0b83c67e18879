/** What the principal of a job does with the leases that were granted to it: `lease.refresh`, `lease.revoked`. */
import type { AnyEnvelope } from '../protocol/envelope.js';
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import type { Command, CommandScene } from './command.js';
import type { EnvelopeFields } from './event-log.js';
import type { Job } from './job.js';
import type { LeaseId } from './job-authority.js';
import { ownJob } from './own-job.js';
import { refuseGrant } from './questions/permissions.js';
import { TRUST } from './trust.js';

/**
 * Throws NOT_FOUND, or PERMISSION_DENIED for a lease of another principal's job, unless the session approves for others
 * (`trust.ts`). The answer is correlated.
 */
function ownLease({ engine, session }: CommandScene, id: LeaseId, envelope: Pick<AnyEnvelope, 'id'>) {
  const granted = engine.leases.jobOf(id);
  const { approves } = TRUST[session.identity.trust];
  const job = approves ? granted : ownJob(engine.jobs, session.principal, granted.id);
  const fields: EnvelopeFields = {
    job_id: job.id,
    trace_id: job.origin.traceId,
    correlation_id: envelope.id,
  };
  return { job, fields };
}

/** Who does not watch the job is told all the same, since it asked. */
function answer<T extends 'lease.extended' | 'lease.revoked'>(
  { engine, session }: CommandScene,
  job: Job,
  type: T,
  payload: Payload<T>,
  fields: EnvelopeFields,
): void {
  if (!job.log.observers.includes(session.outbox)) session.log(engine).append(type, payload, fields);
}

/** Answered by `lease.extended`, which everybody who watches the job sees. */
export const refreshLease: Command<'lease.refresh'> = (scene, envelope) => {
  const { lease_id, additional_seconds } = envelope.payload;
  if (additional_seconds === 0)
    throw new ArcpError('INVALID_ARGUMENT', 'additional_seconds: expected at least 1');
  const { job, fields } = ownLease(scene, lease_id, envelope);
  const { permission } = scene.engine.leases.of(lease_id);
  // To extend is to grant again: who could not do that cannot do this.
  refuseGrant(permission, job, scene.session.principal, scene.session.identity.trust);
  const { expiresAt } = scene.engine.leases.extend(lease_id, additional_seconds * 1000, fields);
  const payload = { lease_id, expires_at: new Date(expiresAt).toISOString() };
  answer(scene, job, 'lease.extended', payload, fields);
};

/** Told to everybody who watches the job; the job is not stopped, what it does under the lease is refused. */
export const revokeLease: Command<'lease.revoked'> = (scene, envelope) => {
  const { lease_id, reason } = envelope.payload;
  const { job, fields } = ownLease(scene, lease_id, envelope);
  const { engine, session } = scene;
  engine.leases.revoke(lease_id, reason, fields);
  answer(scene, job, 'lease.revoked', { lease_id, reason }, fields);
  engine.logger.info({ session: session.id, job: fields.job_id, lease: lease_id }, 'lease revoked');
};
