/**
 * What a runtime should do, in as few words as possible: jobs are lists of events, sessions are lists of what they were
 * told, and nothing else is remembered. The real one is held against it (laws L1 to L3).
 */
import type { PuppetName } from './puppets.js';

/** `event.emit` is a checkpoint, to those who did not ask for that type, or the beginning of a further attempt. */
export type Label =
  'job.accepted' | 'job.started' | 'log' | 'event.emit' | 'job.completed' | 'job.failed' | 'job.cancelled';

export interface ModelJob {
  readonly number: number;
  readonly agent: PuppetName;
  readonly owner: ModelSession;
  status: 'running' | 'completed' | 'failed' | 'cancelled';
  attempt: number;
  /** What its latest checkpoint holds. */
  checkpoint: number | undefined;
  readonly events: Label[];
  readonly told: Set<ModelSession>;
}

export interface ModelSession {
  readonly number: number;
  readonly principal: string;
  connected: boolean;
  /** What it was told, whether or not its client has it: the job's number and the event. */
  readonly told: { readonly job: number; readonly label: Label }[];
  acknowledged: number;
}

export class Model {
  readonly sessions: ModelSession[];
  readonly jobs: ModelJob[] = [];
  readonly maxAttempts: number;
  readonly window: number;

  constructor(principals: readonly string[], window: number, maxAttempts: number) {
    this.window = window;
    this.maxAttempts = maxAttempts;
    this.sessions = principals.map((principal, number) => ({
      number,
      principal,
      connected: true,
      told: [],
      acknowledged: 0,
    }));
  }

  get running(): ModelJob[] {
    return this.jobs.filter(({ status }) => status === 'running');
  }

  submit(owner: ModelSession, agent: PuppetName): ModelJob {
    const job: ModelJob = {
      number: this.jobs.length,
      agent,
      owner,
      status: 'running',
      attempt: 1,
      checkpoint: undefined,
      events: [],
      told: new Set([owner]),
    };
    this.jobs.push(job);
    this.happens(job, 'job.accepted');
    this.happens(job, 'job.started');
    return job;
  }

  happens(job: ModelJob, label: Label): void {
    job.events.push(label);
    for (const session of job.told) session.told.push({ job: job.number, label });
  }

  end(job: ModelJob, status: 'completed' | 'failed' | 'cancelled'): void {
    job.status = status;
    this.happens(job, `job.${status}`);
  }

  /** With its history. Who is told of a running job already is told nothing twice; one that has ended is told again. */
  watch(session: ModelSession, job: ModelJob): void {
    if (job.status === 'running' && job.told.has(session)) return;
    for (const label of job.events) session.told.push({ job: job.number, label });
    job.told.add(session);
  }

  /** The process dies and another one takes up what it left. */
  crash(): void {
    for (const session of this.sessions) session.connected = false;
    for (const job of this.running) {
      if (job.agent === 'mortal' || job.attempt === this.maxAttempts) {
        this.end(job, 'failed');
        continue;
      }
      job.attempt += 1;
      this.happens(job, 'event.emit');
      this.happens(job, 'job.started');
    }
  }

  /** How many events the client of a session may have by now. */
  visible({ told, acknowledged }: ModelSession): number {
    return Math.min(told.length, acknowledged + this.window);
  }
}
