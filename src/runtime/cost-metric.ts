import { formatAmount, type Amount } from '../protocol/cost-budget.js';
import type { Payload } from '../protocol/messages.js';

/** `amount` is exact. `value` is for those who read numbers only: rounded, and never beyond the safe integers. */
export function costMetric(name: string, units: Amount, currency: string): Payload<'metric'> {
  const amount = formatAmount(units);
  const value = Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(amount)));
  return { name, value, unit: currency, amount };
}

/** What is left of a currency, after each charge and each raise. */
export const COST_REMAINING = 'cost.budget.remaining';

/** What is left of a currency, counting what the job and those below it have spent, when most of it is spent. */
export const BUDGET_WARNING = 'cost.budget.warning';
