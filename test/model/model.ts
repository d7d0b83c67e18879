/**
 * What a runtime should do, in as few words as possible: jobs are lists of events, sessions are lists of what they were
 * told, and nothing else is remembered. The real one is held against it (laws L1 to L4).
 */
import type { PuppetName } from './puppets.js';
import { below, dueWarnings, holderOf, remainders, type Amounts, type Currency } from './tree.js';

/**
 * `event.emit` is to those who did not ask for more: a checkpoint, the beginning of a further attempt, a delegation, or
 * that it was refused.
 */
export type Label =
  | 'job.accepted'
  | 'job.started'
  | 'log'
  | 'metric'
  | 'event.emit'
  | 'job.completed'
  | 'job.failed'
  | 'job.cancelled';

export interface ModelJob {
  readonly number: number;
  readonly agent: PuppetName;
  readonly owner: ModelSession;
  readonly parent: ModelJob | undefined;
  readonly children: ModelJob[];
  /** How it was delegated; a root job was not. */
  readonly delegation: Delegation | undefined;
  readonly budget: Amounts;
  readonly spent: Map<Currency, number>;
  readonly warned: Set<Currency>;
  /** What it delegated under keys: the latest child of each. */
  readonly keys: Map<string, ModelJob>;
  status: 'running' | 'completed' | 'failed' | 'cancelled';
  attempt: number;
  /** How often it was started again because the process died. */
  recoveries: number;
  /** What its latest checkpoint holds. */
  checkpoint: number | undefined;
  readonly events: Label[];
  readonly told: Set<ModelSession>;
}

/** What a job asks for when it delegates. */
export interface Delegation {
  readonly agent: PuppetName;
  readonly budget: Amounts;
  readonly key: string | undefined;
  /** Whether a child that failed under the key is begun anew. */
  readonly again: boolean;
  readonly onParentEnd: 'cancel' | 'detach';
}

/** What comes of it: a child, a new one or the one that there is, or an error. */
export type Delegated =
  | { readonly kind: 'begun' | 'known'; readonly child: ModelJob }
  | { readonly kind: 'refused'; readonly code: 'DUPLICATE_KEY' | 'LEASE_SUBSET_VIOLATION' };

export interface ModelSession {
  readonly number: number;
  readonly principal: string;
  connected: boolean;
  /** What it was told, whether or not its client has it: the job's number and the event. */
  readonly told: { readonly job: number; readonly label: Label }[];
  acknowledged: number;
}

export class Model {
  readonly sessions: ModelSession[];
  readonly jobs: ModelJob[] = [];
  readonly maxAttempts: number;
  readonly window: number;

  constructor(principals: readonly string[], window: number, maxAttempts: number) {
    this.window = window;
    this.maxAttempts = maxAttempts;
    this.sessions = principals.map((principal, number) => ({
      number,
      principal,
      connected: true,
      told: [],
      acknowledged: 0,
    }));
  }

  get running(): ModelJob[] {
    return this.jobs.filter(({ status }) => status === 'running');
  }

  submit(owner: ModelSession, agent: PuppetName, budget: Amounts): ModelJob {
    return this.#begin({ agent, owner, budget, parent: undefined, delegation: undefined }, [owner]);
  }

  delegate(parent: ModelJob, delegation: Delegation): Delegated {
    const { key, budget, agent } = delegation;
    const known = key === undefined ? undefined : parent.keys.get(key);
    if (known?.delegation !== undefined) {
      if (!isSame(known.delegation, delegation)) return { kind: 'refused', code: 'DUPLICATE_KEY' };
      const wentWrong = known.status === 'failed' || known.status === 'cancelled';
      if (!(wentWrong && delegation.again)) return { kind: 'known', child: known };
    }
    this.happens(parent, 'event.emit');
    if (!isWithin(budget, remainders(parent))) {
      this.happens(parent, 'event.emit');
      return { kind: 'refused', code: 'LEASE_SUBSET_VIOLATION' };
    }
    const child = this.#begin({ agent, owner: parent.owner, budget, parent, delegation }, parent.told);
    parent.children.push(child);
    if (key !== undefined) parent.keys.set(key, child);
    return { kind: 'begun', child };
  }

