/** What the store keeps of a job beside its events: what it takes to go on with it after a restart. No client sees it. */
import type { BudgetPolicy } from '../protocol/cost-budget.js';
import type { JobId, SessionId } from '../protocol/ids.js';
import type { LeaseBounds } from '../protocol/lease.js';
import type { OnParentEnd } from '../protocol/payloads/execution.js';
import type { Priority } from '../protocol/priority.js';
import type { TrustLevel } from '../protocol/trust-level.js';
import type { WorkerProfile } from '../protocol/worker-profile.js';
import type { Job, OccurrenceOf } from './job.js';
import type { JobTerms } from './job-terms.js';
import type { ProvidedTerms } from './providers/offers.js';

export interface JobHead {
  readonly agent: string;
  readonly principal: string;
  readonly quota: string;
  readonly sessionId: SessionId;
  readonly traceId: string;
  readonly priority: Priority;
  readonly createdAt: number;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly parentId?: JobId | undefined;
  readonly delegateId?: string | undefined;
  readonly delegation?: RememberedKey | undefined;
  /** Default: `cancel`. */
  readonly onParentEnd?: OnParentEnd | undefined;
  readonly schedule?: OccurrenceOf | undefined;
  readonly heartbeatMs: number;
  readonly budgetPolicy: BudgetPolicy;
  readonly trust: TrustLevel;
  readonly hops?: number | undefined;
  readonly provided?: ProvidedTerms | undefined;
  readonly maxRuntimeMs?: number | undefined;
  readonly terms?: JobTerms | undefined;
  readonly arguments: unknown;
  /** As it was asked for. */
  readonly lease?: Readonly<Record<string, unknown>> | undefined;
  readonly profile?: WorkerProfile | undefined;
  /** Its own and its ancestors'; the budget apart. */
  readonly bounds?: StoredBounds | undefined;
  readonly key?: RememberedKey | undefined;
}

/** A key that a job was asked for under: by a client, or by its parent. */
export interface RememberedKey {
  readonly key: string;
  /** The request's fingerprint. */
  readonly request: string;
}

/** Bounds as JSON has them. */
export interface StoredBounds {
  readonly capabilities?: readonly (readonly [string, readonly string[]])[] | undefined;
  readonly closed?: boolean | undefined;
  readonly expiresAt?: number | undefined;
}

function storedBounds({ capabilities, closed, expiresAt }: LeaseBounds): StoredBounds {
  return { capabilities: capabilities && [...capabilities], closed, expiresAt };
}

export function restoredBounds({ capabilities, closed, expiresAt }: StoredBounds = {}): LeaseBounds {
  return {
    ...(capabilities === undefined ? {} : { capabilities: new Map(capabilities) }),
    ...(closed === undefined ? {} : { closed }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** None of its fields left out. */
type Complete<Fields> = { readonly [Name in keyof Required<Fields>]: Fields[Name] };

export function headText(
  origin: Omit<Job['origin'], 'budget'>,
  rest: Pick<JobHead, 'arguments' | 'lease' | 'key'>,
): string {
  // Field by field: it is made for every job, and copying what is left of an object costs more than the text.
  const head: Complete<JobHead> = {
    agent: origin.agent,
    principal: origin.principal,
    quota: origin.quota,
    sessionId: origin.sessionId,
    traceId: origin.traceId,
    priority: origin.priority,
    createdAt: origin.createdAt,
    correlationId: origin.correlationId,
    causationId: origin.causationId,
    parentId: origin.parent?.id,
    delegateId: origin.delegateId,
    delegation: origin.delegation,
    onParentEnd: origin.onParentEnd,
    schedule: origin.schedule,
    heartbeatMs: origin.heartbeatMs,
    budgetPolicy: origin.budgetPolicy,
    trust: origin.trust,
    hops: origin.hops,
    maxRuntimeMs: origin.maxRuntimeMs,
    terms: origin.terms,
    provided: origin.provided,
    arguments: rest.arguments,
    lease: rest.lease,
    profile: origin.authority.profile,
    bounds: storedBounds(origin.bounds),
    key: rest.key,
  };
  return JSON.stringify(head);
}

export function parseHead(text: string): JobHead {
  return JSON.parse(text) as JobHead;
}
