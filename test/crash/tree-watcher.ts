/** A client that has trees of jobs grow, or that watches those of another session. */
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { OPT_IN } from '../../src/protocol/extensions.js';
import { ResumingClient } from './resuming-client.js';

const TERMINAL = /^job\.(completed|failed|cancelled)$/;

interface Wanted {
  readonly key: string;
  readonly args: unknown;
  readonly budget: readonly string[];
  jobId?: string;
}

export class TreeWatcher extends ResumingClient {
  /** By job: its root. */
  readonly roots = new Map<string, string>();
  readonly parents = new Map<string, { readonly parent: string; readonly livesOn: boolean }>();
  /** Delegations of those that are to live on. */
  readonly #detached = new Set<string>();
  readonly ends = new Map<string, AnyEnvelope>();
  readonly #wanted: Wanted[] = [];
  readonly #asked = new Map<string, Wanted>();
  /** Roots of others that it watches; what answered is there for good. */
  readonly #watched = new Map<string, 'asked' | 'watched'>();
  readonly #told = new Set<string>();
  /** The attempts in which roots wait for what is below them. */
  readonly #waiting = new Map<string, string>();
  #onRoot: (jobId: string, key: string) => void = () => undefined;

  constructor(url: string, token: string) {
    super(url, token, { extensions: [OPT_IN.delegate] });
  }

  /** Asks for a tree, and goes on asking until it is there: it is the same one, by its key. */
  grow(key: string, args: unknown, budget: readonly string[]): void {
    const wanted = { key, args, budget };
    this.#wanted.push(wanted);
    this.#ask(wanted);
  }

  watch(jobId: string): void {
    this.#watched.set(jobId, 'asked');
    this.send('job.subscribe', { job_id: jobId, history: true });
  }

  /** The root of a tree, once that is accepted. */
  rootOf(key: string): string | undefined {
    return this.#wanted.find((wanted) => wanted.key === key)?.jobId;
  }

  /** Calls back with each of its roots. */
  onRoot(listener: (jobId: string, key: string) => void): void {
    this.#onRoot = listener;
  }

  /** The attempt in which the agent of a root has begun all that it will, and says so. */
  waits(root: string): string | undefined {
    return this.#waiting.get(root);
  }

  jobsBelow(root: string): string[] {
    return [...this.roots].flatMap(([job, above]) => (above === root && job !== root ? [job] : []));
  }

  hasEnded(jobs: readonly string[]): boolean {
    return jobs.every((job) => this.ends.has(job));
  }

  /** Jobs that ended after the parent whose end was to take them along. */
  misplaced(): string[] {
    const at = new Map([...this.ends].map(([job, { event_seq: seq = 0 }]) => [job, seq]));
    return [...this.parents].flatMap(([job, { parent, livesOn }]) =>
      !livesOn && (at.get(job) ?? 0) > (at.get(parent) ?? 0) ? [job] : [],
    );
  }

  protected began(): void {
    for (const wanted of this.#wanted) if (wanted.jobId === undefined) this.#ask(wanted);
    for (const [jobId, how] of this.#watched)
      if (how === 'asked') this.send('job.subscribe', { job_id: jobId, history: true });
  }

  protected took(answer: AnyEnvelope | undefined): void {
    if (answer?.type === 'job.subscribed') this.#watched.set(answer.payload.job_id, 'watched');
  }

  protected event(envelope: AnyEnvelope): void {
    const { type, job_id: job = '', correlation_id: command = '' } = envelope;
    if (type === 'agent.delegate' && envelope.payload.on_parent_end === 'detach')
      this.#detached.add(envelope.payload.delegate_id ?? '');
    if (type === 'job.accepted') {
      const { root_job_id: root = job, parent_job_id: parent, delegate_id: delegateId } = envelope.payload;
      this.roots.set(job, root);
      const livesOn = this.#detached.has(delegateId ?? '');
      if (parent !== undefined) this.parents.set(job, { parent, livesOn });
      const wanted = this.#asked.get(command);
      if (wanted !== undefined && wanted.jobId === undefined) {
        wanted.jobId = job;
        this.#onRoot(job, wanted.key);
      }
    }
    // A repeated request is told of its job anew, in events of the session's own.
    if (type !== 'job.accepted' && this.#told.has(envelope.id)) this.faults.push(`${envelope.id} came twice`);
    this.#told.add(envelope.id);
    if (type === 'job.started') this.#waiting.delete(job);
    if (type === 'job.progress')
      this.#waiting.set(job, (envelope.payload as { readonly message: string }).message);
    if (!TERMINAL.test(type)) return;
    if (this.ends.has(job)) this.faults.push(`${job} ended twice`);
    this.ends.set(job, envelope);
  }

  #ask(wanted: Wanted): void {
    const { key, args, budget } = wanted;
    const payload = { tool: 'root', arguments: args, cost_budget: budget };
    const id = this.send('tool.invoke', payload, { idempotency_key: key });
    if (id !== undefined) this.#asked.set(id, wanted);
  }
}
