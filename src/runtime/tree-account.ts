/**
 * What a tree of jobs has spent, as its logs say it (L1): what it takes to go on with its root after a restart (L4).
 *
 * (T1) A charge and a raise are events of the job that they were made by, and a restart counts them again.
 * (T2) A log may be forgotten before the tree ends (L7). Before it is, the log of the closest job above that stands
 *      notes what its job had spent and been given; where both are still there after a crash, the job's own log counts. A
 *      note that the store loses counts for nothing, and the log stays until another one is kept (`forgetting.ts`, F5).
 * (T3) A job that has ended can note nothing any more. So one that ends while jobs below it live on, or after its own heir,
 *      notes before its end what it is the heir of; and what ends below it later is not forgotten as long as it stands.
 * (T4) Whoever is below a job whose log is forgotten cannot be led back to its heir after a crash, though its own log be
 *      kept for longer. So it is noted with that job, and the note counts where the job's own log cannot.
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
import type { LogEvent } from './event-log.js';
import type { Job } from './job.js';
import { raiseIn } from './questions/permissions.js';

/** The event of a job that says what one below it had spent, whose log may be kept no longer. */
export const TREE_SPENT = 'cost.tree.spent';

interface Spent {
  readonly job_id: string;
  readonly spent: readonly string[];
  readonly raised: readonly string[];
}

/** What was noted of a job by an event of its heir. */
interface Note {
  readonly job: Job;
  readonly heir: Job;
  readonly spent: Budget;
  readonly raised: Budget;
}

/** By the events that say them. */
const NOTES = new WeakMap<LogEvent, Note>();

/**
 * (T2) Whether nobody will miss the job's log: what it has spent is noted, or nobody is there who had to know.
 *
 * @param kept the jobs whose logs are there for longer
 */
export function isAccounted(job: Job, kept: Iterable<Job>): boolean {
  for (const one of withThoseBelow(job, kept)) if (!one.isBooked && one.heir !== undefined) return false;
  return true;
}

/** (T2) The job's log is about to be forgotten. */
export function noteSpending(job: Job, kept: Iterable<Job>): void {
  for (const one of withThoseBelow(job, kept)) {
    const { heir } = one;
    if (heir !== undefined && !heir.hasLeft && !one.isBooked) book(one, heir);
  }
}

/** (T4) None of them is unfinished: a job is kept as long as somebody below it is (`job-table.ts`). */
function* withThoseBelow(job: Job, kept: Iterable<Job>): Generator<Job> {
  yield job;
  if (!job.hasDelegated || job.heir === undefined) return;
  for (const one of kept) if (one !== job && isBelow(one, job)) yield one;
}

function isBelow({ origin }: Job, job: Job): boolean {
  for (let at = origin.parent; at !== undefined; at = at.origin.parent) if (at === job) return true;
  return false;
}

/** (T3) A job is about to end. */
export function closeBooks(job: Job, kept: Iterable<Job>): void {
  if (!job.hasChildren && job.heir?.hasLeft !== true) return;
  for (const one of kept)
    if (one.hasLeft && !one.hasChildren && !one.isBooked && one.heir === job) book(one, job);
}

function book(job: Job, heir: Job): void {
  job.isBooked = true;
  const spent = boundedBy(heir, job.spent);
  const raised = boundedBy(heir, job.raised);
  if (spent.size === 0 && raised.size === 0) return;
  inherit(heir, spent, raised);
  const data: Spent = { job_id: job.id, spent: formatBudget(spent), raised: formatBudget(raised) };
  const event = heir.emitText('event.emit', JSON.stringify({ name: TREE_SPENT, data }));
  NOTES.set(event, { job, heir, spent, raised });
}

/** (T2) The store has lost an event: where it was a note, that was never made. */
export function loseNote(event: LogEvent): void {
  const note = NOTES.get(event);
  if (note === undefined) return;
  const { job, heir, spent, raised } = note;
  job.isBooked = false;
  inherit(heir, negative(spent), negative(raised));
}

function negative(amounts: Budget): Budget {
  return new Map([...amounts].map(([currency, amount]) => [currency, -amount]));
}

/** When the heir is forgotten in turn, it notes that as its own. */
function inherit(heir: Job, spent: Budget, raised: Budget): void {
  for (const [currency, amount] of spent) heir.noteSpent(currency, amount);
  for (const [currency, amount] of raised) heir.noteRaised(currency, amount);
}

/** What does not count against its budget is left out, and what is more than any budget is cut to that. */
function boundedBy(heir: Job, amounts: Budget): Budget {
  const bounds = heir.origin.budget.remainders();
  return new Map(
    [...amounts]
      .filter(([currency]) => bounds.has(currency))
      .map(([currency, amount]) => [currency, amount > MAX_AMOUNT ? MAX_AMOUNT : amount]),
  );
}

/** What a job that stands, and those that it is the heir of, have spent and been given. */
export class TreeAccount {
  readonly spent = new Map<string, Amount>();
  readonly raised = new Map<string, Amount>();
  readonly #bounds: ReadonlySet<string>;
  readonly #isCounted: (jobId: string) => boolean;
  /** Whose notes have been counted. */
  readonly #noted = new Set<string>();

  /**
   * @param bounds the currencies that are bounded for the job
   * @param isCounted whether what the log of a job says is counted itself
   */
  constructor(bounds: ReadonlySet<string>, isCounted: (jobId: string) => boolean) {
    this.#bounds = bounds;
    this.#isCounted = isCounted;
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
        this.#add(this.raised, ...raise);
        return;
      }
      case 'metric': {
        const { name, unit, amount } = payload as Payload<'metric'>;
        if (amount === undefined || name === COST_REMAINING || name === BUDGET_WARNING) return;
        if (!this.#bounds.has(unit)) return;
        const charged = parseAmount(amount);
        job.noteSpent(unit, charged);
        this.#add(this.spent, unit, charged);
        return;
      }
      case 'event.emit': {
        const { name, data } = payload as { readonly name: string; readonly data: Spent };
        if (name !== TREE_SPENT || this.#isCounted(data.job_id) || this.#noted.has(data.job_id)) return;
        this.#noted.add(data.job_id);
        const [spent, raised] = [parseBudget(data.spent), parseBudget(data.raised)];
        inherit(job, spent, raised);
        for (const one of spent) this.#add(this.spent, ...one);
        for (const one of raised) this.#add(this.raised, ...one);
        return;
      }
    }
  }

  #add(sums: Map<string, Amount>, currency: string, amount: Amount): void {
    if (this.#bounds.has(currency)) sums.set(currency, (sums.get(currency) ?? 0n) + amount);
  }
}
