/**
 * From a request for work to a job: the one way in for `tool.invoke`, `workflow.start`, `agent.delegate` and an agent's own
 * `delegate`. What is wrong with the request as such is thrown before there is a job; an agent that is not hosted here is the
 * failure of an accepted job (decision 2).
 */
import type { Agent } from '../agents/agent.js';
import { parseAgentRef, type AgentRef } from '../protocol/agent-ref.js';
import type { BudgetPolicy } from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId, SessionId } from '../protocol/ids.js';
import { requestedLease, rootBounds, type LeaseBounds, type LeaseRequest } from '../protocol/lease.js';
import { inheritBounds, leaseSubset } from '../protocol/lease-subset.js';
import {
  DEFAULT_PROFILE,
  deriveChild,
  narrowProfile,
  type WorkerProfile,
} from '../protocol/worker-profile.js';
import { requestedProfile } from '../protocol/worker-profile-json.js';
import type { EngineContext } from './engine-context.js';
import { newTraceId } from './ids.js';
import { modelOf } from './model-route.js';
import { headText, type RememberedKey } from './job-head.js';
import type { OnParentEnd } from '../protocol/payloads/execution.js';
import type { Priority } from '../protocol/priority.js';
import { Job, type JobOrigin, type OccurrenceOf } from './job.js';
import { JobAuthority } from './job-authority.js';
import { JobBudget } from './job-budget.js';
import { termsUnder, type JobTerms } from './job-terms.js';
import { ProvidedAgent } from './providers/provided-agent.js';
import type { AgentRegistry } from './registry.js';
import { lowerTrust, type TrustLevel } from '../protocol/trust-level.js';
import { checkHops } from './handoff/terms.js';
import { checkActLeft } from './spending.js';
import { JobTrust, TRUST } from './trust.js';

/** A request for work. */
export interface Submission {
  /** `name` or `name@version`. */
  readonly agent: string;
  readonly arguments: unknown;
  /** Whether only a workflow will do. */
  readonly asWorkflow?: boolean | undefined;
  /** As it came: checked here, echoed as it is. */
  readonly leaseRequest: Readonly<Record<string, unknown>> | undefined;
  /** The older way to ask for a budget; `leaseRequest` wins over it. */
  readonly costBudget: readonly string[] | undefined;
  /** The worker profile that is asked for, as it came. */
  readonly profile: unknown;
  readonly terms?: JobTerms | undefined;
  /** A ceiling over the trust level of whoever asks. */
  readonly trust?: TrustLevel | undefined;
  /** How often it was handed over on its way here. */
  readonly hops?: number | undefined;
  /** How long the agent may run. */
  readonly maxRuntimeMs: number | undefined;
  readonly priority: Priority;
  readonly traceId: string | undefined;
  readonly correlationId: string | undefined;
  readonly causationId: string | undefined;
  readonly parent: Job | undefined;
  readonly delegateId: string | undefined;
  /** What becomes of it when its parent ends. Default: it is cancelled. */
  readonly onParentEnd?: OnParentEnd | undefined;
  /** The occurrence of a schedule that it is, whose job has a name already. */
  readonly scheduled?: { readonly jobId: JobId; readonly schedule: OccurrenceOf } | undefined;
  /** The key that its parent's agent gave it, if one. */
  readonly delegation?: RememberedKey | undefined;
}

/** On whose behalf a job runs. */
export interface Requester {
  readonly principal: string;
  /** Whose limits it counts against. */
  readonly quota: string;
  /** The session that asked, or whose job delegates. */
  readonly sessionId: SessionId;
  /** How often the job must show a sign of life. */
  readonly heartbeatMs: number;
  /** For its root jobs; what is below them follows. */
  readonly budgetPolicy: BudgetPolicy;
  /** How far its principal is trusted; what is below a root job follows. */
  readonly trust: TrustLevel;
}

/** A job that has been set up but has no events yet. */
export interface Prepared {
  readonly job: Job;
  readonly agent: Agent | ArcpError;
  readonly arguments: unknown;
}

