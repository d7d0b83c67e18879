/**
 * What one job may spend (decision 15). A child's budget is taken out of its parent's remainder when it starts, and what
 * it did not spend comes back when it ends (L4); what it has no budget for it draws on its parent's (decision 26).
 */
import {
  BudgetCounters,
  formatAmount,
  type Amount,
  type Budget,
  type BudgetPolicy,
} from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';

export class JobBudget {
  readonly #counters: BudgetCounters;
  readonly #own: Budget;
  readonly #parent: JobBudget | undefined;
  #settled = false;

  /** Throws BUDGET_EXHAUSTED when the parent's remainder does not cover it. */
  constructor(own: Budget, policy: BudgetPolicy, parent?: JobBudget) {
    this.#own = own;
    this.#parent = parent;
    if (parent !== undefined) {
      const reserved = parent.#counters.reserve(own);
      if (!reserved.ok) throw reserved.error;
    }
    const above = parent === undefined ? undefined : parent.#counters;
    this.#counters = new BudgetCounters(own, { policy, parent: above });
  }

  /** Returns what is left, or nothing where the currency is unbounded. Throws BUDGET_EXHAUSTED and spends nothing. */
  charge(currency: string, amount: Amount): Amount | undefined {
    const outcome = this.#counters.charge(currency, amount);
    if (!outcome.ok) throw outcome.error;
    return outcome.remaining;
  }

  /**
   * Makes the budget of the whole tree larger, exactly, and hands the difference down to this job (L4: its parents still
   * have what it has). Throws FAILED_PRECONDITION where nothing bounds the currency.
   */
  raise(currency: string, amount: Amount): Amount {
    // A job that has ended has given back what it had: what comes now is its parent's.
    if (this.#settled && this.#parent !== undefined) return this.#parent.raise(currency, amount);
    if (!this.#counters.raise(currency, amount)) {
      throw new ArcpError(
        'FAILED_PRECONDITION',
        `the budget does not bound ${currency}: there is nothing to raise`,
      );
    }
    return this.#counters.remaining(currency) ?? 0n;
  }

  /** What is left of each bounded currency. */
  remainders(): Budget {
    return this.#counters.remainders();
  }

  remaining(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.remainders()].map(([currency, left]) => [currency, formatAmount(left)]),
    );
  }

  /** The budget of a job that asked for none and has no parent. It holds nothing, so that one is enough. */
  static readonly unbounded = new JobBudget(new Map(), 'refuse-overspend');

  /** Gives what was not spent back to the parent. Once; later calls do nothing. */
  settle(): void {
    if (this.#settled || this.#parent === undefined) return;
    this.#settled = true;
    const unspent = new Map<string, Amount>();
    for (const currency of this.#own.keys()) unspent.set(currency, this.#counters.remaining(currency) ?? 0n);
    this.#parent.#counters.release(unspent);
  }
}
