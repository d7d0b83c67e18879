/** What the parts of one runtime share. Each part takes what it needs from here and nothing from globals. */
import type { Agent, ChildJob, DelegateOptions, JobContext } from '../agents/agent.js';
import type { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import type { MessageType } from '../protocol/messages.js';
import type { UnnamedPolicy } from '../protocol/lease.js';
import type { Store } from '../store/store.js';
import type { Admission } from './admission.js';
import type { ArtifactTable } from './artifact-table.js';
import type { Clock } from '../clock.js';
import type { Job } from './job.js';
import type { UncoveredActs } from './job-terms.js';
import type { LogContext } from './event-log.js';
import type { Carrier } from './handoff/carrier.js';
import type { GrantedLeases } from './granted-leases.js';
import type { NewId } from './ids.js';
import type { JobRun } from './job-run.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import type { StreamTable } from './stream-table.js';
import type { Models } from './model-route.js';
import type { ToolTable } from './tool-calls.js';

/**
 * Calls the agent, in process or wherever it runs. `waits` is told when it has to wait for room there, and when it has
 * some.
 */
export type Execute = (
  agent: Agent,
  input: unknown,
  ctx: JobContext,
  waits: (isWaiting: boolean) => void,
) => unknown;

export interface EngineContext extends LogContext {
  readonly store: Store;
  readonly newId: NewId;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly admission: Admission;
  readonly artifacts: ArtifactTable;
  /** Jobs that are not over yet. */
  readonly runs: ReadonlyMap<JobId, JobRun>;
  /** Streams from jobs and into them that are open. */
  readonly streams: StreamTable;
  /** What follows when a job falls silent (decision 7). */
  readonly heartbeatRecovery: 'fail' | 'block';
  readonly execute: Execute;
  /** What a root job of this agent may do beside what its lease names (decision 26). */
  readonly unnamed: (agent: Agent | undefined) => UnnamedPolicy;
  /** What becomes of acts that leases do not cover, where neither a request nor an agent says (`uncovered-acts.ts`). */
  readonly uncoveredActs: UncoveredActs;
  readonly models: Models;
  readonly tools: ToolTable;
  /** The way to other runtimes, where there are any that jobs may be handed over to. */
  readonly carrier: Carrier | undefined;
  /** The leases that were granted to jobs that are not over. */
  readonly leases: GrantedLeases;
  /** Starts a child of a running job. Throws when it is refused. */
  readonly delegate: (parent: JobRun, target: string, options: DelegateOptions) => Promise<ChildJob>;
  /** Whether somebody who is there, or may come, could answer such a question of the job (decision 17). */
  readonly mayBeAnswered: (job: Job, type: MessageType) => boolean;
  /** A job is about to append its terminal event. */
  readonly closing: (job: Job) => void;
  /** Whoever did the attempt was lost: whether another attempt takes over. */
  readonly goOnElsewhere: (run: JobRun, error: ArcpError) => boolean;
  /** A job has appended its terminal event. */
  readonly ended: (run: JobRun) => void;
}
