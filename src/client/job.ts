/**
 * A job that the client started: its events, its result, and the way to stop it.
 *
 * (J1) `job.accepted` is the first event, one terminal event the last. What the runtime sends after it is dropped.
 * (J2) When the client can no longer follow the job (session lost, client closed, events missing), `result()` and
 *      every iterator end with the one error that says so; the job itself may go on in the runtime.
 */
import { ArcpError, type JobId, type Payload, type StreamKind } from '../protocol/index.js';
import type { Clock } from '../clock.js';
import type { InputOptions, JobInput } from './job-input.js';
import { StreamReader, type JobStream, type StreamHost } from './job-streams.js';
import { isTerminal, type JobEvent, type TerminalEvent } from '../protocol/job-event.js';
import { JobEvents } from './job-events.js';
import type { ClientLimits } from './limits.js';
import { isRequest, type Question } from './question.js';
import { ResultCollector, type JobResult } from './result.js';

export interface CancelOptions {
  readonly reason?: string;
  /** Milliseconds that the job has to end by itself; the runtime's default otherwise. */
  readonly deadlineMs?: number;
}

/** What a job needs of its client. */
export interface JobHost extends StreamHost {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  cancel(jobId: string, options: CancelOptions): Promise<void>;
  /** The open question that an event asks. */
  question(id: string): Question | undefined;
  openInput<Kind extends StreamKind>(jobId: JobId, options: InputOptions<Kind>): Promise<JobInput<Kind>>;
}

type Outcome =
  | { readonly kind: 'completed'; readonly completed: Payload<'job.completed'> }
  | { readonly kind: 'failed'; readonly error: ArcpError };

type Life =
  | { readonly kind: 'live'; readonly waiting: ((outcome: Outcome) => void)[] }
  | { readonly kind: 'ended'; readonly outcome: Outcome };

export class Job implements AsyncIterable<JobEvent, undefined> {
  readonly id: JobId;
  /** The payload of `job.accepted`: the resolved agent, the lease, credentials. */
  readonly accepted: Payload<'job.accepted'>;
  readonly #host: JobHost;
  readonly #events: JobEvents;
  readonly #result: ResultCollector;
  #life: Life = { kind: 'live', waiting: [] };
  #asked: Promise<JobResult> | undefined;

  /** @internal */
  constructor(id: JobId, accepted: Payload<'job.accepted'>, host: JobHost) {
    this.id = id;
    this.accepted = accepted;
    this.#host = host;
    this.#events = new JobEvents(id, host.limits, host.clock);
    this.#result = new ResultCollector(host.limits.maxResultBytes);
  }

  /** Whether the terminal event has come, or can no longer come. */
  get ended(): boolean {
    return this.#life.kind === 'ended';
  }

  /**
   * This job's events, from `job.accepted` to the terminal one, for each iterator anew. Start within the first
   * `historyEvents` events (1,000) or `historySize` units of text (1 Mi), or the iteration fails with DATA_LOSS; when
   * started straight after `invoke` nothing can be missed. A reader that falls 100,000 events behind fails with
   * BACKPRESSURE_OVERFLOW.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<JobEvent, undefined> {
    return this.#events.read('job');
  }

  /** The events of this job and of everything delegated below it, in the order in which they came. Limits as above. */
  tree(): AsyncIterable<JobEvent, undefined> {
    return { [Symbol.asyncIterator]: () => this.#events.read('tree') };
  }

  /**
   * The streams that the job opens, as it opens them, for each iterator anew; each is read by itself, in the loop or
   * beside it. Start in time, as with the events. Ends with the job.
   *
   * @example
   * for await (const stream of job.streams()) {
   *   if (stream.kind === 'text') for await (const text of stream) process.stdout.write(String(text));
   * }
   */
  streams(): AsyncIterableIterator<JobStream, undefined> {
    return new StreamReader(this.#events.read('job'), this.#host).streams;
  }

  /**
   * Opens a stream into the job, for agents that take input. What is written is taken once, also when the connection
   * drops meanwhile. Rejects with FAILED_PRECONDITION where the agent takes none, or the job has ended.
   *
   * @example
   * const input = await job.openInput({ kind: 'text' });
   * await input.write('a line');
   * await input.end();
   */
  openInput<Kind extends StreamKind>(options: InputOptions<Kind>): Promise<JobInput<Kind>> {
    return this.#host.openInput(this.id, options);
  }

  /**
   * Takes the streamed result as it comes, decoded and checked piece by piece, so that it need not be held. Once per
   * job; `result()` then tells its id and size only. Ends at once where the job streams nothing; throws the job's
   * error where it fails, and a `ResultChunkError` at the first chunk that is wrong.
   */
  chunks(): AsyncIterableIterator<Uint8Array, undefined> {
    const reader = this.#result.read();
    if (this.#life.kind === 'ended' && this.#life.outcome.kind === 'completed') {
      this.#result.completed(this.#life.outcome.completed);
    }
    return reader;
  }

  /**
   * How the job completed, with its streamed result assembled and checked. Rejects with the error of `job.failed`,
   * with CANCELLED, or with what is wrong with the result (`ResultChunkError`, DATA_LOSS).
   */
  result(): Promise<JobResult> {
    return (this.#asked ??= this.#outcome().then((outcome) => {
      if (outcome.kind === 'failed') throw outcome.error;
      const { value, summary, result_ref } = outcome.completed;
      const result = this.#result.assemble(outcome.completed);
      return {
        ...(value === undefined ? {} : { value }),
        ...(summary === undefined ? {} : { summary }),
        ...(result_ref === undefined ? {} : { resultRef: result_ref }),
        ...(result === undefined ? {} : { result }),
      };
    }));
  }

