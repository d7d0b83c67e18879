/**
 * Cost budgets: `cost_budget` lists on the wire, and the counters that a job's spending is held against.
 * 1. An entry is `CURRENCY:decimal`, split at its first `:`. A currency is `[A-Za-z0-9._-]{1,32}`: money (`USD`),
 *    tokens, credits, calls; arcp-runtime takes any non-empty text. A currency that is listed twice is refused, where
 *    arcp-runtime lets the last one win: a budget that can be read in two ways is no bound.
 * 2. A counter never goes below zero, except by the one charge that crosses it under `allow-overshoot`.
 * 3. What fails changes nothing. A reservation is taken whole or not at all (L4).
 * Sources: decision 15, decision 26; arcp-runtime `context.rs` (classic), draft-1.1 §9.6.
 */
import { type Amount, formatAmount, parseAmount } from './decimal.js';
import { ArcpError } from './errors.js';

export { amountFromNumber, formatAmount, MAX_AMOUNT, parseAmount, type Amount } from './decimal.js';

/** By currency. */
export type Budget = ReadonlyMap<string, Amount>;

/** Most currencies in one budget (L7). */
export const MAX_BUDGET_CURRENCIES = 64;

const CURRENCY = /^[A-Za-z0-9._-]{1,32}$/;

/** Whether `text` may name a currency: 1 to 32 letters, digits, `.`, `_` or `-`. */
export function isCurrency(text: string): boolean {
  return CURRENCY.test(text);
}

function refuse(message: string): never {
  throw new ArcpError('INVALID_ARGUMENT', message);
}

function quote(text: string): string {
  return JSON.stringify(text.length <= 64 ? text : `${text.slice(0, 64)}…`);
}

/**
 * One `CURRENCY:decimal`.
 * @throws ArcpError INVALID_ARGUMENT
 */
export function parseBudgetEntry(text: string): readonly [currency: string, amount: Amount] {
  const colon = text.indexOf(':');
  if (colon === -1) refuse(`not a budget: ${quote(text)}; expected CURRENCY:amount, e.g. "USD:5.00"`);
  const currency = text.slice(0, colon);
  if (!isCurrency(currency)) {
    refuse(`not a currency: ${quote(currency)}; expected 1 to 32 letters, digits, ".", "_" or "-"`);
  }
  return [currency, parseAmount(text.slice(colon + 1))];
}

/**
 * A `cost_budget` list such as `["USD:5.00", "tokens:20000"]`.
 * @throws ArcpError INVALID_ARGUMENT
 */
export function parseBudget(list: readonly string[]): Budget {
  if (list.length > MAX_BUDGET_CURRENCIES) {
    refuse(`a budget has at most ${MAX_BUDGET_CURRENCIES} currencies, not ${list.length}`);
  }
  const budget = new Map<string, Amount>();
  for (const text of list) {
    const [currency, amount] = parseBudgetEntry(text);
    if (budget.has(currency)) refuse(`the budget names ${currency} twice`);
    budget.set(currency, amount);
  }
  return budget;
}

/** The budget as a `cost_budget` list, amounts in their shortest form. */
export function formatBudget(budget: Budget): string[] {
  return Array.from(budget, ([currency, amount]) => `${currency}:${formatAmount(amount)}`);
}

/**
 * What happens to a charge above the remainder. `refuse-overspend` (classic): it is refused and the counter stays.
 * `allow-overshoot` (draft-1.1): it is taken, and from then on, as from exact exhaustion, everything is refused.
 */
export type BudgetPolicy = 'refuse-overspend' | 'allow-overshoot';

export type BudgetOutcome =
  | {
      readonly ok: true;
      /** Of the currency that was charged; `undefined` where nothing bounds it. */
      readonly remaining: Amount | undefined;
    }
  | { readonly ok: false; readonly error: ArcpError };

interface Counter {
  remaining: Amount;
  /** Handed to children and not come back: what they hold or have spent. */
  reserved: Amount;
}

/** The remainders of one job's budget. */
export class BudgetCounters {
  readonly #counters = new Map<string, Counter>();
  readonly #policy: BudgetPolicy;
  readonly #parent: BudgetCounters | undefined;

  /** @param options.parent bears the currencies that `budget` does not name (decision 26). */
  constructor(
    budget: Budget = new Map(),
    options: {
      readonly policy?: BudgetPolicy | undefined;
      readonly parent?: BudgetCounters | undefined;
    } = {},
  ) {
    for (const [currency, amount] of budget)
      this.#counters.set(currency, { remaining: amount, reserved: 0n });
    this.#policy = options.policy ?? 'refuse-overspend';
    this.#parent = options.parent;
  }

  /** What is left of a currency; `undefined` where nothing bounds it. */
  remaining(currency: string): Amount | undefined {
    return this.#find(currency)?.remaining;
  }

