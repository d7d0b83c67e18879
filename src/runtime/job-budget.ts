/**
 * What one job may spend (decision 15). A child's budget is taken out of its parent's remainder when it starts, and what
 * it did not spend comes back when it ends (L4); what it has no budget for it draws on its parent's (decision 26).
 *
 * (A1) In every currency: what a tree has spent and what its jobs still hold add up to the budget of its root.
 * (A2) What a job holds goes up to its parent when it ends; where a child outlives it and draws on it, when that ends.
 *      What comes back to a job that has ended goes further up.
 * (A3) A warning is due once per currency, when that much of it has been spent by the job and those below it; again after
 *      a raise that brings it below.
 */
import {
  BudgetCounters,
  formatAmount,
  type Amount,
  type Budget,
  type BudgetPolicy,
} from '../protocol/cost-budget.js';
import { ArcpError } from '../protocol/errors.js';

/** How much of one currency has been spent, of how much. */
export interface Usage {
  readonly spent: Amount;
  readonly limit: Amount;
}

interface Account {
  spent: Amount;
  limit: Amount;
  warned: boolean;
}

export class JobBudget {
  readonly #counters: BudgetCounters;
  readonly #own: Budget;
  readonly #parent: JobBudget | undefined;
  /** Those below it that hold something or may draw on it. */
  readonly #children = new Set<JobBudget>();
  /** What the job and those below it have spent of each currency of its own. Made at the first charge. */
  #accounts: Map<string, Account> | undefined;
  readonly #warnAtPercent: number | undefined;
  #ended = false;

  /**
   * Throws BUDGET_EXHAUSTED when the parent's remainder does not cover it.
   * @param warnAtPercent when a warning is due; without it, whatever who notes the spending says
   */
  constructor(own: Budget, policy: BudgetPolicy, parent?: JobBudget, warnAtPercent?: number) {
    this.#own = own;
    this.#warnAtPercent = warnAtPercent;
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
  restoreSpent(spent: Budget, warnAtPercent: number): void {
    for (const [currency, amount] of spent) {
      this.#counters.deduct(currency, amount);
      this.#noteRestored(currency, amount, warnAtPercent);
    }
  }

  /** A warning that was due then has been given. */
  #noteRestored(currency: string, amount: Amount, warnAtPercent: number): void {
    this.noteSpent(currency, amount, warnAtPercent);
    if (this.#parent !== undefined) this.#parent.#noteRestored(currency, amount, warnAtPercent);
  }

  /**
   * (A3) Notes what this job or one below it has spent. Returns how much that is in all when it is time for a warning,
   * which it then is no more.
   */
  noteSpent(currency: string, amount: Amount, warnAtPercent: number): Usage | undefined {
    const account = this.#account(currency);
    if (account === undefined) return undefined;
    account.spent += amount;
    if (account.warned || account.spent === 0n) return undefined;
    if (!reaches(account, this.#warnAtPercent ?? warnAtPercent)) return undefined;
    account.warned = true;
    return account;
  }

  #account(currency: string): Account | undefined {
    const limit = this.#own.get(currency);
    if (limit === undefined) return undefined;
    this.#accounts ??= new Map();
    let account = this.#accounts.get(currency);
    if (account === undefined) this.#accounts.set(currency, (account = { spent: 0n, limit, warned: false }));
    return account;
  }

  #raiseLimits(currency: string, amount: Amount): void {
    const account = this.#account(currency);
    if (account !== undefined) {
      account.limit += amount;
      account.warned = false;
    }
    if (this.#parent !== undefined) this.#parent.#raiseLimits(currency, amount);
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
    this.#raiseLimits(currency, amount);
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

/** Whether that many of a hundred parts are spent; a percentage has at most two decimal places. */
function reaches({ spent, limit }: Account, percent: number): boolean {
  return Number.isFinite(percent) && spent * 10_000n >= limit * BigInt(Math.round(percent * 100));
}
