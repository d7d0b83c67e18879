/**
 * The seam between runs and hosts: where the work of a worker is done.
 *
 * (Q1) A worker that a spec describes is a process on its host, and so is every worker of a run whose policy allows
 *      secrets: those are handed to processes of workers, and to nothing else.
 * (Q2) Workers that nobody describes are this process: its agents do their work.
 */
import type { FleetWorkerSpec } from '../../protocol/fleet/index.js';
import type { HostedRun, WorkerHosts } from '../hosts/worker-hosts.js';

export interface WorkerPool {
  /** The workers of a run. None is started yet. */
  begin(run: HostedRun): RunPool;
}

/** `RunWorkers` on hosts. */
export interface RunPool {
  /**
   * The agent of this runtime (`name` or `name@version`) that does what `agent` does on the worker's host; starts there
   * what is needed. Throws UNAVAILABLE (retryable) where the host cannot be reached, PERMISSION_DENIED where it does not
   * prove who it is, AGENT_NOT_AVAILABLE where it is elsewhere and has no such agent.
   */
  agentOn(worker: FleetWorkerSpec, agent: string): Promise<string>;
  /** The worker has given no sign of life. */
  stale(worker: string): void;
  /** Resolves once nothing of it runs any more. */
  close(): Promise<void>;
}

/** (Q2) */
const inProcess: RunPool = {
  agentOn: (_worker, agent) => Promise.resolve(agent),
  stale: () => undefined,
  close: () => Promise.resolve(),
};

export function workerPool(hosts: WorkerHosts): WorkerPool {
  return { begin: (run) => (run.workers.length === 0 ? inProcess : hosts.begin(run)) };
}
