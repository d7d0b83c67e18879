/**
 * Authority only narrows (L4): where `leaseSubset` finds no violation, a child that runs under `inheritBounds` can do
 * nothing that its parent could not. What the child does not name, it inherits (decision 26).
 * Sources: arcp-core `permissions.rs` (subset check); draft-1.1 §9.4.
 */
import { formatAmount } from './decimal.js';
import { ArcpError } from './errors.js';
import type { LeaseBounds } from './lease.js';
import { targetKind, type Capability } from './lease-capability.js';
import { TargetPatterns } from './target-patterns.js';

export type LeaseViolation =
  | {
      readonly capability: 'cost.budget';
      readonly currency: string;
      readonly requested: string;
      /** Absent where the parent has no budget in that currency, but has one in others. */
      readonly remaining?: string;
    }
  | { readonly capability: Capability; readonly pattern: string }
  | { readonly capability: 'expires_at'; readonly requested: string; readonly latest: string };

function* budgetViolations(child: LeaseBounds, parent: LeaseBounds): Generator<LeaseViolation> {
  if (parent.budget === undefined) return;
  for (const [currency, amount] of child.budget ?? []) {
    const left = parent.budget.get(currency);
    if (left !== undefined && amount <= left) continue;
    const remaining = left === undefined ? {} : { remaining: formatAmount(left) };
    yield { capability: 'cost.budget', currency, requested: formatAmount(amount), ...remaining };
  }
}

function* patternViolations(child: LeaseBounds, parent: LeaseBounds): Generator<LeaseViolation> {
  const steps = { count: 0 };
  for (const [capability, patterns] of child.capabilities ?? []) {
    const allowed = parent.capabilities?.get(capability) ?? (parent.closed === true ? [] : undefined);
    if (allowed === undefined) continue;
    const kind = targetKind(capability);
    const exceeding = new TargetPatterns(kind, allowed).exceededBy(new TargetPatterns(kind, patterns), steps);
    for (const pattern of exceeding) yield { capability, pattern };
  }
}

function* expiryViolations(child: LeaseBounds, parent: LeaseBounds): Generator<LeaseViolation> {
  if (child.expiresAt === undefined || parent.expiresAt === undefined) return;
  if (child.expiresAt <= parent.expiresAt) return;
  yield {
    capability: 'expires_at',
    requested: new Date(child.expiresAt).toISOString(),
    latest: new Date(parent.expiresAt).toISOString(),
  };
}

function describe(violation: LeaseViolation): string {
  if ('pattern' in violation)
    return `${violation.capability} of ${JSON.stringify(violation.pattern)}, which the parent may not all do`;
  if ('latest' in violation)
    return `until ${violation.requested} where the parent's lease ends at ${violation.latest}`;
  const { currency, requested, remaining } = violation;
  return remaining === undefined
    ? `${requested} ${currency} where the parent has no ${currency}`
    : `${requested} ${currency} where the parent has ${remaining} left`;
}

/**
 * Checks that a child's lease lies within its parent's, whose `budget` is what it has left now (equal is within).
 * A child may set an expiry that its parent lacks: that narrows. (arcp-core refuses it.)
 * @returns LEASE_SUBSET_VIOLATION with every violation in its details, or `undefined` where there is none.
 */
export function leaseSubset(child: LeaseBounds, parent: LeaseBounds): ArcpError | undefined {
  const found = [
    ...budgetViolations(child, parent),
    ...patternViolations(child, parent),
    ...expiryViolations(child, parent),
  ];
  if (found.length === 0) return undefined;
  const message = `the child's lease asks for more than the parent has: ${found.map(describe).join('; ')}`;
  return new ArcpError('LEASE_SUBSET_VIOLATION', message, { details: { violations: found } });
}

/** The bounds a child runs under: its own where it names them, else its parent's; its budget is only what it names. */
export function inheritBounds(child: LeaseBounds, parent: LeaseBounds): LeaseBounds {
  const capabilities = new Map([...(parent.capabilities ?? []), ...(child.capabilities ?? [])]);
  const expiresAt = Math.min(child.expiresAt ?? Infinity, parent.expiresAt ?? Infinity);
  return {
    ...(child.budget === undefined ? {} : { budget: child.budget }),
    ...(capabilities.size === 0 ? {} : { capabilities }),
    ...(parent.closed === true ? { closed: true } : {}),
    ...(expiresAt === Infinity ? {} : { expiresAt }),
  };
}
