/** A job that this client watches, whoever started it: a `Job`, as far as its events are told. */
import type { Payload, StreamKind } from '../protocol/index.js';
import type { JobEvent } from '../protocol/job-event.js';
import type { CancelOptions, Job } from './job.js';
import type { Question } from './question.js';
import type { InputOptions, JobInput } from './job-input.js';
import type { JobStream } from './job-streams.js';
import type { JobResult } from './result.js';

export class WatchedJob implements AsyncIterable<JobEvent, undefined> {
  readonly id: Job['id'];
  /** How the job stood when the watching began. */
  readonly subscribed: Payload<'job.subscribed'>;
  readonly #job: Job;
  readonly #stop: () => void;

  /** @internal */
  constructor(job: Job, subscribed: Payload<'job.subscribed'>, stop: () => void) {
    this.id = job.id;
    this.subscribed = subscribed;
    this.#job = job;
    this.#stop = stop;
  }

  /** Whether the terminal event has come, or no longer comes. */
  get ended(): boolean {
    return this.#job.ended;
  }

  /** The job's events, history first, to the terminal one or to `stop`. Limits as for a job of one's own. */
  [Symbol.asyncIterator](): AsyncIterableIterator<JobEvent, undefined> {
    return this.#job[Symbol.asyncIterator]();
  }

  /** The same with the events of every job below it whose beginning was told. */
  tree(): AsyncIterable<JobEvent, undefined> {
    return this.#job.tree();
  }

  /** The streams that it opens while it is watched; see `Job.streams`. A slow reader cannot slow them down. */
  streams(): AsyncIterableIterator<JobStream, undefined> {
    return this.#job.streams();
  }

  /** Opens a stream into the job; see `Job.openInput`. */
  openInput<Kind extends StreamKind>(options: InputOptions<Kind>): Promise<JobInput<Kind>> {
    return this.#job.openInput(options);
  }

  /** Its result, where it is watched from the beginning; see `Job.chunks`. */
  chunks(): AsyncIterableIterator<Uint8Array, undefined> {
    return this.#job.chunks();
  }

  /** How it completed; see `Job.result`. A streamed result must be watched from its beginning. */
  result(): Promise<JobResult> {
    return this.#job.result();
  }

  /** What it asks of people; see `Job.questions`. */
  questions(): AsyncGenerator<Question, undefined> {
    return this.#job.questions();
  }

  /** Asks the runtime to stop the job; see `Job.cancel`. */
  cancel(options?: CancelOptions): Promise<void> {
    return this.#job.cancel(options);
  }

  /** Watches no longer: iterators end, and `result()` rejects with CANCELLED. A job of this client goes on. */
  stop(): void {
    this.#stop();
  }
}
