/**
 * Which job an event belongs to, and who else wants to see it: the jobs above it.
 *
 * (N1) A job of this client is added by the answer to its command. A job that it delegated to is added by its own
 *      `job.accepted`, which names its parent (decisions 4 and 5) and carries nothing of the client's command.
 * (N2) A job stays as long as it or one of its descendants is live; then it is forgotten.
 */
import type { ArcpError, Envelope, JobId } from '../protocol/index.js';
import { isTerminal, type JobEvent } from '../protocol/job-event.js';
import { Job, type JobHost } from './job.js';

interface Node {
  readonly id: JobId;
  readonly parent: Node | undefined;
  /** Absent for a job that is seen only because an ancestor of it is this client's. */
  job: Job | undefined;
  ended: boolean;
  /** Itself, while live, and those of its children that are not yet forgotten. */
  live: number;
}

type Accepted = Envelope<'job.accepted'>;

export class JobTree {
  readonly #host: JobHost;
  readonly #nodes = new Map<JobId, Node>();

  constructor(host: JobHost) {
    this.#host = host;
  }

  /** Jobs that are followed. */
  get size(): number {
    return this.#nodes.size;
  }

  /**
   * The job that a command of this client started. A command that was answered with a job it has already (the same
   * idempotency key, decision 11) gets that one.
   */
  adopt(accepted: Accepted, size: number): Job {
    const id = accepted.payload.job_id;
    const known = this.#nodes.get(id);
    if (known?.job !== undefined) return known.job;
    const node = known ?? this.#add(accepted);
    const job = new Job(id, accepted.payload, this.#host);
    node.job = job;
    this.#deliver(node, { ...accepted, job_id: id }, size);
    return job;
  }

  /** A job that is about to be watched, and whether it is followed for that reason only. */
  watch(id: JobId): { readonly job: Job; readonly added: boolean } {
    const known = this.#nodes.get(id);
    if (known?.job !== undefined) return { job: known.job, added: false };
    const job = new Job(id, { job_id: id }, { ...this.#host, slow: undefined });
    if (known === undefined) this.#nodes.set(id, { id, parent: undefined, job, ended: false, live: 1 });
    else known.job = job;
    return { job, added: known === undefined };
  }

  /** Follows a job no longer. */
  leave(id: JobId): void {
    const node = this.#nodes.get(id);
    if (node === undefined || node.ended) return;
    node.ended = true;
    node.job?.leave();
    this.#release(node);
  }

  /** Takes an event to the jobs that it concerns; false when there is none. */
  route(event: JobEvent, size: number): boolean {
    const id = event.job_id ?? (event.type === 'job.accepted' ? event.payload.job_id : undefined);
    if (id === undefined) return false;
    const node = this.#nodes.get(id) ?? (event.type === 'job.accepted' ? this.#addChild(event) : undefined);
    if (node === undefined) return false;
    if (node.ended) return true;
    this.#deliver(node, event.job_id === undefined ? { ...event, job_id: id } : event, size);
    if (isTerminal(event)) {
      node.ended = true;
      this.#release(node);
    }
    return true;
  }

  /** Gives up one job, whose terminal event could not be read. */
  lose(id: JobId, error: ArcpError): void {
    const node = this.#nodes.get(id);
    if (node === undefined || node.ended) return;
    node.ended = true;
    node.job?.lose(error);
    this.#release(node);
  }

  /** Gives up all jobs. */
  loseAll(error: ArcpError): void {
    const nodes = [...this.#nodes.values()];
    this.#nodes.clear();
    for (const { job } of nodes) job?.lose(error);
  }

  #addChild(accepted: Accepted): Node | undefined {
    const { parent_job_id: parent } = accepted.payload;
    return parent !== undefined && this.#nodes.has(parent) ? this.#add(accepted) : undefined;
  }

  #add({ payload }: Accepted): Node {
    const parent = payload.parent_job_id === undefined ? undefined : this.#nodes.get(payload.parent_job_id);
    const node: Node = { id: payload.job_id, parent, job: undefined, ended: false, live: 1 };
    if (parent !== undefined) parent.live += 1;
    this.#nodes.set(node.id, node);
    return node;
  }

  #deliver(node: Node, event: JobEvent, size: number): void {
    node.job?.receive(event, size, true);
    for (let above = node.parent; above !== undefined; above = above.parent) {
      above.job?.receive(event, size, false);
    }
  }

  #release(node: Node): void {
    for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
      at.live -= 1;
      if (at.live > 0) return;
      this.#nodes.delete(at.id);
      at.job?.treeEnded();
    }
  }
}
