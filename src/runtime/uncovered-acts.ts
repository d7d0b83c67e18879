/**
 * Acts that the lease of a job does not cover. Mostly they are refused; a job that asks has its owner asked, is blocked
 * meanwhile, and goes on with a lease that covers the act (RFC 0001 §15.4).
 *
 * (E1) Whether a job asks is said by its request, else by its agent, else by the runtime (`JobTerms`).
 * (E2) It asks for exactly the act, and only where nothing but its lease stands in the way: nothing that its profile or
 *      its trust level lacks, that a person has revoked, or that a job above it may not do by its own lease (L4).
 * (E3) The same act is asked for once: a denial holds, also for the next attempt, and a grant for as long as its lease;
 *      then the job may ask again. Who grants is decided as ever (`permissions.ts`, P1).
 * (E4) A job that somebody interrupts meanwhile does what it was granted when that is answered too, and not before.
 */
import { createHash } from 'node:crypto';
import { ArcpError } from '../protocol/errors.js';
import { targetKind, type Capability } from '../protocol/lease-capability.js';
import { canonicalTargets, TargetPatterns } from '../protocol/target-patterns.js';
import type { EngineContext } from './engine-context.js';
import { UncoveredAct } from './job-authority.js';
import type { JobRun } from './job-run.js';
import { askForAct } from './questions/asking.js';

/** `JobRun.authorize`, but that the owner may be asked first (E1). At once where nothing has to be asked. */
export function authorized(
  run: JobRun,
  context: EngineContext,
  capability: Capability,
  target: string,
): string | Promise<string> {
  return orAsked(run, context, () => run.authorize(capability, target));
}

/** `JobRun.authorizeAll`, in the same way. */
export function authorizedAll(
  run: JobRun,
  context: EngineContext,
  capability: Capability,
  pattern: string,
): void | Promise<void> {
  return orAsked(run, context, () => {
    run.authorizeAll(capability, pattern);
  });
}

/**
 * Asks for an act that is refused elsewhere, where to ask may help; nothing where it does not. Resolves with why it was not
 * granted, if it was not.
 */
export function askedFirst(
  run: JobRun,
  context: EngineContext,
  act: () => unknown,
): Promise<ArcpError | undefined> | undefined {
  if (!run.asksForActs) return undefined;
  try {
    act();
  } catch (error) {
    if (!(error instanceof UncoveredAct) || !mayBeAskedFor(run, context, error)) return undefined;
    return ask(run, context, error).then(
      () => undefined,
      (refusal: unknown) => ArcpError.from(refusal),
    );
  }
  return undefined;
}

function orAsked<T>(run: JobRun, context: EngineContext, act: () => T): T | Promise<T> {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof UncoveredAct) || !run.asksForActs || !mayBeAskedFor(run, context, error))
      throw error;
    return ask(run, context, error).then(act);
  }
}

/** (E2) */
function mayBeAskedFor(run: JobRun, { clock }: EngineContext, act: UncoveredAct): boolean {
  const { capability, target } = act;
  if (!run.isRunning || !isSaidByPattern(act)) return false;
  for (let above = run.job.origin.parent; above !== undefined; above = above.origin.parent)
    if (!above.origin.authority.isWithinLease(capability, target, act.isPattern, clock.now())) return false;
  return true;
}

/** A pattern has no way to say a star that is one, nor the several readings that an address may have. */
function isSaidByPattern({ capability, target, isPattern }: UncoveredAct): boolean {
  if (isPattern) return true;
  if (target.includes('*')) return false;
  try {
    const kind = targetKind(capability);
    const patterns = new TargetPatterns(kind, [target]);
    return canonicalTargets(kind, target).every((form) => patterns.covers(form));
  } catch {
    return false;
  }
}

/** Resolves when it was granted. Rejects with the refusal that there would have been, where nobody can be asked. */
async function ask(run: JobRun, context: EngineContext, act: UncoveredAct): Promise<void> {
  const { capability, target, leaseId = '' } = act;
  const digest = createHash('sha256').update(`${capability}\n${target}\n${leaseId}`).digest('base64url');
  try {
    await askForAct(run, context, capability, target, `#act.${digest}`);
  } catch (error) {
    const { code, message } = ArcpError.from(error);
    if (code === 'FAILED_PRECONDITION' || code === 'RESOURCE_EXHAUSTED') throw act;
    const details = { capability, target };
    throw new ArcpError(code, `${capability} of ${target}: ${message}`, { details });
  }
  // (E4)
  await run.questions.interruption;
}
