/**
 * What a job spends in the runtime that it was handed over to, charged here (`hand-over.ts`, F2, F3, F5): all that it may
 * spend there is held back of its budget, each charge there is one here, and what is left at the end comes back.
 */
import { formatAmount, type Budget } from '../../protocol/cost-budget.js';
import { chargeIn } from '../../protocol/cost-names.js';
import type { Payload } from '../../protocol/messages.js';
import { BUDGET_WARNING, COST_REMAINING } from '../cost-metric.js';
import type { EngineContext } from '../engine-context.js';
import { JobBudget } from '../job-budget.js';
import type { JobRun } from '../job-run.js';
import { spend } from '../spending.js';
import type { PastHandoff } from './past.js';

/** The charge for what may have been spent unseen (F5). */
const UNSEEN = 'cost.handoff.unseen';

type Metric = Payload<'metric'>;

export class HandoffAccount {
  readonly #run: JobRun;
  readonly #context: EngineContext;
  /** The key of the handoff. */
  readonly #key: string;
  readonly #held: JobBudget;
  /** Charges of the job there that an earlier attempt made here, and that will be told again. */
  #known: number;

  /**
   * Holds it back until `settle`. Throws BUDGET_EXHAUSTED.
   *
   * @param budget what the job may spend there
   * @param past what an earlier attempt knows to be spent of it
   */
  constructor(
    run: JobRun,
    context: EngineContext,
    key: string,
    budget: Budget | undefined,
    past: PastHandoff | undefined,
  ) {
    const { budget: own, budgetPolicy } = run.job.origin;
    this.#run = run;
    this.#context = context;
    this.#key = key;
    this.#known = past?.charges ?? 0;
    this.#held = new JobBudget(holdable(own, budget, past?.spent), budgetPolicy, own);
  }

  /** (F2) What is left, and warnings, are told from what is charged here. Throws BUDGET_EXHAUSTED. */
  measured(metric: Metric): void {
    const { name } = metric;
    if (name === COST_REMAINING || name === BUDGET_WARNING) return;
    const charge = chargeIn(metric);
    if (charge === undefined) {
      this.#run.say('metric', JSON.stringify(metric));
    } else if (this.#known > 0) {
      this.#known -= 1;
    } else {
      const { amount, currency } = charge;
      this.#charge(name, amount, currency, { ...metric.dims, handoff_id: this.#key });
    }
  }

  /** What a job that has ended can tell no more is spent all the same, also for those above it. */
  measuredLate(metric: Metric): void {
    const charge = chargeIn(metric);
    if (charge !== undefined && this.#run.job.isOver) this.#held.charge(charge.currency, charge.amount);
  }

  /** (F5) @param remoteId the job there, where that is known */
  countRest(why: string, remoteId: string | undefined): void {
    const rest = [...this.#held.remainders()].filter(([, left]) => left > 0n);
    const amounts = rest.map(([currency, left]) => `${currency}:${formatAmount(left)}`).join(', ');
    this.#context.logger.warn({ job: this.#run.job.id, there: remoteId, reason: why }, 'handoff unseen');
    if (!this.#run.isLive) {
      for (const [currency, left] of rest) this.#held.charge(currency, left);
      return;
    }
    const spent = amounts === '' ? '' : `; what it could still spend counts as spent: ${amounts}`;
    const attributes = {
      handoff_id: this.#key,
      ...(remoteId === undefined ? {} : { job_id: remoteId }),
    };
    this.#run.say('log', JSON.stringify({ level: 'warn', message: `${why}${spent}`, attributes }));
    for (const [currency, left] of rest) this.#charge(UNSEEN, left, currency, { handoff_id: this.#key });
  }

  /** What was not spent comes back. */
  settle(): void {
    this.#held.settle();
  }

  #charge(name: string, amount: bigint, currency: string, dims: Readonly<Record<string, string>>): void {
    const tell = (told: Metric): void => {
      this.#run.say('metric', JSON.stringify(told.name === name ? { ...told, dims } : told));
    };
    spend(this.#run.job, this.#context.limits, name, amount, currency, tell, this.#held);
  }
}

/** What is left of what it may spend there: all of it, but for what an earlier attempt has spent (F3). */
function holdable(
  own: JobBudget,
  budget: Budget = new Map(),
  spent: PastHandoff['spent'] = new Map(),
): Budget {
  const remainders = own.remainders();
  return new Map(
    [...budget].map(([currency, amount]) => {
      const rest = amount - (spent.get(currency) ?? 0n);
      const left = remainders.get(currency) ?? rest;
      const least = left < rest ? left : rest;
      return [currency, least < 0n ? 0n : least];
    }),
  );
}
