/** A client that starts one run of a fleet and keeps its story, as it was shown to it while its runtime was killed. */
import type { TaskEntry } from '../../src/fleet/manager/ledger.js';
import type { RunSummary } from '../../src/fleet/manager/summary.js';
import type { FleetReceipt } from '../../src/protocol/fleet/index.js';
import type { AnyEnvelope } from '../../src/protocol/envelope.js';
import { OPT_IN } from '../../src/protocol/extensions.js';
import { ResumingClient } from './resuming-client.js';

export interface TaskStory {
  /** Leases, in their order. */
  readonly attempts: number[];
  readonly receipts: FleetReceipt[];
  /** Why attempts failed. */
  readonly reasons: string[];
}

const TERMINAL: ReadonlySet<string> = new Set(['job.completed', 'job.failed', 'job.cancelled']);

export class FleetWatcher extends ResumingClient {
  readonly tasks = new Map<string, TaskStory>();
  summary: RunSummary | undefined;
  /** What the run's job ended with. */
  readonly ends: string[] = [];
  /** Worker events of the run. */
  told = 0;
  runId: string | undefined;
  readonly #spec: object;
  readonly #commands = new Set<string>();
  /** By worker and task: the latest `seq`. */
  readonly #seqs = new Map<string, number>();

  constructor(url: string, token: string, spec: object) {
    super(url, token, { extensions: [OPT_IN.workflow, OPT_IN.delegate] });
    this.#spec = spec;
  }

  get isOver(): boolean {
    return this.ends.length > 0;
  }

  /** Tasks that have ended. */
  get settled(): number {
    return [...this.tasks.values()].filter(({ receipts }) => receipts.length > 0).length;
  }

  /** It is the same run, by its key. */
  protected began(): void {
    if (this.runId !== undefined) return;
    const payload = { workflow: 'fleet.run', arguments: this.#spec };
    const id = this.send('workflow.start', payload, { idempotency_key: 'the run' });
    if (id !== undefined) this.#commands.add(id);
  }

  protected took(answer: AnyEnvelope | undefined): void {
    if (answer?.type === 'nack') this.faults.push(`${answer.payload.code}: ${answer.payload.message}`);
  }

  protected event(envelope: AnyEnvelope): void {
    const { type, job_id: job, correlation_id: command = '' } = envelope;
    if (type === 'job.accepted' && this.#commands.has(command)) this.runId = job;
    if (job === undefined || job !== this.runId) return;
    if (TERMINAL.has(type)) this.ends.push(type);
    if (type === 'job.completed') this.summary = envelope.payload.value as RunSummary;
    if (type !== 'event.emit' || envelope.payload.name !== 'fleet.task') return;
    this.told += 1;
    this.#apply(envelope.payload.data as TaskEntry);
  }

  #apply({ event, task, receipt }: TaskEntry): void {
    const { task_id: id, worker_id: worker, seq } = event;
    const key = `${worker} ${id}`;
    const latest = this.#seqs.get(key) ?? 0;
    if (seq !== latest + 1) this.faults.push(`${key}: event ${seq} came after ${latest}`);
    this.#seqs.set(key, seq);
    const story = this.tasks.get(id) ?? { attempts: [], receipts: [], reasons: [] };
    this.tasks.set(id, story);
    if (event.state === 'leased') story.attempts.push(task.attempt);
    if (event.state === 'failed') story.reasons.push(event.reason);
    if (task.settled !== (receipt !== undefined))
      this.faults.push(`${id}: ${event.state} without its receipt`);
    if (receipt !== undefined) story.receipts.push(receipt);
  }
}
