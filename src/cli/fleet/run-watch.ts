/** What is known of a run by its events, folded as they come. It holds what does not end, and counts what has. */
import type { RunEntry, TaskEntry, WorkerEntry } from '../../fleet/manager/ledger.js';
import { addSpending, costOf, type Spending } from '../../fleet/manager/spending.js';
import type { FleetReceipt } from '../../protocol/fleet/index.js';
import type { JobEvent } from '../../client/index.js';

export interface WatchedTask {
  readonly id: string;
  status: string;
  worker: string;
  attempt: number;
  /** Milliseconds since 1970. */
  since: number;
  reason: string | undefined;
}

/** What an event changed. */
export type Change =
  | { readonly kind: 'run'; readonly status: string }
  | { readonly kind: 'task'; readonly task: WatchedTask; readonly receipt: FleetReceipt | undefined }
  | { readonly kind: 'worker'; readonly id: string; readonly status: string };

export class RunWatch {
  readonly total: number;
  /** Those that were begun and are not over, in the order of their beginning. */
  readonly open = new Map<string, WatchedTask>();
  readonly cost: Spending = new Map();
  readonly ended = { completed: 0, failed: 0, cancelled: 0 };
  /** How each task that has ended did: an operator may have it begin anew. */
  readonly #ends = new Map<string, keyof RunWatch['ended']>();
  status = 'pending';
  /** Milliseconds since 1970. */
  startedAt = 0;

  constructor(total: number) {
    this.total = total;
  }

  get done(): number {
    return this.#ends.size;
  }

  get running(): number {
    let running = 0;
    for (const { status } of this.open.values()) if (status !== 'restarted') running += 1;
    return running;
  }

  get queued(): number {
    return Math.max(0, this.total - this.done - this.running);
  }

  get spent(): Readonly<Record<string, string>> {
    return costOf(this.cost) ?? {};
  }

  apply(event: JobEvent): Change | undefined {
    if (event.type !== 'event.emit') return undefined;
    const { name, data } = event.payload as { readonly name: string; readonly data: unknown };
    switch (name) {
      case 'fleet.run':
        return this.#run(data as RunEntry);
      case 'fleet.task':
        return this.#task(data as TaskEntry);
      case 'fleet.worker': {
        const { worker_id: id, status } = data as WorkerEntry;
        return { kind: 'worker', id, status };
      }
      default:
        return undefined;
    }
  }

  #run({ status, at, step }: RunEntry): Change {
    this.status = status;
    if (step === 'enqueue') this.startedAt = Date.parse(at);
    return { kind: 'run', status };
  }

  #task({ event, task, receipt, cost }: TaskEntry): Change {
    const { task_id: id, timestamp } = event;
    const watched = this.open.get(id) ?? {
      id,
      status: '',
      worker: '',
      attempt: 0,
      since: Date.parse(timestamp),
      reason: undefined,
    };
    if (event.state === 'leased') watched.since = Date.parse(timestamp);
    watched.status = task.status;
    watched.worker = event.worker_id;
    watched.attempt = task.attempt;
    if (event.state === 'failed') watched.reason = event.reason;
    if (cost !== undefined) addSpending(this.cost, cost);
    const before = this.#ends.get(id);
    if (before !== undefined) this.ended[before] -= 1;
    if (task.settled) {
      const end = task.status === 'completed' || task.status === 'cancelled' ? task.status : 'failed';
      this.ended[end] += 1;
      this.#ends.set(id, end);
      this.open.delete(id);
    } else {
      this.#ends.delete(id);
      this.open.set(id, watched);
    }
    return { kind: 'task', task: watched, receipt };
  }
}
