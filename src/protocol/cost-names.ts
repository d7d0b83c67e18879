/** What the names of metrics say of money (draft-1.1 §9.6). */
import { amountFromNumber, isCurrency, parseAmount, type Amount } from './cost-budget.js';

/** Metrics of these names are spending, to everybody who reads them: only a charge tells them. */
export const COST = 'cost.';

/** Of these, what only the runtime tells: what is left of a budget. */
export const OF_BUDGETS = 'cost.budget.';

/**
 * What a metric says was spent. Those of our make say it exactly, whatever their name; with others a name that begins with
 * `cost.` says it. Throws INVALID_ARGUMENT for what is no amount.
 */
export function chargeIn({
  name,
  value,
  unit,
  amount,
}: {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly amount?: string | undefined;
}): { readonly amount: Amount; readonly currency: string } | undefined {
  if (name.startsWith(OF_BUDGETS) || (amount === undefined && !name.startsWith(COST))) return undefined;
  if (!isCurrency(unit)) return undefined;
  return { amount: parseAmount(amount ?? amountFromNumber(value)), currency: unit };
}