  /** What is left of every bounded currency, the parent's included. */
  remainders(): Map<string, Amount> {
    const all = this.#parent?.remainders() ?? new Map<string, Amount>();
    for (const [currency, { remaining }] of this.#counters) all.set(currency, remaining);
    return all;
  }

  /** Under `allow-overshoot`, a currency that is used up, for which every gated act is to be refused. */
  exhausted(): string | undefined {
    if (this.#policy === 'refuse-overspend') return undefined;
    for (const [currency, remaining] of this.remainders()) if (remaining <= 0n) return currency;
    return undefined;
  }

  /** Spends `amount`; BUDGET_EXHAUSTED where the policy refuses it, INVALID_ARGUMENT where it is negative. */
  charge(currency: string, amount: Amount): BudgetOutcome {
    if (amount < 0n) return this.#negative(currency, amount);
    const exhausted = this.exhausted();
    if (exhausted !== undefined) return this.#exhausted(exhausted, amount);
    const counter = this.#find(currency);
    if (counter === undefined) return { ok: true, remaining: undefined };
    if (this.#policy === 'refuse-overspend' && amount > counter.remaining) {
      return this.#exhausted(currency, amount);
    }
    counter.remaining -= amount;
    return { ok: true, remaining: counter.remaining };
  }

  /** Takes what had been spent before off the counter that bears it, below zero if it is more than is left. */
  deduct(currency: string, amount: Amount): void {
    const counter = this.#find(currency);
    if (counter !== undefined) counter.remaining -= amount;
  }

  /** Empties a counter that `budget` named, and returns what was in it: to be given back. */
  takeRest(currency: string): Amount {
    const counter = this.#counters.get(currency);
    if (counter === undefined) return 0n;
    const { remaining } = counter;
    counter.remaining = 0n;
    return remaining;
  }

  /**
   * Takes a child's budget out of the remainders, all of it or none. Currencies that nothing bounds are passed over:
   * whether the child may name them is for `leaseSubset`.
   */
  reserve(amounts: Budget): BudgetOutcome {
    for (const [currency, amount] of amounts) {
      if (amount < 0n) return this.#negative(currency, amount);
      const remaining = this.remaining(currency);
      if (remaining !== undefined && amount > remaining) return this.#exhausted(currency, amount);
    }
    const exhausted = this.exhausted();
    if (exhausted !== undefined) return this.#exhausted(exhausted, 0n);
    for (const [currency, amount] of amounts) {
      const counter = this.#find(currency);
      if (counter === undefined) continue;
      counter.remaining -= amount;
      counter.reserved += amount;
    }
    return { ok: true, remaining: undefined };
  }

  /**
   * Adds to the counter that bears a currency, and takes it out of every counter above it, as a child's reservation: only
   * the one that nothing is above grows. Whether there is such a counter.
   */
  raise(currency: string, amount: Amount): boolean {
    const own = this.#counters.get(currency);
    if (own === undefined) return this.#parent?.raise(currency, amount) ?? false;
    if (this.#parent?.raise(currency, amount) === true) {
      const above = this.#parent.#find(currency);
      if (above !== undefined) {
        above.remaining -= amount;
        above.reserved += amount;
      }
    }
    own.remaining += amount;
    return true;
  }

  /**
   * Gives back what a child did not spend of its reservation; under `allow-overshoot` a negative amount takes what it
   * spent beyond that. Where more is given back than is reserved, nothing is.
   * @throws ArcpError FAILED_PRECONDITION
   */
  release(amounts: Budget): void {
    for (const [currency, amount] of amounts) {
      const counter = this.#find(currency);
      const least = this.#policy === 'allow-overshoot' ? amount : 0n;
      if (counter === undefined || (amount >= least && amount <= counter.reserved)) continue;
      throw new ArcpError(
        'FAILED_PRECONDITION',
        `cannot release ${formatAmount(amount)} ${currency}: ${formatAmount(counter.reserved)} is reserved`,
      );
    }
    for (const [currency, amount] of amounts) {
      const counter = this.#find(currency);
      if (counter === undefined) continue;
      counter.remaining += amount;
      counter.reserved -= amount;
    }
  }

  #find(currency: string): Counter | undefined {
    const own = this.#counters.get(currency);
    return own !== undefined || this.#parent === undefined ? own : this.#parent.#find(currency);
  }

  #negative(currency: string, amount: Amount): BudgetOutcome {
    const message = `an amount cannot be negative: ${formatAmount(amount)} ${currency}`;
    return { ok: false, error: new ArcpError('INVALID_ARGUMENT', message) };
  }

  #exhausted(currency: string, amount: Amount): BudgetOutcome {
    const remaining = formatAmount(this.remaining(currency) ?? 0n);
    const message =
      amount === 0n
        ? `the ${currency} budget is used up`
        : `${formatAmount(amount)} ${currency} is more than the ${remaining} that the budget has left`;
    const details = { currency, remaining, requested: formatAmount(amount) };
    return { ok: false, error: new ArcpError('BUDGET_EXHAUSTED', message, { retryable: false, details }) };
  }
}
