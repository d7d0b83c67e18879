/**
 * What one job and its descendants have told so far, for everybody who iterates it.
 *
 * (E1) An iterator sees every event from `job.accepted` on, whenever it starts, as long as the whole history fits
 *      `historyEvents` and `historySize`. Once it no longer fits, the history is dropped; iterators that had started
 *      go on and miss nothing, and one that starts later fails at once with DATA_LOSS.
 * (E2) The history is dropped at the end of a turn of the event loop, not within it: who iterates straight after
 *      `await client.invoke(…)` has missed nothing, however much came in one read of the socket.
 * (E3) An iterator over the job ends with the job's terminal event, one over the tree when the job and all its
 *      descendants have ended.
 */
import { ArcpError, type JobId } from '../protocol/index.js';
import type { Clock } from '../clock.js';
import { EventQueue } from './event-queue.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { ClientLimits } from './limits.js';

export type Scope = 'job' | 'tree';

interface Reader {
  readonly scope: Scope;
  readonly queue: EventQueue<JobEvent>;
}

type History =
  | { readonly kind: 'kept'; readonly events: JobEvent[]; size: number }
  | { readonly kind: 'overfull'; readonly events: JobEvent[] }
  | { readonly kind: 'dropped' };

type End = { readonly kind: 'ended' } | { readonly kind: 'failed'; readonly error: Error };

export class JobEvents {
  readonly #jobId: JobId;
  readonly #limits: ClientLimits;
  readonly #clock: Clock;
  readonly #readers = new Set<Reader>();
  readonly #ends: Record<Scope, End | undefined> = { job: undefined, tree: undefined };
  #history: History = { kind: 'kept', events: [], size: 0 };

  constructor(jobId: JobId, limits: ClientLimits, clock: Clock) {
    this.#jobId = jobId;
    this.#limits = limits;
    this.#clock = clock;
  }

  append(event: JobEvent, size: number): void {
    this.#remember(event, size);
    const own = event.job_id === this.#jobId;
    for (const reader of this.#readers) {
      if (own || reader.scope === 'tree') reader.queue.push(event, size);
    }
  }

  end(scope: Scope, end: End = { kind: 'ended' }): void {
    if (this.#ends[scope] !== undefined) return;
    this.#ends[scope] = end;
    for (const reader of this.#readers) {
      if (reader.scope === scope) {
        finish(reader.queue, end);
        this.#readers.delete(reader);
      }
    }
  }

  read(scope: Scope): AsyncIterableIterator<JobEvent, undefined> {
    const history = this.#history;
    const queue = new EventQueue<JobEvent>(
      { items: this.#limits.iteratorEvents, size: this.#limits.iteratorSize },
      () => this.#readers.delete(reader),
    );
    const reader: Reader = { scope, queue };
    if (history.kind === 'dropped') {
      queue.fail(
        new ArcpError('DATA_LOSS', 'the iteration started too late: the first events are no longer kept', {
          details: { job_id: this.#jobId, limit: this.#limits.historyEvents },
        }),
      );
      return queue;
    }
    for (const event of history.events) {
      if (scope === 'tree' || event.job_id === this.#jobId) queue.push(event, 0);
    }
    const end = this.#ends[scope];
    if (end === undefined) this.#readers.add(reader);
    else finish(queue, end);
    return queue;
  }

  #remember(event: JobEvent, size: number): void {
    const history = this.#history;
    if (history.kind === 'dropped') return;
    history.events.push(event);
    if (history.kind === 'overfull') return;
    history.size += size;
    if (history.events.length <= this.#limits.historyEvents && history.size <= this.#limits.historySize)
      return;
    this.#history = { kind: 'overfull', events: history.events };
    this.#clock.timer(0, () => {
      this.#history = { kind: 'dropped' };
    });
  }
}

function finish(queue: EventQueue<JobEvent>, end: End): void {
  if (end.kind === 'ended') queue.end();
  else queue.fail(end.error);
}
