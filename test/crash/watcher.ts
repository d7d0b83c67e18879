/**
 * A client that keeps jobs going on a runtime that is killed again and again. A second end of a job is a fault. One that
 * is curious watches the jobs of the other sessions of its principal as well, in every way that there is.
 */
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { ResumingClient } from './resuming-client.js';

const TERMINAL = /^job\.(completed|failed|cancelled)$/;

export class Watcher extends ResumingClient {
  readonly unfinished = new Set<string>();
  readonly ended = new Set<string>();
  /** Jobs that it keeps going. */
  readonly #width: number;
  #working = true;
  #invoked = 0;
  /** Commands whose job has not been accepted yet. A crash may have taken them. */
  #asked = 0;
  /** Events of other sessions' jobs that it was told because it watches them or their kind. */
  watched = 0;
  readonly #isCurious: boolean;
  /** Its own jobs. Others it hears of because it watches. */
  readonly #own = new Set<string>();
  readonly #commands = new Set<string>();
  /** Subscriptions by `subscribe`, and commands that ask for one. */
  readonly #subscriptions = new Set<string>();

  constructor(url: string, token: string, width: number, isCurious: boolean) {
    super(url, token);
    this.#width = width;
    this.#isCurious = isCurious;
  }

  /** Watches a job of somebody else's: at random from its beginning, from now on, or no more. */
  hear(jobId: string): void {
    if (!this.#isCurious || this.#own.has(jobId)) return;
    const chance = Math.random();
    if (chance < 0.4) this.send('job.subscribe', { job_id: jobId, history: true });
    else if (chance < 0.6) this.send('job.subscribe', { job_id: jobId });
    else if (chance < 0.8) this.send('job.unsubscribe', { job_id: jobId });
    else if (chance < 0.83) this.#subscribe();
    else if (chance < 0.86) this.#unsubscribe();
  }

  /** To the ends of all jobs of the principal, at random with what happened lately. */
  #subscribe(): void {
    if (this.#subscriptions.size > 4) return;
    const since = Math.random() < 0.5 ? this.events.at(-20) : undefined;
    this.send('subscribe', {
      filter: { types: ['job.completed', 'job.failed'] },
      ...(since === undefined ? {} : { since: { after_message_id: since.id } }),
    });
  }

  #unsubscribe(): void {
    const [oldest] = this.#subscriptions;
    if (oldest !== undefined) this.send('unsubscribe', { subscription_id: oldest });
  }

  get isIdle(): boolean {
    return !this.#working && this.unfinished.size === 0 && this.#asked === 0;
  }

  #onJob: (jobId: string) => void = () => undefined;

  /** Calls back with each of its jobs. */
  onJob(listener: (jobId: string) => void): void {
    this.#onJob = listener;
  }

  /** Starts no further jobs. */
  finish(): void {
    this.#working = false;
  }

  /** What was asked for before a crash either shows up as an accepted job, or never happened. */
  protected began(): void {
    this.#asked = 0;
  }

  protected took(answer: AnyEnvelope | undefined): void {
    if (answer?.type === 'subscribe.accepted') this.#subscriptions.add(answer.payload.subscription_id);
    this.#fill();
  }

  protected event(envelope: AnyEnvelope): void {
    const { type, job_id: job = '', correlation_id: command = '' } = envelope;
    if (type === 'subscribe.closed') this.#subscriptions.delete(envelope.payload.subscription_id);
    if (type === 'job.accepted' && this.#commands.has(command)) {
      this.#asked = Math.max(0, this.#asked - 1);
      this.#own.add(job);
      this.unfinished.add(job);
      this.#onJob(job);
    }
    if (!this.#own.has(job)) {
      this.watched += 1;
      return;
    }
    if (!TERMINAL.test(type)) return;
    if (this.ended.has(job)) this.faults.push(`${job} ended twice`);
    this.ended.add(job);
    this.unfinished.delete(job);
  }

  #fill(): void {
    while (this.#working && this.unfinished.size + this.#asked < this.#width) {
      this.#asked += 1;
      this.#invoked += 1;
      const tool = this.#invoked % 2 === 0 ? 'worker' : 'phoenix';
      const id = this.send('tool.invoke', { tool, arguments: {} });
      if (id !== undefined) this.#commands.add(id);
    }
  }
}
