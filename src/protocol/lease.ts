/**
 * Leases: what a job was allowed, as `lease_request` asks for it. How a child's lies within its parent's is in
 * `lease-subset.ts`.
 *
 * 1. No budget and no expiry is no bound of that kind. A lease that names a capability has what its patterns cover; what
 *    of one that it does not name is in `closed`.
 * 2. A root's lease that names any capability but `model.use` is a map in the sense of draft-1.1 §9: it is closed. One
 *    that names none is only a bound, as arcp-core has them, and what its job may do beside is the operator's policy
 *    (decision 26), as it is for a job without a lease.
 * 3. A request is echoed in `job.accepted.lease` exactly as it came, unknown members included.
 * Sources: arcp-core `permissions.rs` (`LeaseRequest`); draft-1.1 §9.
 */
import { type Budget, parseBudget } from './cost-budget.js';
import { ArcpError } from './errors.js';
import { capabilityOf, isVendorCapability, targetKind, type Capability } from './lease-capability.js';
import { canonicalTargets, TargetPatterns } from './target-patterns.js';
import { parseTimestamp } from './timestamp.js';

/** What a lease bounds. */
export interface LeaseBounds {
  readonly budget?: Budget;
  /** Patterns by capability, in its dotted spelling. */
  readonly capabilities?: ReadonlyMap<Capability, readonly string[]>;
  /** Whether nothing may be done under a capability that is not named; else everything may. */
  readonly closed?: boolean;
  /** Milliseconds since 1970. */
  readonly expiresAt?: number;
}

/** A `lease_request` that was read: its bounds, and what was asked for, to be echoed. */
export interface LeaseRequest extends LeaseBounds {
  readonly asked: Readonly<Record<string, unknown>>;
}

/** Limits on a request (L7): patterns of one capability, and characters of one pattern and of all together. */
export const MAX_PATTERNS = 256;
export const MAX_PATTERN_LENGTH = 256;
export const MAX_PATTERN_CHARACTERS = 32_768;

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

/** The member in whichever spelling it has. A lease that has both is refused: neither may be dropped (L4). */
function either(request: Readonly<Record<string, unknown>>, classic: string, dotted: string): unknown {
  const [one, other] = [request[classic], request[dotted]];
  if (!isAbsent(one) && !isAbsent(other)) refuse(`: ${classic} and ${dotted} are the same, name one`);
  return isAbsent(one) ? other : one;
}

function readBudget(request: Readonly<Record<string, unknown>>): Pick<LeaseBounds, 'budget'> {
  const value = either(request, 'cost_budget', 'cost.budget');
  if (isAbsent(value)) return {};
  if (!isTextList(value)) refuse('.cost_budget: expected a list of "CURRENCY:amount"');
  return { budget: parseBudget(value) };
}

function readPatterns(member: string, capability: Capability, value: unknown): readonly string[] {
  if (
    !isTextList(value) ||
    value.length > MAX_PATTERNS ||
    value.some((pattern) => pattern === '' || pattern.length > MAX_PATTERN_LENGTH)
  ) {
    refuse(`.${member}: expected at most ${MAX_PATTERNS} patterns of 1 to ${MAX_PATTERN_LENGTH} characters`);
  }
  for (const pattern of value) {
    try {
      new TargetPatterns(targetKind(capability), [pattern]);
    } catch (error) {
      refuse(`.${member}: ${JSON.stringify(pattern)}: ${ArcpError.from(error).message}`);
    }
  }
  return value;
}

function readCapabilities(request: Readonly<Record<string, unknown>>): Pick<LeaseBounds, 'capabilities'> {
  const capabilities = new Map<Capability, readonly string[]>();
  let characters = 0;
  for (const [member, value] of Object.entries(request)) {
    const capability = capabilityOf(member);
    // What a vendor's name has that is no list is the vendor's business.
    if (capability === undefined || isAbsent(value)) continue;
    if (isVendorCapability(capability) && !Array.isArray(value)) continue;
    if (capabilities.has(capability)) refuse(`: ${capability} is named in both spellings, name it in one`);
    const patterns = readPatterns(member, capability, value);
    capabilities.set(capability, patterns);
    for (const { length } of patterns) characters += length;
  }
  if (characters > MAX_PATTERN_CHARACTERS)
    refuse(`: its patterns have more than ${MAX_PATTERN_CHARACTERS} characters together`);
  return capabilities.size === 0 ? {} : { capabilities };
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
    ...readBudget(value),
    ...readCapabilities(value),
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
  const isSilent = isObject(request) && isAbsent(request['cost_budget']) && isAbsent(request['cost.budget']);
  return parseLeaseRequest(isAbsent(budget) || !isSilent ? request : { ...request, cost_budget: budget });
}

/** What a root may do beside what its lease names, by the operator's policy (decision 26). */
export type UnnamedPolicy = 'allow' | 'refuse';

/** The bounds of a root job (2). */
export function rootBounds(lease: LeaseRequest | undefined, unnamed: UnnamedPolicy): LeaseBounds {
  const { asked: _asked, ...bounds } = lease ?? { asked: {} };
  const named = bounds.capabilities ?? new Map<Capability, readonly string[]>();
  const isMap = [...named.keys()].some((capability) => capability !== 'model.use');
  if (unnamed === 'refuse') return { ...bounds, closed: true };
  if (!isMap) return bounds;
  // Models that a map does not name are not its business.
  const models = named.has('model.use') ? named : new Map([...named, ['model.use', ['*']] as const]);
  return { ...bounds, capabilities: models, closed: true };
}

/** Whether a lease lets its job do something, apart from its budget and its expiry. */
export function allows(bounds: LeaseBounds, capability: Capability, target: string): boolean {
  const patterns = bounds.capabilities?.get(capability);
  if (patterns === undefined) return bounds.closed !== true;
  const compiled = new TargetPatterns(targetKind(capability), patterns);
  return canonicalTargets(compiled.kind, target).every((form) => compiled.covers(form));
}
