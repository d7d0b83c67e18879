/** What a job that is handed over may do there: never more than it may do here (L4). */
import { CAPABILITIES, type Capability } from '../../protocol/lease-capability.js';
import { formatAmount, type Budget } from '../../protocol/cost-budget.js';
import { ArcpError } from '../../protocol/errors.js';
import { parseLeaseRequest, type LeaseBounds } from '../../protocol/lease.js';
import { inheritBounds, leaseSubset } from '../../protocol/lease-subset.js';
import type { WorkerProfile } from '../../protocol/worker-profile.js';
import type { EngineContext } from '../engine-context.js';
import type { Job } from '../job.js';
import { TRUST, underCeiling } from '../trust.js';
import type { Carrier, HandoffTarget } from './carrier.js';

/** The runtime that is meant: by the name that the operator gave it, or by what it is. */
export type HandoffTo =
  | string
  | {
      readonly fingerprint?: unknown;
      readonly kind?: unknown;
      readonly url?: unknown;
      readonly [more: string]: unknown;
    };

/** Throws FAILED_PRECONDITION and why, where the operator knows of no such runtime. */
export function targetOf(carrier: Carrier | undefined, to: HandoffTo): HandoffTarget {
  const refuse = (why: string): never => {
    throw new ArcpError('FAILED_PRECONDITION', `the job cannot be handed over: ${why}`);
  };
  if (carrier === undefined || carrier.targets.length === 0) {
    return refuse('no runtime is configured that jobs may be handed over to');
  }
  const { targets } = carrier;
  if (typeof to === 'string') {
    return targets.find(({ name }) => name === to) ?? refuse('no runtime of that name is configured');
  }
  const { fingerprint, kind, url } = to;
  if (typeof fingerprint !== 'string')
    return refuse('runtime.fingerprint is missing, so that it cannot be verified');
  const found =
    targets.find((one) => one.fingerprint === fingerprint && (url === undefined || one.url === url)) ??
    refuse('no runtime of that fingerprint and url is configured');
  if (kind !== undefined && typeof kind !== 'string') return refuse('runtime.kind is no text');
  if (kind !== undefined && found.kind !== undefined && found.kind !== kind) {
    return refuse(
      `the runtime of that fingerprint is configured as a ${found.kind}, not as what runtime.kind says`,
    );
  }
  return { ...found, kind: kind ?? found.kind };
}

/** Throws PERMISSION_DENIED for a job that has come through too many runtimes: two could hand it to each other without end. */
export function checkHops(
  hops: number | undefined,
  { limits: { maxHandoffHops } }: Pick<EngineContext, 'limits'>,
): void {
  if (hops === undefined || hops <= maxHandoffHops) return;
  const message = `the job was handed over from runtime to runtime ${maxHandoffHops} times already`;
  throw new ArcpError('PERMISSION_DENIED', message, { details: { handoff_hops: hops } });
}

/**
 * The profile that it has by its own level: what lifts it here for a while is this job's alone (`trust.ts`, T2, T3). Below
 * it there may be as many levels there as there may be here.
 */
export function profileFor(
  { depth, origin: { authority, trust } }: Job,
  { limits }: Pick<EngineContext, 'limits'>,
): WorkerProfile {
  const profile = underCeiling(authority.profile, trust);
  const levels = Math.min(limits.maxDelegationDepth, TRUST[trust].delegationDepth) - depth;
  return { ...profile, max_spawn_depth: Math.max(0, Math.min(profile.max_spawn_depth, levels)) };
}

/**
 * The lease for there: what is asked for, within what the job has left now. Every bound that it has here goes along.
 * Throws INVALID_ARGUMENT or LEASE_SUBSET_VIOLATION.
 */
export function boundsFor(job: Job, asked: Readonly<Record<string, unknown>> = {}): LeaseBounds {
  const { bounds, budget } = job.origin;
  const remainders = budget.remainders();
  const { asked: _asked, ...wanted } = parseLeaseRequest(asked);
  const violation = leaseSubset(wanted, {
    ...bounds,
    ...(remainders.size === 0 ? {} : { budget: remainders }),
  });
  if (violation !== undefined) throw violation;
  const all: Budget = new Map([...remainders, ...(wanted.budget ?? [])]);
  return { ...inheritBounds(wanted, bounds), budget: all };
}

/** As it goes on the wire. What a closed lease does not name is named there, with nothing. */
export function leaseRequestOf({
  capabilities = new Map<Capability, readonly string[]>(),
  closed,
  expiresAt,
  budget = new Map<string, bigint>(),
}: LeaseBounds): Readonly<Record<string, unknown>> {
  const named = new Map(capabilities);
  if (closed === true) {
    for (const name of Object.keys(CAPABILITIES)) if (!named.has(name)) named.set(name, []);
  }
  return {
    ...Object.fromEntries(named),
    ...(budget.size === 0
      ? {}
      : { 'cost.budget': [...budget].map(([currency, amount]) => `${currency}:${formatAmount(amount)}`) }),
    ...(expiresAt === undefined ? {} : { expires_at: new Date(expiresAt).toISOString() }),
  };
}
