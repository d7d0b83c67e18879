/**
 * What a run tells of an attempt while its job works: starting, running, waiting for a model, running a tool, its
 * heartbeats, its artifacts (`states/worker-events.ts`). How it ended is said once it is judged.
 *
 * (E1) That it runs is told when that is new; tools and models each time, heartbeats at most once in
 *      `heartbeatIntervalMs`, and of all that at most `maxTaskEvents` in an attempt (L7).
 */
import type { FleetWorkerEventPayload } from '../../protocol/fleet/index.js';
import type { ObservedEvent } from '../../runtime/observe-job.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { extraOf, workerEventOf } from '../states/worker-events.js';
import type { RunContext } from './attempt.js';
import type { TaskRecord } from './ledger.js';

const LIVE: ReadonlySet<string> = new Set(['running', 'model_wait', 'running_tool', 'artifact', 'heartbeat']);

type Heartbeat = Extract<FleetWorkerEventPayload, { state: 'heartbeat' }>;

export class AttemptTeller {
  readonly #context: Pick<RunContext, 'ledger' | 'ports'>;
  readonly #record: TaskRecord;
  readonly #number: number;
  #told = 0;
  /** What was measured since the last heartbeat that was told, and by which event. */
  #measured: { readonly beat: Heartbeat; readonly seq: number } | undefined;
  #beatAt = -Infinity;

  constructor(context: Pick<RunContext, 'ledger' | 'ports'>, record: TaskRecord) {
    this.#context = context;
    this.#record = record;
    this.#number = record.state.attempt;
  }

  starting(jobId: string): void {
    this.#tell({ state: 'starting' }, { job_id: jobId });
  }

  heard({ seq, type, payload }: ObservedEvent): void {
    // What was told in an earlier life.
    if (seq <= this.#record.heard) return;
    const event = workerEventOf(type, payload as never);
    const beat = event?.state === 'heartbeat' ? event : undefined;
    if (beat !== undefined) this.#measured = { beat: { ...this.#measured?.beat, ...beat }, seq };
    // One that is measured is told with all that was measured beside it: with the next event that measures nothing.
    if (type === 'metric' && beat !== undefined) return;
    this.#tellHeartbeat();
    if (event === undefined || beat !== undefined || !LIVE.has(event.state) || this.#isFull) return;
    if (event.state === 'running' && this.#record.state.status === 'running') return;
    const extra = extraOf(type, payload as never);
    this.#tell(event, { heard: seq, ...(extra === undefined ? {} : { extra }) });
  }

  get #isFull(): boolean {
    return this.#told >= DEFAULT_FLEET_LIMITS.maxTaskEvents;
  }

  /** When one is due. */
  #tellHeartbeat(): void {
    const now = this.#context.ports.clock.now();
    if (this.#measured === undefined || this.#isFull) return;
    if (now - this.#beatAt < DEFAULT_FLEET_LIMITS.heartbeatIntervalMs) return;
    const { beat, seq } = this.#measured;
    this.#measured = undefined;
    this.#beatAt = now;
    this.#tell(beat, { heard: seq });
  }

  #tell(event: FleetWorkerEventPayload, details: Parameters<RunContext['ledger']['task']>[3]): void {
    const worker = this.#record.state.worker ?? '';
    const actor = { kind: 'worker', worker, attempt: this.#number } as const;
    if (this.#context.ledger.task(this.#record, event, actor, details)) this.#told += 1;
  }
}
