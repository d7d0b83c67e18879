/**
 * Jobs that wait for a place with one agent. The principals take turns, so that nobody's hundred jobs keep another's one
 * waiting; within a principal it goes by priority, then in order.
 */
import { PRIORITIES, type Priority } from '../protocol/priority.js';
import type { JobRun } from './job-run.js';

export type ByPriority = Record<Priority, Set<JobRun>>;

export function byPriority(): ByPriority {
  return { critical: new Set(), high: new Set(), normal: new Set(), low: new Set() };
}

const BY_URGENCY = ['critical', 'high', 'normal', 'low'] as const satisfies readonly Priority[];

/** The one whose turn it is; it stays. */
export function first(waiting: ByPriority): JobRun | undefined {
  for (const priority of BY_URGENCY) for (const run of waiting[priority]) return run;
  return undefined;
}

export function countOf(waiting: ByPriority): number {
  return PRIORITIES.reduce((sum, priority) => sum + waiting[priority].size, 0);
}

export class PlaceLine {
  /** By principal, in the order of their turns. */
  readonly #queues = new Map<string, ByPriority>();

  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  add(run: JobRun): void {
    const { quota, priority } = run.job.origin;
    let queue = this.#queues.get(quota);
    if (queue === undefined) this.#queues.set(quota, (queue = byPriority()));
    queue[priority].add(run);
  }

  remove(run: JobRun): void {
    const { quota, priority } = run.job.origin;
    const queue = this.#queues.get(quota);
    queue?.[priority].delete(run);
    if (queue !== undefined && countOf(queue) === 0) this.#queues.delete(quota);
  }

  /** Whose turn it is. */
  next(): JobRun | undefined {
    for (const queue of this.#queues.values()) return first(queue);
    return undefined;
  }

  /** It had its turn: its principal is the last in the line now. */
  served(run: JobRun): void {
    const { quota } = run.job.origin;
    const queue = this.#queues.get(quota);
    this.remove(run);
    if (queue === undefined || !this.#queues.delete(quota)) return;
    this.#queues.set(quota, queue);
  }

  *all(): Generator<JobRun> {
    for (const queue of this.#queues.values()) for (const priority of BY_URGENCY) yield* queue[priority];
  }
}
