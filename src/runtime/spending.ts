/**
 * A charge, as everybody sees it: taken off the budget or refused, told as metrics, and told to those whose budget it is
 * when that comes to its end (decision 15, L4).
 *
 * (Y1) What counts acts and not money is a currency like any other. Those that the runtime counts itself are charged where
 *      a budget bounds them, and are otherwise nobody's business.
 * (Y2) A warning is a `log` and a metric of the job whose budget it is, and changes nothing.
 */
import { AMOUNT_UNIT, formatAmount } from '../protocol/decimal.js';
import { ArcpError } from '../protocol/errors.js';
import type { Amount } from '../protocol/cost-budget.js';
import type { Payload } from '../protocol/messages.js';
import { BUDGET_WARNING, COST_REMAINING, costMetric } from './cost-metric.js';
import type { Job } from './job.js';
import type { JobBudget } from './job-budget.js';
import type { Limits } from './limits.js';

/** Currencies that the runtime charges itself, one for each act, and the name of the metric. */
export const COUNTED_ACTS = { launches: 'cost.launch', tool_calls: 'cost.tool_call' } as const;

/** How a charge is told. */
type Tell = (metric: Payload<'metric'>) => void;

/**
 * Throws BUDGET_EXHAUSTED and spends nothing.
 *
 * @param from the job's budget, or what is held of it
 */
export function spend(
  job: Job,
  limits: Limits,
  name: string,
  amount: Amount,
  currency: string,
  tell: Tell = (metric) => job.emit('metric', metric),
  from: JobBudget = job.origin.budget,
): void {
  const remaining = from.charge(currency, amount);
  tell(costMetric(name, amount, currency));
  if (remaining === undefined) return;
  job.noteSpent(currency, amount);
  tell(costMetric(COST_REMAINING, remaining, currency));
  for (let at: Job | undefined = job; at !== undefined; at = at.origin.parent)
    warn(at, limits, amount, currency);
}

/** (Y1) Charges one act. Throws BUDGET_EXHAUSTED. */
export function spendAct(job: Job, limits: Limits, act: keyof typeof COUNTED_ACTS): void {
  if (job.origin.budget.remainders().has(act)) spend(job, limits, COUNTED_ACTS[act], AMOUNT_UNIT, act);
}

/** Throws BUDGET_EXHAUSTED where no such act is left, and spends nothing. */
export function checkActLeft(job: Job, act: keyof typeof COUNTED_ACTS): void {
  const left = job.origin.budget.remainders().get(act);
  if (left !== undefined && left <= 0n)
    throw new ArcpError('BUDGET_EXHAUSTED', `no ${act} are left in the budget`);
}

/** (Y2) */
function warn(job: Job, { budgetWarningPercent }: Limits, amount: Amount, currency: string): void {
  const usage = job.origin.budget.noteSpent(currency, amount, budgetWarningPercent);
  if (usage === undefined || job.isOver) return;
  const [spent, limit] = [formatAmount(usage.spent), formatAmount(usage.limit)];
  const message = `${spent} of ${limit} ${currency} are spent`;
  job.emit('log', { level: 'warn', message, attributes: { currency, spent, limit } });
  job.emit('metric', costMetric(BUDGET_WARNING, usage.limit - usage.spent, currency));
}