/**
 * The arguments of a child: `context.arguments` where given, else the task and the context (decision 5). The context is
 * one that was read from text, so that a child shares no object with its parent.
 */
export function childArguments(task: string, context: unknown): unknown {
  if (typeof context === 'object' && context !== null && 'arguments' in context) {
    if (context.arguments !== undefined) return context.arguments;
  }
  return { task, context };
}

/** Throws PERMISSION_DENIED, INVALID_ARGUMENT, INVALID_REQUEST, LEASE_SUBSET_VIOLATION, BUDGET_EXHAUSTED or RESOURCE_EXHAUSTED. */
export function prepareJob(
  submission: Submission,
  requester: Requester,
  registry: AgentRegistry,
  context: EngineContext,
  key?: RememberedKey,
): Prepared {
  const { parent } = submission;
  const { principal, quota, sessionId, heartbeatMs } = requester;
  const budgetPolicy = parent?.origin.budgetPolicy ?? requester.budgetPolicy;
  const ref = parseAgentRef(submission.agent);
  const lease = leaseOf(submission, context);
  const asked: LeaseBounds = lease ?? {};
  if (parent === undefined) {
    if (!context.admission.hasRoom(quota)) {
      throw new ArcpError('RESOURCE_EXHAUSTED', 'this principal has too many jobs waiting already');
    }
  } else {
    checkPlaceInTree(parent, context);
  }
  const agent = resolve(registry, ref, submission.asWorkflow === true);
  const known = agent instanceof ArcpError ? undefined : agent;
  const name = known === undefined ? submission.agent : nameOf(known);
  parent?.origin.authority.check('agent.delegate', name, context.clock.now());
  const profile = profileOf(submission, known, parent);
  const terms = termsUnder(submission.terms, parent);
  const trust = lowerTrust(parent?.origin.trust ?? requester.trust, submission.trust);
  const hops = parent?.origin.hops ?? submission.hops;
  checkHops(hops, context);
  const bounds =
    parent === undefined ? rootBounds(lease, context.unnamed(known)) : boundsOfChild(asked, parent);
  const inheritedModel = parent && modelOf(parent.origin.authority, context.models);
  const budget =
    parent === undefined && asked.budget === undefined
      ? JobBudget.unbounded
      : new JobBudget(
          asked.budget ?? new Map(),
          budgetPolicy,
          parent?.origin.budget,
          terms?.budgetWarningPercent,
        );
  const origin: JobOrigin = {
    id: submission.scheduled?.jobId ?? context.newId('job'),
    agent: name,
    principal,
    quota,
    sessionId,
    traceId: submission.traceId ?? parent?.origin.traceId ?? newTraceId(),
    priority: submission.priority,
    createdAt: context.clock.now(),
    correlationId: submission.correlationId,
    causationId: submission.causationId,
    parent,
    delegateId: submission.delegateId,
    delegation: submission.delegation,
    onParentEnd: submission.onParentEnd ?? 'cancel',
    schedule: submission.scheduled?.schedule,
    budget,
    lease: lease?.asked,
    bounds,
    authority: new JobAuthority(bounds, profile, new JobTrust(trust), inheritedModel),
    heartbeatMs,
    budgetPolicy,
    trust,
    hops,
    maxRuntimeMs: runtimeWithin(submission.maxRuntimeMs, parent, context),
    terms,
    provided: known instanceof ProvidedAgent ? known.terms : undefined,
  };
  const head = context.store.durable
    ? headText(origin, { arguments: submission.arguments, lease: lease?.asked, key })
    : undefined;
  const job = new Job(origin, context, { head });
  return { job, agent, arguments: submission.arguments };
}

/** What is asked of a child, as far as its parent may have to be allowed it first. */
export type ChildTerms = Pick<Submission, 'agent' | 'leaseRequest' | 'costBudget' | 'profile'>;

/**
 * Throws why a job may not have such a child of an agent that is hosted here: it is too deep, there are too many of them or
 * may be no more, it asks for more than its parent has, or, looked at last, its parent's lease does not have the agent.
 */
