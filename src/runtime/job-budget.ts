/**
 * What one job may spend (decision 15). A child's budget is taken out of its parent's remainder when it starts, and what
 * it did not spend comes back when it ends (L4); what it has no budget for it draws on its parent's (decision 26).
 *
 * (A1) In every currency: what a tree has spent and what its jobs still hold add up to the budget of its root.
 * (A2) What a job holds goes up to its parent when it ends; where a child outlives it and draws on it, when that ends.
 *      What comes back to a job that has ended goes further up.
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
  /** Those below it that hold something or may draw on it. */
  readonly #children = new Set<JobBudget>();
  #ended = false;

  /** Throws BUDGET_EXHAUSTED when the parent's remainder does not cover it. */
  constructor(own: Budget, policy: BudgetPolicy, parent?: JobBudget) {
    this.#own = own;
    const above = parent === JobBudget.unbounded ? undefined : parent;
    this.#parent = above;
    if (above === undefined) {
      this.#counters = new BudgetCounters(own, { policy });
      return;
    }
    const reserved = above.#counters.reserve(own);
    if (!reserved.ok) throw reserved.error;
    above.#children.add(this);
    this.#counters = new BudgetCounters(own, { policy, parent: above.#counters });
  }

  /** Returns what is left, or nothing where the currency is unbounded. Throws BUDGET_EXHAUSTED and spends nothing. */
  charge(currency: string, amount: Amount): Amount | undefined {
    const outcome = this.#counters.charge(currency, amount);
    if (!outcome.ok) throw outcome.error;
    return outcome.remaining;
  }

  /** Takes off what an earlier life of the runtime had spent, whatever is left then. */
  restoreSpent(spent: Budget): void {
    for (const [currency, amount] of spent) this.#counters.deduct(currency, amount);
  }

  /**
   * Makes the budget of the whole tree larger, exactly, and hands the difference down to this job (L4: its parents still
   * have what it has). Throws FAILED_PRECONDITION where nothing bounds the currency.
   */
  raise(currency: string, amount: Amount): Amount {
    // A job that has ended has given back what it had: what comes now is its parent's.
    if (this.#ended && this.#parent !== undefined) return this.#parent.raise(currency, amount);
    if (!this.#counters.raise(currency, amount)) {
      throw new ArcpError(
        'FAILED_PRECONDITION',
        `the budget does not bound ${currency}: there is nothing to raise`,
      );
    }
    return this.#counters.remaining(currency) ?? 0n;
  }

  /** Throws BUDGET_EXHAUSTED where a currency is used up in such a way that nothing may be done any more (decision 15). */
  refuseExhausted(act: Readonly<Record<string, unknown>>): void {
    const currency = this.#counters.exhausted();
    if (currency === undefined) return;
    const details = { ...act, currency };
    throw new ArcpError('BUDGET_EXHAUSTED', `the budget of ${currency} is used up`, { details });
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

  /** The job has ended (A2). Once; later calls do nothing. */
  settle(): void {
    if (this.#ended || this === JobBudget.unbounded) return;
    this.#ended = true;
    this.#giveBack();
  }

  #giveBack(): void {
    const parent = this.#parent;
    if (parent === undefined) return;
    const back = new Map<string, Amount>();
    for (const currency of this.#own.keys())
      if (!this.#isDrawnOn(currency)) back.set(currency, this.#counters.takeRest(currency));
    parent.#counters.release(back);
    if (this.#children.size === 0) parent.#children.delete(this);
    if (parent.#ended) parent.#giveBack();
  }

  /** Whether somebody below it may still spend what it holds. */
  #isDrawnOn(currency: string): boolean {
    for (const child of this.#children)
      if (!child.#own.has(currency) && (!child.#ended || child.#isDrawnOn(currency))) return true;
    return false;
  }
}
