/**
 * What is known of a job and its descendants, folded from their events as they come.
 *
 * (W1) It holds at most `MAX_ENDED` jobs that have ended; of older ones without children only their number is kept.
 *      Of delegations that no job has come of yet it remembers at most `MAX_TASKS`.
 * (W2) Money is added up exactly, by agent and currency, over every job that was ever seen.
 */
import type { JobEvent } from '../client/index.js';
import { chargeIn, type JobState } from '../protocol/index.js';

const MAX_ENDED = 500;
const MAX_TASKS = 500;

export interface WatchedJob {
  readonly id: string;
  readonly agent: string;
  /** What it was asked to do, where whoever delegated it said so. */
  readonly task: string | undefined;
  readonly parent: WatchedJob | undefined;
  readonly children: Set<WatchedJob>;
  readonly since: number;
  state: JobState;
  endedAt: number | undefined;
  progress: Progress | undefined;
  /** Decoded or encoded, what the chunks' text amounts to: a sign that something comes. */
  chunks: number;
  /** The last thing it had to say: why it failed, or its summary. */
  note: string | undefined;
}

export interface Progress {
  readonly percent: number | undefined;
  readonly current: number;
  readonly total: number | undefined;
  readonly units: string | undefined;
  readonly message: string | undefined;
}

/** Agent → currency → amount, in units of 10^-18. */
export type Spending = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

export class JobWatch {
  readonly #rootId: string;
  readonly #jobs = new Map<string, WatchedJob>();
  readonly #ended: WatchedJob[] = [];
  /** What delegations ask for, by their id, until the child names itself. */
  readonly #tasks = new Map<string, string>();
  readonly #spending = new Map<string, Map<string, bigint>>();
  #root: WatchedJob | undefined;
  /** Jobs that have ended and are no longer held (W1). */
  forgotten = 0;

  constructor(rootId: string) {
    this.#rootId = rootId;
  }

  get root(): WatchedJob | undefined {
    return this.#root;
  }

  get spending(): Spending {
    return this.#spending;
  }

  /** The root was begun before anything of it was seen. */
  join(agent: string, state: JobState, now: number): void {
    this.#add({ id: this.#rootId, agent, task: undefined, parent: undefined, since: now, state });
  }

  /** Takes an event; returns the job that it changed. `now` is in milliseconds. */
  apply(event: JobEvent, now: number): WatchedJob | undefined {
    if (event.type === 'job.accepted') return this.#accepted(event, now);
    const job = this.#jobs.get(event.job_id ?? '');
    if (job === undefined) return undefined;
    switch (event.type) {
      case 'agent.delegate':
        this.#note(event.payload);
        break;
      case 'job.started':
        job.state = 'running';
        break;
      case 'job.heartbeat':
        job.state = event.payload.state;
        break;
      case 'job.progress': {
        const { percent, current, total, units, message } = event.payload;
        job.progress = { percent, current, total, units, message };
        break;
      }
      case 'job.result_chunk':
        job.chunks += 1;
        break;
      case 'metric':
        this.#spent(job, event.payload);
        break;
      case 'job.completed':
        this.#end(job, 'completed', event.payload.summary, now);
        break;
      case 'job.failed':
        this.#end(job, 'failed', `${event.payload.code}: ${event.payload.message}`, now);
        break;
      case 'job.cancelled':
        this.#end(job, 'cancelled', event.payload.reason, now);
        break;
      default:
        break;
    }
    return job;
  }

  #accepted({ payload }: Extract<JobEvent, { type: 'job.accepted' }>, now: number): WatchedJob {
    const known = this.#jobs.get(payload.job_id);
    if (known !== undefined) return known;
    const parent = this.#jobs.get(payload.parent_job_id ?? '');
    const { job_id: id, agent = 'job', delegate_id } = payload;
    return this.#add({ id, agent, task: this.#takeTask(delegate_id), parent, since: now, state: 'accepted' });
  }

  #add(known: Pick<WatchedJob, 'id' | 'agent' | 'task' | 'parent' | 'since' | 'state'>): WatchedJob {
    const job: WatchedJob = {
      ...known,
      children: new Set(),
      endedAt: undefined,
      progress: undefined,
      chunks: 0,
      note: undefined,
    };
    this.#jobs.set(job.id, job);
    job.parent?.children.add(job);
    if (job.id === this.#rootId) this.#root = job;
    return job;
  }

  #note({ delegate_id: id, task }: Extract<JobEvent, { type: 'agent.delegate' }>['payload']): void {
    if (id === undefined || task === '') return;
    this.#tasks.set(id, task);
    const [oldest] = this.#tasks.keys();
    if (this.#tasks.size > MAX_TASKS && oldest !== undefined) this.#tasks.delete(oldest);
  }

  #takeTask(id: string | undefined): string | undefined {
    if (id === undefined) return undefined;
    const task = this.#tasks.get(id);
    this.#tasks.delete(id);
    return task;
  }

  #end(job: WatchedJob, state: JobState, note: string | undefined, now: number): void {
    job.state = state;
    job.note = note;
    job.endedAt = now;
    this.#ended.push(job);
    if (this.#ended.length > MAX_ENDED) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const at = this.#ended.findIndex((job) => job.children.size === 0 && job.parent !== undefined);
    const [job] = at === -1 ? [] : this.#ended.splice(at, 1);
    if (job === undefined) return;
    job.parent?.children.delete(job);
    this.#jobs.delete(job.id);
    this.forgotten += 1;
  }

  #spent(job: WatchedJob, metric: Extract<JobEvent, { type: 'metric' }>['payload']): void {
    const charge = chargeOf(metric);
    if (charge === undefined) return;
    const { currency, amount } = charge;
    const byCurrency = this.#spending.get(job.agent) ?? new Map<string, bigint>();
    byCurrency.set(currency, (byCurrency.get(currency) ?? 0n) + amount);
    this.#spending.set(job.agent, byCurrency);
  }
}

/** Nothing where what it says is no amount. */
function chargeOf(metric: Extract<JobEvent, { type: 'metric' }>['payload']) {
  try {
    return chargeIn(metric);
  } catch {
    return undefined;
  }
}
