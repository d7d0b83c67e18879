/**
 * Leases: what a job was allowed, as `lease_request` asks for it, and whether a child's lies within its parent's.
 * 1. A lease bounds only what it names: no budget, no model patterns or no expiry is no bound of that kind.
 * 2. A request is echoed in `job.accepted.lease` exactly as it came, unknown members included.
 * 3. Authority only narrows (L4): where `leaseSubset` finds no violation, the child can do nothing that its parent
 *    could not. What the child does not name, it inherits.
 * Sources: arcp-core `permissions.rs` (`LeaseRequest` and its subset check); draft-1.1 §9.
 */
import { type Budget, parseBudget } from './cost-budget.js';
import { formatAmount } from './decimal.js';
import { ArcpError } from './errors.js';
import { matchesModel, subsumesModel } from './model-pattern.js';
import { parseTimestamp } from './timestamp.js';

/** What a lease bounds; what is absent is unbounded. */
export interface LeaseBounds {
  readonly budget?: Budget;
  /** Patterns of model names, see `matchesModel`. */
  readonly modelUse?: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

/** A `lease_request` that was read: its bounds, and what was asked for, to be echoed. */
export interface LeaseRequest extends LeaseBounds {
  readonly asked: Readonly<Record<string, unknown>>;
}

/** Limits on a request (L7). */
export const MAX_MODEL_PATTERNS = 256;
export const MAX_MODEL_PATTERN_LENGTH = 256;

function refuse(what: string): never {
  throw new ArcpError('INVALID_ARGUMENT', `lease_request${what}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed();
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

/** JSON `null` is what some peers write for a member that is absent. */
function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function readBudget(value: unknown): Pick<LeaseBounds, 'budget'> {
  if (isAbsent(value)) return {};
  if (!isTextList(value)) refuse('.cost_budget: expected a list of "CURRENCY:amount"');
  return { budget: parseBudget(value) };
}

function readModelUse(value: unknown): Pick<LeaseBounds, 'modelUse'> {
  if (isAbsent(value)) return {};
  if (
    !isTextList(value) ||
    value.length > MAX_MODEL_PATTERNS ||
    value.some((pattern) => pattern === '' || pattern.length > MAX_MODEL_PATTERN_LENGTH)
  ) {
    refuse(
      `.model_use: expected at most ${MAX_MODEL_PATTERNS} patterns of 1 to ${MAX_MODEL_PATTERN_LENGTH} characters`,
    );
  }
  return { modelUse: value };
}

function readExpiry(value: unknown): Pick<LeaseBounds, 'expiresAt'> {
  if (isAbsent(value)) return {};
  const expiresAt = isText(value) ? parseTimestamp(value) : undefined;
  if (expiresAt === undefined) refuse('.expires_at: expected an RFC 3339 timestamp with an offset');
  return { expiresAt };
}

/**
 * Reads a `lease_request`. Whether it has expired already is for whoever has a clock.
 * @throws ArcpError INVALID_ARGUMENT, with the member that is wrong.
 */
export function parseLeaseRequest(value: unknown): LeaseRequest {
  if (!isObject(value)) refuse(': expected an object');
  return {
    ...readBudget(value['cost_budget']),
    ...readModelUse(value['model_use']),
    ...readExpiry(value['expires_at']),
    asked: value,
  };
}

/**
 * The lease that a `tool.invoke` or `agent.delegate` asks for, if it does. `lease_request` wins over the older
 * `cost_budget`; one that is silent about budgets leaves that in force, since to drop a bound that was asked for would
 * widen what the job may do (L4; arcp-runtime drops it).
 * @throws ArcpError INVALID_ARGUMENT
 */
export function requestedLease(payload: {
  readonly lease_request?: unknown;
  readonly cost_budget?: unknown;
}): LeaseRequest | undefined {
  const { lease_request: request, cost_budget: budget } = payload;
  if (isAbsent(request)) return isAbsent(budget) ? undefined : parseLeaseRequest({ cost_budget: budget });
  if (isAbsent(budget) || !isObject(request) || !isAbsent(request['cost_budget'])) {
    return parseLeaseRequest(request);
  }
  return parseLeaseRequest({ ...request, cost_budget: budget });
}

/** Whether a lease lets its job use the model. */
export function allowsModel(lease: LeaseBounds, model: string): boolean {
  return lease.modelUse?.some((pattern) => matchesModel(pattern, model)) ?? true;
}

export type LeaseViolation =
  | {
      readonly capability: 'cost_budget';
      readonly currency: string;
      readonly requested: string;
      /** Absent where the parent has no budget in that currency, but has one in others. */
      readonly remaining?: string;
    }
  | { readonly capability: 'model_use'; readonly pattern: string }
  | { readonly capability: 'expires_at'; readonly requested: string; readonly latest: string };

function* violations(child: LeaseBounds, parent: LeaseBounds): Generator<LeaseViolation> {
  if (parent.budget !== undefined) {
    for (const [currency, amount] of child.budget ?? []) {
      const left = parent.budget.get(currency);
      if (left !== undefined && amount <= left) continue;
      const remaining = left === undefined ? {} : { remaining: formatAmount(left) };
      yield { capability: 'cost_budget', currency, requested: formatAmount(amount), ...remaining };
    }
  }
  const allowed = parent.modelUse;
  if (allowed !== undefined) {
    for (const pattern of child.modelUse ?? []) {
      if (!allowed.some((outer) => subsumesModel(outer, pattern))) yield { capability: 'model_use', pattern };
    }
  }
  if (child.expiresAt !== undefined && parent.expiresAt !== undefined && child.expiresAt > parent.expiresAt) {
    const [requested, latest] = [child.expiresAt, parent.expiresAt].map((ms) => new Date(ms).toISOString());
    if (requested !== undefined && latest !== undefined)
      yield { capability: 'expires_at', requested, latest };
  }
}

function describe(violation: LeaseViolation): string {
  switch (violation.capability) {
    case 'cost_budget': {
      const { currency, requested, remaining } = violation;
      return remaining === undefined
        ? `${requested} ${currency} where the parent has no ${currency}`
        : `${requested} ${currency} where the parent has ${remaining} left`;
    }
    case 'model_use':
      return `the models ${JSON.stringify(violation.pattern)}, which the parent may not all use`;
    case 'expires_at':
      return `until ${violation.requested} where the parent's lease ends at ${violation.latest}`;
  }
}

/**
 * Checks that a child's lease lies within its parent's, whose `budget` is what it has left now (equal is within).
 * A child may set an expiry that its parent lacks: that narrows. (arcp-core refuses it.)
 * @returns LEASE_SUBSET_VIOLATION with every violation in its details, or `undefined` where there is none.
 */
export function leaseSubset(child: LeaseBounds, parent: LeaseBounds): ArcpError | undefined {
  const found = [...violations(child, parent)];
  if (found.length === 0) return undefined;
  const message = `the child's lease asks for more than the parent has: ${found.map(describe).join('; ')}`;
  return new ArcpError('LEASE_SUBSET_VIOLATION', message, { details: { violations: found } });
}

/** The bounds a child runs under: its own where it names them, else its parent's; its budget is only what it names. */
export function inheritBounds(child: LeaseBounds, parent: LeaseBounds): LeaseBounds {
  const modelUse = child.modelUse ?? parent.modelUse;
  const expiresAt = Math.min(child.expiresAt ?? Infinity, parent.expiresAt ?? Infinity);
  return {
    ...(child.budget === undefined ? {} : { budget: child.budget }),
    ...(modelUse === undefined ? {} : { modelUse }),
    ...(expiresAt === Infinity ? {} : { expiresAt }),
  };
}
