/** The seam between runs and hosts: where the work of a worker is done. */
import type { FleetWorkerSpec } from '../../protocol/fleet/index.js';

export interface WorkerPool {
  /** Why no run may have this worker; `undefined` where it may. */
  refusal(worker: FleetWorkerSpec): string | undefined;
  /**
   * The agent of this runtime (`name` or `name@version`) that does what `agent` does on the worker's host; starts there
   * what is needed. Throws UNAVAILABLE (retryable) where the host cannot be reached, PERMISSION_DENIED where it does not
   * prove who it is.
   */
  agentOn(worker: FleetWorkerSpec, agent: string, signal: AbortSignal): Promise<string>;
}

/** Work on this machine is done by the agents of this runtime. */
export const localPool: WorkerPool = {
  refusal: ({ id, host }) =>
    host.kind === 'local'
      ? undefined
      : `worker ${id}: workers on ${host.kind} hosts cannot be started by this version`,
  agentOn: (_worker, agent) => Promise.resolve(agent),
};
