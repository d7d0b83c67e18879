/** What a request may say of how its job is to be run, beside what it may do. Additions to RFC 0001, all optional. */
import type { Payload } from '../protocol/messages.js';
import type { Job } from './job.js';

/** What becomes of an act that the lease of a job does not cover: see `uncovered-acts.ts`. */
export type UncoveredActs = 'refuse' | 'ask';

export interface JobTerms {
  /** Else its agent decides, and then the runtime. */
  readonly uncoveredActs?: UncoveredActs | undefined;
  /** When it is warned about its own budget; else `budgetWarningPercent` of the runtime. */
  readonly budgetWarningPercent?: number | undefined;
}

/** What a request for work may say beside what is asked of whom. */
export type Asked = Pick<
  Payload<'tool.invoke'>,
  | 'lease_request'
  | 'cost_budget'
  | 'max_runtime_ms'
  | 'profile'
  | 'uncovered_acts'
  | 'budget_warning_percent'
  | 'trust_level'
  | 'handoff_hops'
>;

/** Of what its job may do, of how long it may take, and of how it is run. */
export function askedIn(payload: Asked) {
  return {
    leaseRequest: payload.lease_request,
    costBudget: payload.cost_budget,
    maxRuntimeMs: payload.max_runtime_ms,
    profile: payload.profile,
    trust: payload.trust_level,
    hops: payload.handoff_hops,
    terms: termsOf(payload),
  };
}

/** Nothing, where the request says nothing. */
function termsOf(payload: Asked): JobTerms | undefined {
  const { uncovered_acts: uncoveredActs, budget_warning_percent: budgetWarningPercent } = payload;
  if (uncoveredActs === undefined && budgetWarningPercent === undefined) return undefined;
  return { uncoveredActs, budgetWarningPercent };
}

/** A child asks as its parent was told to, unless it is told otherwise; a warning is about a budget of one's own. */
export function termsUnder(asked: JobTerms | undefined, parent: Job | undefined): JobTerms | undefined {
  const above = parent?.origin.terms?.uncoveredActs;
  if (above === undefined) return asked;
  // Who wants nothing asked wants that of the whole tree.
  return { ...asked, uncoveredActs: above === 'refuse' ? above : (asked?.uncoveredActs ?? above) };
}