  /**
   * What this job and those below it ask of people, as they ask; what was answered before you look is left out. Limits as
   * for its events.
   *
   * @example
   * for await (const question of job.questions()) await question.answer('yes');
   */
  async *questions(): AsyncGenerator<Question, undefined> {
    for await (const event of this.tree()) {
      const question = isRequest(event) ? this.#host.question(event.id) : undefined;
      if (question !== undefined) yield question;
    }
    return undefined;
  }

  /**
   * Asks the runtime to stop the job; resolves when it has agreed. The terminal event follows.
   * Rejects with FAILED_PRECONDITION (ended already), NOT_FOUND or PERMISSION_DENIED when it refuses.
   */
  cancel(options: CancelOptions = {}): Promise<void> {
    return this.#host.cancel(this.id, options);
  }

  /** @internal The next event of this job (`own`) or of a descendant. */
  receive(event: JobEvent, size: number, own: boolean): void {
    this.#events.append(event, size);
    if (!own) return;
    if (event.type === 'job.result_chunk') this.#result.push(event.payload);
    else if (isTerminal(event)) this.#end(outcomeOf(event));
  }

  /** @internal This job and all its descendants have ended. */
  treeEnded(): void {
    this.#events.end('tree');
  }

  /** @internal Nothing more can be learnt about the job. */
  lose(error: ArcpError): void {
    this.#events.end('job', { kind: 'failed', error });
    this.#events.end('tree', { kind: 'failed', error });
    if (this.#life.kind === 'live') this.#end({ kind: 'failed', error });
  }

  /** @internal The client follows the job no longer: iterators end here. */
  leave(): void {
    this.#events.end('job');
    this.#events.end('tree');
    this.#end({ kind: 'failed', error: new ArcpError('CANCELLED', 'the job is no longer watched') });
  }

  /** @internal Calls `run` at the end of the job's life, at once if that was before. */
  onEnd(run: () => void): void {
    if (this.#life.kind === 'live') this.#life.waiting.push(run);
    else run();
  }

  #outcome(): Promise<Outcome> {
    return new Promise((resolve) => {
      if (this.#life.kind === 'live') this.#life.waiting.push(resolve);
      else resolve(this.#life.outcome);
    });
  }

  #end(outcome: Outcome): void {
    if (this.#life.kind !== 'live') return;
    const { waiting } = this.#life;
    this.#life = { kind: 'ended', outcome };
    this.#events.end('job');
    if (outcome.kind === 'completed') this.#result.completed(outcome.completed);
    else this.#result.failed(outcome.error);
    for (const run of waiting) run(outcome);
  }
}

function outcomeOf(event: TerminalEvent): Outcome {
  switch (event.type) {
    case 'job.completed':
      return { kind: 'completed', completed: event.payload };
    case 'job.failed':
      return { kind: 'failed', error: ArcpError.fromPayload(event.payload) };
    case 'job.cancelled':
      return { kind: 'failed', error: cancelledError(event.payload) };
  }
}

export function cancelledError({ reason, source }: Payload<'job.cancelled'>): ArcpError {
  return new ArcpError('CANCELLED', reason ?? 'the job was cancelled', {
    ...(source === undefined ? {} : { details: { source } }),
  });
}
