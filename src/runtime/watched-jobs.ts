/**
 * The single jobs that one session watches beside those that it asked for (`job.subscribe`, decision 10).
 *
 * (W3) Nobody is told an event of a running job twice because of `job.subscribe`: who watches it already, or asked for
 *      it, gets only the answer. A job that has ended is told again to whoever asks: its story is over.
 * (W4) Who watches a job watches the jobs below it, those to come included.
 * W1 and W2 are in `watching.ts`.
 */
import { ArcpError } from '../protocol/errors.js';
import type { JobId, MessageId } from '../protocol/ids.js';
import { isTerminal } from '../protocol/job-state.js';
import type { Payload } from '../protocol/messages.js';
import { inCommitOrder, type Stretch } from './event-order.js';
import type { EventLog } from './event-log.js';
import type { Job } from './job.js';
import type { Outbox } from './outbox.js';
import type { Watched, Watcher } from './watching.js';
import { appendRecord, type ReadRecord, type UnwatchJobRecord } from './watch-records.js';

export class WatchedJobs {
  readonly #session: Watcher;
  readonly #context: Watched;
  readonly #jobs = new Set<JobId>();
  /** `job.subscribe`s that are not yet committed, and jobs that are over and make room for others. */
  #asked = 0;
  readonly #leaving = new Set<JobId>();

  constructor(session: Watcher, context: Watched) {
    this.#session = session;
    this.#context = context;
  }