  #begin(
    origin: Pick<ModelJob, 'agent' | 'owner' | 'budget' | 'parent' | 'delegation'>,
    told: Iterable<ModelSession>,
  ): ModelJob {
    const job: ModelJob = {
      ...origin,
      number: this.jobs.length,
      children: [],
      spent: new Map(),
      warned: new Set(),
      keys: new Map(),
      status: 'running',
      attempt: 1,
      recoveries: 0,
      checkpoint: undefined,
      events: [],
      told: new Set(told),
    };
    this.jobs.push(job);
    this.happens(job, 'job.accepted');
    this.happens(job, 'job.started');
    return job;
  }

  happens(job: ModelJob, label: Label): void {
    job.events.push(label);
    for (const session of job.told) session.told.push({ job: job.number, label });
  }

  /** False when what is left does not cover it, and then nothing happens. */
  charge(job: ModelJob, currency: Currency, amount: number): boolean {
    const left = remainders(job).get(currency);
    if (left !== undefined && amount > left) return false;
    this.happens(job, 'metric');
    if (holderOf(job, currency) === undefined) return true;
    job.spent.set(currency, (job.spent.get(currency) ?? 0) + amount);
    this.happens(job, 'metric');
    for (const warned of dueWarnings(job, currency)) {
      if (warned.status !== 'running') continue;
      this.happens(warned, 'log');
      this.happens(warned, 'metric');
    }
    return true;
  }

  /** After the children that are not to live on. */
  end(job: ModelJob, status: 'completed' | 'failed' | 'cancelled'): void {
    for (const child of job.children)
      if (child.status === 'running' && child.delegation?.onParentEnd === 'cancel')
        this.end(child, 'cancelled');
    this.#over(job, status);
  }

  #over(job: ModelJob, status: 'completed' | 'failed' | 'cancelled'): void {
    job.status = status;
    this.happens(job, `job.${status}`);
  }

  /**
   * With its history, and with all below it. Who is told of a running job already is told nothing twice; one that has ended
   * is told again.
   */
  watch(session: ModelSession, job: ModelJob): void {
    const isTold = ({ status, told }: ModelJob): boolean => status === 'running' && told.has(session);
    if (isTold(job)) return;
    for (const one of below(job)) {
      if (isTold(one)) continue;
      for (const label of one.events) session.told.push({ job: one.number, label });
      one.told.add(session);
    }
  }

  /** The process dies and another one takes up what it left. */
  crash(): void {
    for (const session of this.sessions) session.connected = false;
    const running = this.running;
    const goOn = new Set<ModelJob>();
    for (const job of running) if (this.#goesOn(job, goOn)) goOn.add(job);
    for (const job of running) if (!goOn.has(job)) this.#over(job, 'failed');
    for (const job of goOn) {
      job.recoveries += 1;
      this.#startAgain(job);
    }
  }

  /** What was begun without a key the new attempt would begin anew, so that it is stopped, to live on or not. */
  restore(job: ModelJob): void {
    for (const child of job.children)
      if (child.status === 'running' && child.delegation?.key === undefined) this.end(child, 'cancelled');
    this.#startAgain(job);
  }

  #startAgain(job: ModelJob): void {
    job.attempt += 1;
    this.happens(job, 'event.emit');
    this.happens(job, 'job.started');
  }

  /** A child goes on with a parent that finds it again, and without one if it was to outlive it. */
  #goesOn({ agent, recoveries, parent, delegation }: ModelJob, goOn: ReadonlySet<ModelJob>): boolean {
    if (agent === 'mortal' || recoveries + 1 === this.maxAttempts) return false;
    if (parent === undefined || delegation === undefined) return true;
    return goOn.has(parent) ? delegation.key !== undefined : delegation.onParentEnd === 'detach';
  }

  /** How many events the client of a session may have by now. */
  visible({ told, acknowledged }: ModelSession): number {
    return Math.min(told.length, acknowledged + this.window);
  }
}

/** Whether it is asked for the same: whether it may be begun anew is not a part of that. */
function isSame(one: Delegation, other: Delegation): boolean {
  const asked = ({ agent, budget, onParentEnd }: Delegation): string =>
    JSON.stringify([agent, budget.USD, budget.tokens, onParentEnd]);
  return asked(one) === asked(other);
}

/** What nobody bounds may be bounded by a child; beside what is bounded there is nothing else to be had. */
function isWithin(budget: Amounts, left: ReadonlyMap<Currency, number>): boolean {
  if (left.size === 0) return true;
  return Object.entries(budget).every(
    ([currency, amount]) => amount <= (left.get(currency as Currency) ?? -1),
  );
}
