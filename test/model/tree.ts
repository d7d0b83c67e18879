/**
 * The account of a tree of jobs, worked out anew from what each job asked for and has spent: nothing is counted up or
 * down, so that nothing can be lost on the way (law L4). Amounts are whole.
 */
import type { ModelJob } from './model.js';

export const CURRENCIES = ['USD', 'tokens'] as const;
export type Currency = (typeof CURRENCIES)[number];
export type Amounts = Readonly<Partial<Record<Currency, number>>>;

/** When a job is warned, as by default. */
const WARN_AT_PERCENT = 80;

/** As a budget is asked for; an empty one would be one that has nothing to give, so that none is asked for then. */
export function budgetOf(amounts: Amounts): string[] | undefined {
  const entries = Object.entries(amounts);
  return entries.length === 0 ? undefined : entries.map(([currency, amount]) => `${currency}:${amount}`);
}

/** The job and all below it, parents first. */
export function below(job: ModelJob): ModelJob[] {
  return [job, ...job.children.flatMap(below)];
}

/** What is left for a job, in each currency that is bounded for it. */
export function remainders(job: ModelJob): Map<Currency, number> {
  const left = new Map<Currency, number>();
  for (const currency of CURRENCIES) {
    const holder = holderOf(job, currency);
    if (holder !== undefined) left.set(currency, (holder.budget[currency] ?? 0) - usedOf(holder, currency));
  }
  return left;
}

/** Whose budget it is that the job draws on. */
export function holderOf(job: ModelJob, currency: Currency): ModelJob | undefined {
  for (let at: ModelJob | undefined = job; at !== undefined; at = at.parent)
    if (at.budget[currency] !== undefined) return at;
  return undefined;
}

/** What a tree has spent. */
export function spentBelow(job: ModelJob, currency: Currency): number {
  return below(job).reduce((sum, { spent }) => sum + (spent.get(currency) ?? 0), 0);
}

/** What is spent of a job's budget, or reserved out of it. */
function usedOf(job: ModelJob, currency: Currency): number {
  let used = job.spent.get(currency) ?? 0;
  for (const child of job.children)
    used += child.budget[currency] === undefined ? usedOf(child, currency) : heldBy(child, currency);
  return used;
}

/** What a job with a budget keeps from its parent: all of it, as long as somebody may spend it. */
function heldBy(job: ModelJob, currency: Currency): number {
  const isOpen = job.status === 'running' || isDrawnOn(job, currency);
  return isOpen ? (job.budget[currency] ?? 0) : usedOf(job, currency);
}

function isDrawnOn({ children }: ModelJob, currency: Currency): boolean {
  return children.some(
    (child) =>
      child.budget[currency] === undefined && (child.status === 'running' || isDrawnOn(child, currency)),
  );
}

/** Those who are to be warned now, and were not. */
export function dueWarnings(job: ModelJob, currency: Currency): ModelJob[] {
  const due: ModelJob[] = [];
  for (let at: ModelJob | undefined = job; at !== undefined; at = at.parent) {
    const limit = at.budget[currency];
    if (limit === undefined || at.warned.has(currency)) continue;
    if (spentBelow(at, currency) * 100 < limit * WARN_AT_PERCENT) continue;
    at.warned.add(currency);
    due.push(at);
  }
  return due;
}
