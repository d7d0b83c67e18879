/**
 * What a tree of jobs has spent, as its logs say it (L1): what it takes to go on with its root after a restart (L4).
 *
 * (T1) A charge and a raise are events of the job that they were made by, and a restart counts them again.
 * (T2) A log may be forgotten before the tree ends (L7). Before it is, the root's log notes what its job had spent and
 *      been given; where both are still there after a crash, the job's own log counts.
 */
import {
  formatBudget,
  MAX_AMOUNT,
  parseAmount,
  parseBudget,
  type Amount,
  type Budget,
} from '../protocol/cost-budget.js';
import type { Payload } from '../protocol/messages.js';
import type { StoredRecord } from '../store/store.js';
import { BUDGET_WARNING, COST_REMAINING } from './cost-metric.js';
import type { Job } from './job.js';
import type { JobBudget } from './job-budget.js';
import { raiseIn } from './questions/permissions.js';

/** The event of a root that says what a job below it had spent whose log is no longer kept. */
export const TREE_SPENT = 'cost.tree.spent';

interface Spent {
  readonly job_id: string;
  readonly spent: readonly string[];
  readonly raised: readonly string[];
}

/** (T2) */
export function noteSpending(job: Job): void {
  const { root } = job;
  if (root === job || root.isOver) return;
  const spent = boundedBy(root, job.spent);
  const raised = boundedBy(root, job.raised);
  if (spent.size === 0 && raised.size === 0) return;
  const data: Spent = { job_id: job.id, spent: formatBudget(spent), raised: formatBudget(raised) };
  root.emitText('event.emit', JSON.stringify({ name: TREE_SPENT, data }));
}

/** What does not count against the root's budget is left out, and what is more than any budget is cut to that. */
function boundedBy(root: Job, amounts: Budget): Budget {
  const bounds = root.origin.budget.remainders();
  return new Map(
    [...amounts]
      .filter(([currency]) => bounds.has(currency))
      .map(([currency, amount]) => [currency, amount > MAX_AMOUNT ? MAX_AMOUNT : amount]),
  );
}

/** Reads the logs of one tree. */
export class TreeAccount {
  readonly #spent = new Map<string, Amount>();
  readonly #raised = new Map<string, Amount>();
  readonly #bounds: Budget;
  readonly #isKept: (jobId: string) => boolean;
  /** Whose notes have been counted. */
  readonly #noted = new Set<string>();

  /** @param isKept whether the log of a job is there to be read */
  constructor(root: Job, isKept: (jobId: string) => boolean) {
    this.#bounds = root.origin.budget.remainders();
    this.#isKept = isKept;
  }

  /** Brings the budget of the root to where it was. */
  applyTo(budget: JobBudget, warnAtPercent: number): void {
    for (const [currency, amount] of this.#raised)
      if (this.#bounds.has(currency)) budget.raise(currency, amount);
    budget.restoreSpent(this.#spent, warnAtPercent);
  }

  /** (T1) Reads one event of one job, and has the job remember what is its own. */
  note(job: Job, { type, body }: Pick<StoredRecord, 'type' | 'body'>): void {
    if (type !== 'permission.grant' && type !== 'metric' && type !== 'event.emit') return;
    const { payload } = JSON.parse(`{${body}`) as { readonly payload: unknown };
    switch (type) {
      case 'permission.grant': {
        const raise = raiseIn(payload as Payload<'permission.grant'>);
        if (raise === undefined) return;
        job.noteRaised(...raise);
        add(this.#raised, ...raise);
        return;
      }
      case 'metric': {
        const { name, unit, amount } = payload as Payload<'metric'>;
        if (amount === undefined || !this.#bounds.has(unit)) return;
        if (name === COST_REMAINING || name === BUDGET_WARNING) return;
        const charged = parseAmount(amount);
        job.noteSpent(unit, charged);
        add(this.#spent, unit, charged);
        return;
      }
      case 'event.emit': {
        const { name, data } = payload as { readonly name: string; readonly data: Spent };
        if (
          name !== TREE_SPENT ||
          job.root !== job ||
          this.#isKept(data.job_id) ||
          this.#noted.has(data.job_id)
        )
          return;
        this.#noted.add(data.job_id);
        addAll(this.#spent, parseBudget(data.spent));
        addAll(this.#raised, parseBudget(data.raised));
        return;
      }
    }
  }
}

function add(sums: Map<string, Amount>, currency: string, amount: Amount): void {
  sums.set(currency, (sums.get(currency) ?? 0n) + amount);
}

function addAll(sums: Map<string, Amount>, amounts: Budget): void {
  for (const [currency, amount] of amounts) add(sums, currency, amount);
}