export function checkDelegation(
  parent: Job,
  child: ChildTerms,
  registry: AgentRegistry,
  context: EngineContext,
): void {
  checkPlaceInTree(parent, context);
  const agent = resolve(registry, parseAgentRef(child.agent), false);
  if (agent instanceof ArcpError) return;
  profileOf(child, agent, parent);
  boundsOfChild(leaseOf(child, context) ?? {}, parent);
  checkActLeft(parent, 'launches');
  parent.origin.authority.check('agent.delegate', nameOf(agent), context.clock.now());
}

/** What is asked for, if anything is. Throws INVALID_ARGUMENT, or INVALID_REQUEST where it would have run out already. */
function leaseOf(
  { leaseRequest, costBudget }: Pick<Submission, 'leaseRequest' | 'costBudget'>,
  { clock }: EngineContext,
): LeaseRequest | undefined {
  const lease = requestedLease({ lease_request: leaseRequest, cost_budget: costBudget });
  if (lease?.expiresAt !== undefined && lease.expiresAt <= clock.now())
    throw new ArcpError('INVALID_REQUEST', 'lease_request.expires_at is not in the future');
  return lease;
}

function nameOf({ name, version }: Agent): string {
  return `${name}@${version}`;
}

/** What is asked for, within what the agent declares, and within what its parent has (L4). */
function profileOf(
  { profile: asked }: Pick<Submission, 'profile'>,
  agent: Agent | undefined,
  parent: Job | undefined,
): WorkerProfile {
  const declared = agent?.profile ?? DEFAULT_PROFILE;
  const wanted =
    asked === undefined || asked === null ? declared : narrowProfile(declared, requestedProfile(asked));
  return parent === undefined ? wanted : deriveChild(parent.origin.authority.profile, wanted);
}

/** Throws LEASE_SUBSET_VIOLATION when the child asks for more than its parent has now (L4). */
function boundsOfChild(asked: LeaseBounds, parent: Job): LeaseBounds {
  const { bounds, budget } = parent.origin;
  const remainders = budget.remainders();
  const violation = leaseSubset(asked, {
    ...bounds,
    ...(remainders.size === 0 ? {} : { budget: remainders }),
  });
  if (violation !== undefined) throw violation;
  return inheritBounds(asked, bounds);
}

/** Its parent's running time bounds its own (L4), also where it is to outlive its parent. */
function runtimeWithin(
  asked: number | undefined,
  parent: Job | undefined,
  { runs }: EngineContext,
): number | undefined {
  const left = parent && runs.get(parent.id)?.runtimeLeftMs;
  return asked === undefined || left === undefined ? (asked ?? left) : Math.min(asked, left);
}

function checkPlaceInTree(parent: Job, { limits, clock }: EngineContext): void {
  if (parent.depth + 1 > limits.maxDelegationDepth) {
    throw new ArcpError('PERMISSION_DENIED', `delegation is limited to ${limits.maxDelegationDepth} levels`);
  }
  const level = parent.trust.at(clock.now());
  const { delegationDepth } = TRUST[level];
  if (parent.depth + 1 > delegationDepth) {
    const message = `delegation is limited to ${delegationDepth} levels for who is ${level}`;
    throw new ArcpError('PERMISSION_DENIED', message, { details: { trust_level: level } });
  }
  if (parent.root.liveInTree >= limits.maxLiveJobsPerTree) {
    throw new ArcpError(
      'RESOURCE_EXHAUSTED',
      `this tree has ${limits.maxLiveJobsPerTree} unfinished jobs already`,
    );
  }
}

function resolve(registry: AgentRegistry, ref: AgentRef, asWorkflow: boolean): Agent | ArcpError {
  try {
    const agent = registry.resolve(ref);
    if (!asWorkflow || agent.isWorkflow === true) return agent;
    const message = `${agent.name}@${agent.version} is no workflow: tool.invoke starts it`;
    return new ArcpError('AGENT_NOT_AVAILABLE', message);
  } catch (error) {
    if (error instanceof ArcpError) return error;
    throw error;
  }
}
