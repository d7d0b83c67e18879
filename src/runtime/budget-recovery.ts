/**
 * The budgets of the jobs that stand (`job.ts`, B3) as they were before the process ended: what each held, what was spent
 * of it, and what people had added (law L4; `tree-account.ts`).
 *
 * (G1) A job that lives holds what it had asked for. One that has ended and has children that live on holds what is spent
 *      and what these hold; and all that it had asked for, in a currency in which one of them draws on it (`job-budget.ts`,
 *      A2).
 * (G2) What people had added comes first, since later children may have been given it; what was spent comes last, since
 *      it left room for everything that was reserved.
 */
import type { Amount, Budget } from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import { requestedLease } from '../protocol/lease.js';
import type { Engine } from './engine.js';
import type { Job } from './job.js';
import { JobBudget } from './job-budget.js';
import { recordsOf } from './job-history.js';
import type { KeptJob } from './job-recovery.js';
import { TreeAccount } from './tree-account.js';

const NOTHING: Budget = new Map();

/** @param jobs parents before their children, and each with those below it that stand */
export async function restoreBudgets(engine: Engine, jobs: ReadonlyMap<JobId, KeptJob>): Promise<void> {
  const recovery = new BudgetRecovery(engine, jobs);
  await recovery.read();
  recovery.restore();
}

class BudgetRecovery {
  readonly #engine: Engine;
  readonly #jobs: ReadonlyMap<JobId, KeptJob>;
  readonly #standing: readonly KeptJob[];
  /** What each that stands had asked for. */
  readonly #asked = new Map<Job, Budget>();
  readonly #accounts = new Map<Job, TreeAccount>();

  constructor(engine: Engine, jobs: ReadonlyMap<JobId, KeptJob>) {
    this.#engine = engine;
    this.#jobs = jobs;
    this.#standing = [...jobs.values()].filter(({ job }) => stands(job));
  }

  /** Adds up what the logs say. */
  async read(): Promise<void> {
    const bounds = new Map<Job, ReadonlySet<string>>();
    const isCounted = (id: string): boolean => {
      const kept = this.#jobs.get(id as JobId);
      return kept !== undefined && payerOf(kept.job) !== undefined;
    };
    for (const { job, head } of this.#standing) {
      const own = requestedLease({ lease_request: head.lease })?.budget;
      if (own !== undefined) this.#asked.set(job, own);
      const { parent } = job.origin;
      const all = new Set([...((parent && bounds.get(parent)) ?? []), ...(own?.keys() ?? [])]);
      bounds.set(job, all);
      if (all.size > 0) this.#accounts.set(job, new TreeAccount(all, isCounted));
    }
    for (const { job } of this.#jobs.values()) {
      const payer = payerOf(job);
      const account = payer && this.#accounts.get(payer);
      if (account === undefined) continue;
      for await (const record of recordsOf(this.#engine.store, job.id)) account.note(job, record);
    }
  }

  restore(): void {
    const { budgetWarningPercent } = this.#engine.limits;
    const raises = this.#raises();
    for (const kept of this.#standing) {
      const budget = this.#budgetOf(kept);
      if (budget === undefined) continue;
      kept.fund(budget);
      for (const [currency, amount] of raises.get(kept.job) ?? []) budget.raise(currency, amount);
    }
    for (const [{ origin }, { spent }] of this.#accounts)
      origin.budget.restoreSpent(spent, budgetWarningPercent);
    for (const { job } of this.#standing) if (job.hasLeft) job.origin.budget.settle();
  }

  #budgetOf({ job, head }: KeptJob): JobBudget | undefined {
    const { parent } = job.origin;
    if (parent === undefined && !this.#asked.has(job)) return undefined;
    const held = new Map<string, Amount>();
    for (const currency of this.#own(job).keys()) held.set(currency, this.#held(job, currency));
    const above = parent?.origin.budget;
    try {
      return new JobBudget(held, head.budgetPolicy, above, head.terms?.budgetWarningPercent);
    } catch (error) {
      // The reservation is more than is left, which draft-1.1 allows: now it draws on its parent's counters (decision 26).
      if (error instanceof ArcpError) return new JobBudget(NOTHING, head.budgetPolicy, above);
      throw error;
    }
  }

  /** What people added, with who has what is left of it. */
  #raises(): ReadonlyMap<Job, ReadonlyMap<string, Amount>> {
    const raises = new Map<Job, Map<string, Amount>>();
    for (const [payer, { raised }] of this.#accounts) {
      for (const [currency, amount] of raised) {
        let job = payer;
        for (let up = job.origin.parent; up !== undefined && !this.#hasRest(job, currency);) {
          job = up;
          up = job.origin.parent;
        }
        const sums = raises.get(job) ?? new Map<string, Amount>();
        raises.set(job, sums.set(currency, (sums.get(currency) ?? 0n) + amount));
      }
    }
    return raises;
  }

  #own(job: Job): Budget {
    return this.#asked.get(job) ?? NOTHING;
  }

  /** (G1) In a currency of its own. */
  #held(job: Job, currency: string): Amount {
    return this.#hasRest(job, currency) ? (this.#own(job).get(currency) ?? 0n) : this.#used(job, currency);
  }

  #hasRest(job: Job, currency: string): boolean {
    return !job.hasLeft || this.#isDrawnOn(job, currency);
  }

  #isDrawnOn({ children }: Job, currency: string): boolean {
    for (const child of children)
      if (!this.#own(child).has(currency) && this.#hasRest(child, currency)) return true;
    return false;
  }

  #used(job: Job, currency: string): Amount {
    let used = this.#accounts.get(job)?.spent.get(currency) ?? 0n;
    for (const child of job.children)
      used += this.#own(child).has(currency) ? this.#held(child, currency) : this.#used(child, currency);
    return used;
  }
}

/** On whose account it is what the job has spent: on nobody's where its tree is over, or what led there is forgotten. */
function payerOf(job: Job): Job | undefined {
  return stands(job) ? job : job.heir;
}

function stands(job: Job): boolean {
  return !job.hasLeft || job.hasChildren;
}
