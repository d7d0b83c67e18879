/**
 * Leases and budgets between the dialects (draft-1.1 §9). The draft has a map of capabilities with dotted names, and the
 * expiry beside it; natively the expiry is one of its members.
 */
import { parseBudget, type Budget } from '../../protocol/cost-budget.js';
import { formatAmount } from '../../protocol/decimal.js';
import { parseTimestamp } from '../../protocol/timestamp.js';
import type { DraftPayload } from '../../protocol/draft/messages.js';

type Asked = Pick<DraftPayload<'job.submit'>, 'lease_request' | 'lease_constraints'>;
type Granted = Pick<DraftPayload<'job.accepted'>, 'lease' | 'lease_constraints'>;
export type NativeLease = Readonly<Record<string, unknown>>;

/** The draft's names, and the native ones where they differ. */
const NATIVE_NAMES: ReadonlyMap<string, string> = new Map([
  ['cost.budget', 'cost_budget'],
  ['model.use', 'model_use'],
]);

const DRAFT_NAMES: ReadonlyMap<string, string> = new Map([
  ...[...NATIVE_NAMES].map(([draft, native]) => [native, draft] as const),
  ['fs_read', 'fs.read'],
  ['fs_write', 'fs.write'],
  ['net_fetch', 'net.fetch'],
  ['tool_call', 'tool.call'],
  ['agent_delegate', 'agent.delegate'],
]);

/** The `lease_request` that a submission asks for, if it asks for any. */
export function nativeLease({ lease_request: asked, lease_constraints }: Asked): NativeLease | undefined {
  const expiresAt = lease_constraints?.expires_at;
  if (asked === undefined && expiresAt === undefined) return undefined;
  const lease: Record<string, unknown> = {};
  for (const [name, patterns] of Object.entries(asked ?? {}))
    lease[NATIVE_NAMES.get(name) ?? name] = patterns;
  if (expiresAt !== undefined) lease['expires_at'] = expiresAt;
  return lease;
}

/** A native lease, as it was asked for, in the draft's words. What is no list of patterns has no place there. */
export function draftLease(native: NativeLease | undefined): Granted {
  const lease: Record<string, readonly string[]> = {};
  for (const [name, patterns] of Object.entries(native ?? {})) {
    if (isPatternList(patterns)) lease[DRAFT_NAMES.get(name) ?? name] = patterns;
  }
  return { lease, ...constraintsOf(native?.['expires_at']) };
}

/** The budget that a lease begins with, if it bounds any. It was read when the job was accepted. */
export function budgetOf(lease: Granted['lease']): Record<string, number> | undefined {
  const entries = lease['cost.budget'];
  return entries === undefined ? undefined : amountsOf(parseBudget(entries));
}

/** A budget as numbers: for people, since they may be rounded. */
export function amountsOf(budget: Budget): Record<string, number> {
  return Object.fromEntries(
    [...budget].map(([currency, amount]) => [currency, Number(formatAmount(amount))]),
  );
}

function constraintsOf(expiry: unknown): Pick<Granted, 'lease_constraints'> {
  const ms = typeof expiry === 'string' ? parseTimestamp(expiry) : undefined;
  return ms === undefined ? {} : { lease_constraints: { expires_at: new Date(ms).toISOString() } };
}

function isPatternList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((pattern) => typeof pattern === 'string' && pattern !== '');
}
