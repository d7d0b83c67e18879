/**
 * What a `permission.grant` does (RFC 0001 §15.4). Who may give what (L4):
 *
 * (P1) The principal that a tree of jobs runs for may grant to each job of the tree, where its trust level lets it
 *      (`TRUST`): it stands above the root, so that it gives of its own and no job gains from another. Else, and for
 *      elevations always, somebody must who approves for others. Nobody else may.
 * (P2) A grant is what was asked for, never more: the permission, the resource and the operation are those of the
 *      request. How long it holds is for whoever grants it, within the job's own lease.
 * (P3) A lease is the job's that asked, and not its children's. It does not reach beyond the job's worker profile.
 * (P4) A budget is raised at the root, and what was added is handed down to the job that asked, so that at every moment
 *      each parent has what its children have. The event says how much, so that it is the same after a restart.
 */
import { parseBudgetEntry, type Amount } from '../../protocol/cost-budget.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Payload } from '../../protocol/messages.js';
import { BUDGET_PERMISSION } from '../../protocol/payloads/permissions.js';
import { parseTimestamp } from '../../protocol/timestamp.js';
import { elevationTo, lowerTrust, type TrustLevel } from '../../protocol/trust-level.js';
import { TRUST } from '../trust.js';
import { COST_REMAINING, costMetric } from '../cost-metric.js';
import type { EngineContext } from '../engine-context.js';
import type { EnvelopeFields } from '../event-log.js';
import type { Job } from '../job.js';
import type { LeaseId } from '../job-authority.js';
import type { JobRun } from '../job-run.js';
import type { Answer } from './question.js';

type PermissionRequest = Payload<'permission.request'>;
type PermissionGrant = Payload<'permission.grant'>;

/** How long a lease holds when neither who asks nor who grants says so. */
const DEFAULT_LEASE_SECONDS = 3_600;

/** Throws PERMISSION_DENIED for who may not grant it (P1). */
export function refuseGrant(permission: string, job: Job, principal: string, trust: TrustLevel): void {
  if (TRUST[trust].approves) return;
  const isOwn = job.origin.principal === principal;
  const { grantsItself } = TRUST[lowerTrust(trust, job.origin.trust)];
  if (isOwn && grantsItself && elevationTo(permission) === undefined) return;
  const message = `who is ${trust} cannot grant ${permission}: somebody privileged must`;
  throw new ArcpError('PERMISSION_DENIED', message, { details: { trust_level: trust } });
}

export interface Granted {
  /** The event that says so. */
  readonly answer: Answer;
  /** What follows when the store has it. */
  readonly whenKept: () => void;
}

/**
 * Grants what was asked for.
 * Throws INVALID_ARGUMENT for a time that makes no sense, or a resource that is no pattern.
 */
export function granted(
  run: JobRun,
  context: EngineContext,
  asked: PermissionRequest,
  given: PermissionGrant,
  principal: string,
  fields: EnvelopeFields,
): Granted {
  const { permission, resource, operation } = asked;
  if (permission === BUDGET_PERMISSION) {
    const payload = { permission, resource, operation, lease_seconds: 0, granted_by: principal };
    const [currency, amount] = parseBudgetEntry(resource);
    return {
      answer: { type: 'permission.grant', payload },
      whenKept: () => {
        raiseBudget(run, currency, amount);
      },
    };
  }
  const now = context.clock.now();
  const seconds = secondsOf(given, now) ?? asked.requested_lease_seconds ?? DEFAULT_LEASE_SECONDS;
  if (seconds <= 0) throw new ArcpError('INVALID_ARGUMENT', 'the lease would have run out already');
  const grant = { permission, resource, operation, forMs: 1_000 * seconds };
  const lease = context.leases.grant(run.job, grant, fields);
  const payload = {
    permission,
    resource,
    operation,
    lease_seconds: Math.max(0, Math.floor((lease.expiresAt - now) / 1_000)),
    lease_id: lease.id,
    granted_by: principal,
    expires_at: new Date(lease.expiresAt).toISOString(),
  };
  const level = elevationTo(permission);
  return {
    answer: { type: 'permission.grant', payload },
    whenKept: () => {
      if (level !== undefined) elevate(run, context, level, lease.id, principal);
    },
  };
}

/** (T2) The lease is as it is by now: it may have been extended, or taken back, while the store took its time. */
function elevate(run: JobRun, context: EngineContext, to: TrustLevel, leaseId: LeaseId, by: string): void {
  const { job } = run;
  const until = elevationUntil(job, leaseId);
  if (until === undefined) return;
  const from = job.trust.at(context.clock.now());
  job.trust.elevate(leaseId, to, until);
  const dims = { from, to, granted_by: by };
  context.logger.warn({ job: job.id, principal: job.origin.principal, ...dims, until }, 'trust elevated');
  if (!run.isLive) return;
  const message = `lifted from ${from} to ${to} until ${new Date(until).toISOString()}`;
  job.emit('log', { level: 'warn', message, attributes: dims });
  job.emit('metric', { name: 'trust.elevation', value: 1, unit: '1', dims });
}

/** What an answer that was given before lifts a job to, as its lease is now. */
export function restoreElevation(job: Job, { permission, lease_id }: PermissionGrant): void {
  const level = elevationTo(permission);
  if (level === undefined || lease_id === undefined) return;
  const until = elevationUntil(job, lease_id);
  if (until !== undefined) job.trust.elevate(lease_id, level, until);
}

/** When the lease ends; nothing where it was taken back. */
function elevationUntil(job: Job, leaseId: LeaseId): number | undefined {
  const lease = job.origin.authority.lease(leaseId);
  return lease === undefined || lease.revoked !== undefined ? undefined : lease.expiresAt;
}

function secondsOf({ lease_seconds, expires_at }: PermissionGrant, now: number): number | undefined {
  if (lease_seconds !== undefined) return lease_seconds;
  const until = expires_at === undefined ? undefined : parseTimestamp(expires_at);
  return until === undefined ? undefined : Math.floor((until - now) / 1_000);
}

/** (P4) */
function raiseBudget(run: JobRun, currency: string, amount: Amount): void {
  const remaining = run.job.origin.budget.raise(currency, amount);
  run.job.noteRaised(currency, amount);
  if (run.isLive) run.job.emit('metric', costMetric(COST_REMAINING, remaining, currency));
}

/** What a job's granted requests added to its budget: for the fold after a restart. */
export function raiseIn({ permission, resource }: PermissionGrant): readonly [string, Amount] | undefined {
  return permission === BUDGET_PERMISSION ? parseBudgetEntry(resource) : undefined;
}
