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
  #beat: Heartbeat = { state: 'heartbeat' };
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
    if (event === undefined || !LIVE.has(event.state) || this.#told >= DEFAULT_FLEET_LIMITS.maxTaskEvents) {
      return;
    }
    if (event.state === 'running' && this.#record.state.status === 'running') return;
    const told = event.state === 'heartbeat' ? this.#measured(event) : event;
    if (told === undefined) return;
    const extra = extraOf(type, payload as never);
    this.#tell(told, { heard: seq, ...(extra === undefined ? {} : { extra }) });
  }

  /** A heartbeat with what was measured since the last that was told, when one is due. */
  #measured(event: Heartbeat): Heartbeat | undefined {
    this.#beat = { ...this.#beat, ...event };
    const now = this.#context.ports.clock.now();
    if (now - this.#beatAt < DEFAULT_FLEET_LIMITS.heartbeatIntervalMs) return undefined;
    const told = this.#beat;
    this.#beat = { state: 'heartbeat' };
    this.#beatAt = now;
    return told;
  }

  #tell(event: FleetWorkerEventPayload, details: Parameters<RunContext['ledger']['task']>[3]): void {
    const worker = this.#record.state.worker ?? '';
    const actor = { kind: 'worker', worker, attempt: this.#number } as const;
    if (this.#context.ledger.task(this.#record, event, actor, details)) this.#told += 1;
  }
}
