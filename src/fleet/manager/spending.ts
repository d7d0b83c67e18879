/** What jobs spent, exactly: by currency, in units of 10^-18. */
import { chargeIn } from '../../protocol/cost-names.js';
import { formatAmount, parseAmount, type Amount } from '../../protocol/cost-budget.js';
import type { Payload } from '../../protocol/messages.js';

export type Spending = Map<string, Amount>;

export function addSpending(to: Spending, cost: Readonly<Record<string, string>>): void {
  for (const [currency, amount] of Object.entries(cost)) spend(to, currency, parseAmount(amount));
}

/** What a metric says that was spent; one that is no amount says nothing. */
export function spendMetric(to: Spending, metric: Payload<'metric'>): void {
  try {
    const charge = chargeIn(metric);
    if (charge !== undefined) spend(to, charge.currency, charge.amount);
  } catch {
    // Its sender was told.
  }
}

/** `undefined` where nothing was spent. */
export function costOf(spending: Spending): Readonly<Record<string, string>> | undefined {
  if (spending.size === 0) return undefined;
  return Object.fromEntries([...spending].map(([currency, amount]) => [currency, formatAmount(amount)]));
}

function spend(to: Spending, currency: string, amount: Amount): void {
  to.set(currency, (to.get(currency) ?? 0n) + amount);
}