  get #outbox(): Outbox {
    return this.#session.outbox;
  }

  get #log(): EventLog {
    return this.#session.log(this.#context);
  }

  /**
   * Asks to watch a job of the session's principal; answered when the store has taken it (W1). Throws RESOURCE_EXHAUSTED
   * when the session watches as many jobs as it may, or the history is longer than what it keeps.
   */
  watch(
    job: Job,
    { history, from_event_seq: from = 0 }: Payload<'job.subscribe'>,
    correlationId: string,
  ): void {
    if (!this.#hasRoom()) {
      throw new ArcpError('RESOURCE_EXHAUSTED', `this session watches ${this.#jobs.size} jobs already`);
    }
    const tree = this.#tree(job);
    const begins = history && !this.#isTold(job) ? beginOf(tree, job, from) : undefined;
    if (begins !== undefined) {
      const count = countOf(this.#pastOf(tree, job, begins.position));
      const { maxReplayEvents } = this.#context.limits;
      if (count > maxReplayEvents) {
        const why = `the history has ${count} events, and a session keeps ${maxReplayEvents}`;
        throw new ArcpError('RESOURCE_EXHAUSTED', `${why}: subscribe from a later one`, { retryable: false });
      }
    }
    this.#ask(
      { job_id: job.id, history_after: begins?.position, from_event_seq: begins?.number },
      correlationId,
    );
  }

  /**
   * The session asked for the job again that another one had asked for: it is told the job's whole story, but for the
   * end of a job that is over, which answers the repeat (decision 11).
   */
  watchRepeated(job: Job): void {
    const knows = this.#jobs.has(job.id) || job.log.observers.includes(this.#outbox);
    if (knows || job.origin.sessionId === this.#session.id) return;
    this.#hasRoom();
    const isShort = countOf(this.#pastOf(this.#tree(job), job, 0)) <= this.#context.limits.maxReplayEvents;
    this.#ask({ job_id: job.id, history_after: isShort ? 0 : undefined, without_end: true });
  }

  #ask(record: Parameters<typeof appendRecord<'job.subscribe'>>[2], correlationId?: string): void {
    this.#asked += 1;
    appendRecord(this.#log, 'job.subscribe', record, correlationId);
  }

  /** Asks to watch a job no more. */
  unwatch(jobId: JobId): void {
    appendRecord(this.#log, 'job.unsubscribe', { job_id: jobId });
  }

  /** Whether one more job can be watched; those that are over make room. */
  #hasRoom(): boolean {
    const { maxJobSubscriptionsPerSession: limit } = this.#context.limits;
    const isFull = (): boolean => this.#jobs.size + this.#asked - this.#leaving.size >= limit;
    if (!isFull()) return true;
    for (const id of this.#jobs) {
      const job = this.#context.jobs.find(id);
      if ((job !== undefined && !isTerminal(job.shownState)) || this.#leaving.has(id)) continue;
      this.#leaving.add(id);
      this.unwatch(id);
      if (!isFull()) return true;
    }
    return false;
  }

  /** Those that are kept. */
  get kept(): JobId[] {
    const { jobs } = this.#context;
    return [...this.#jobs].filter((id) => jobs.find(id) !== undefined);
  }

  /** Takes up what was watched at a moment before which the records are forgotten. */
  restore(jobs: readonly JobId[]): void {
    for (const id of jobs) {
      const job = this.#context.jobs.find(id);
      if (job === undefined) continue;
      this.#jobs.add(id);
      this.#observe(this.#tree(job));
    }
  }

  /** The store refused to take that the session begins to watch a job. */
  lostBegin(): void {
    this.#asked = Math.max(0, this.#asked - 1);
  }

  /** The store refused to take that it no longer watches this one. */
  lostEnd({ job_id: jobId }: UnwatchJobRecord): void {
    this.#leaving.delete(jobId);
  }

  close(): void {
    for (const id of [...this.#jobs]) this.ended({ job_id: id });
  }

  /** That the session watches a job is committed. */
  began({ payload, correlationId }: ReadRecord<'job.subscribe'>): void {
    this.#asked = Math.max(0, this.#asked - 1);
    const {
      job_id: jobId,
      history_after: after,
      from_event_seq: from = 0,
      without_end: withoutEnd,
    } = payload;
    const job = this.#context.jobs.find(jobId);
    if (job === undefined) {
      this.#refuse(new ArcpError('NOT_FOUND', 'there is no such job'), jobId, correlationId);
      return;
    }
    const told = this.#isTold(job);
    const tree = told ? [] : this.#tree(job).filter((one) => one === job || !this.#isTold(one));
    const past = after === undefined ? [] : this.#pastOf(tree, job, after, withoutEnd);
    if (correlationId !== undefined) {
      this.#session.peer?.reply({
        type: 'job.subscribed',
        payload: {
          job_id: job.id,
          current_status: job.shownState,
          agent: job.agent,
          ...job.lineage,
          trace_id: job.origin.traceId,
          subscribed_from: past.length > 0 ? from : job.log.order.lastNumber,
          replayed: past.length > 0,
        },
        sessionId: this.#session.id,
        correlationId,
      });
    }
    if (told) return;
    this.#jobs.add(job.id);
    for (const { log, from: first, to } of past) this.#outbox.recall(log, first, to);
    this.#observe(tree);
  }

  #refuse(error: ArcpError, jobId: JobId, correlationId: MessageId | undefined): void {
    if (correlationId === undefined) return;
    this.#session.peer?.reply({
      type: 'nack',
      payload: { ...error.toPayload(), ack_for: correlationId },
      sessionId: this.#session.id,
      correlationId,
      refused: { type: 'job.subscribe', jobId },
    });
  }

  /** That it no longer does is. */
  ended({ job_id: jobId }: UnwatchJobRecord): void {
    this.#leaving.delete(jobId);
    if (!this.#jobs.delete(jobId)) return;
    const job = this.#context.jobs.find(jobId);
    if (job === undefined) return;
    for (const one of this.#tree(job)) if (!this.#isWatched(one)) one.log.unobserve(this.#outbox);
  }

  #observe(tree: readonly Job[]): void {
    for (const one of tree) if (!isTerminal(one.shownState)) one.log.observe(this.#outbox);
  }

  /** (W3) */
  #isTold(job: Job): boolean {
    if (isTerminal(job.shownState)) return false;
    return this.#jobs.has(job.id) || job.log.observers.includes(this.#outbox);
  }

  /** Whether the session asked for this job, or watches it or a job above it. */
  #isWatched(job: Job): boolean {
    for (let at: Job | undefined = job; at !== undefined; at = at.origin.parent) {
      if (this.#jobs.has(at.id) || at.origin.sessionId === this.#session.id) return true;
    }
    return false;
  }

  /** The job and those below it that are kept. */
  #tree(job: Job): Job[] {
    const tree: Job[] = [];
    for (const one of this.#context.jobs.all()) {
      if (one.root === job.root && job.includes(one)) tree.push(one);
    }
    return tree;
  }

  /** What is committed of these jobs behind a position. */
  #pastOf(tree: readonly Job[], job: Job, after: number, withoutEnd = false): Past[] {
    const past = tree.flatMap(({ log }) =>
      [...log.order.stretchesAfter(log.order.countToPosition(after))].map((part) => ({
        ...part,
        log: log.id,
      })),
    );
    const last = withoutEnd && isTerminal(job.shownState) ? job.log.committedSeq : undefined;
    const cut = past.map((part) =>
      part.log === job.id && part.to === last ? { ...part, to: part.to - 1 } : part,
    );
    return inCommitOrder(cut.filter(({ from, to }) => from <= to));
  }
}

interface Past extends Stretch {
  readonly log: string;
}

function countOf(past: readonly Past[]): number {
  return past.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/**
 * The place of an `event_seq` of the session that asked for the job. One beyond what that session has been told is the
 * latest.
 */
function beginOf(
  tree: readonly Job[],
  job: Job,
  from: number,
): { readonly position: number; readonly number: number } {
  let position = 0;
  let latest = 0;
  for (const { log, origin } of tree) {
    if (origin.sessionId !== job.origin.sessionId) continue;
    latest = Math.max(latest, log.order.lastNumber);
    const count = log.order.countToNumber(from);
    if (count > 0) position = Math.max(position, log.order.positionOf(count));
  }
  return { position, number: Math.min(from, latest) };
}
