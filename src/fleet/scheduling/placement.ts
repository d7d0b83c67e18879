/** Which worker may be given which task, and why not. */
import {
  compareTrust,
  type FleetHostSpec,
  type FleetTaskSpec,
  type FleetTrustLevel,
  type FleetWorkerSpec,
} from '../../protocol/fleet/index.js';
import { fleetTrustLevel } from '../../protocol/fleet/trust.js';
import { isJsonObject } from '../../protocol/scalars.js';

/** How many tasks may run at once, beside each worker's own number. */
export interface Caps {
  readonly perRun: number;
  /** On one host, whatever the number of workers there. */
  readonly perHost: number;
  /** Of one class, see `classOf`. */
  readonly perClass: number;
}

/** As the one program that runs fleets has them. */
export const DEFAULT_CAPS: Caps = { perRun: 4, perHost: 4, perClass: 4 };

/** What runs now. */
export interface Load {
  readonly run: number;
  readonly byWorker: ReadonlyMap<string, number>;
  readonly byHost: ReadonlyMap<string, number>;
  readonly byClass: ReadonlyMap<string, number>;
}

/** A worker with the trust that it really has, see `effectiveTrust`. */
export interface Candidate {
  readonly spec: FleetWorkerSpec;
  readonly trust: FleetTrustLevel;
}

/** `never`: not with these workers; the others pass with time. */
export type Misfit =
  'capabilities' | 'labels' | 'trust' | 'worker_full' | 'run_cap' | 'host_cap' | 'class_cap';

const LASTING: ReadonlySet<Misfit> = new Set(['capabilities', 'labels', 'trust']);

/** Why the worker cannot take the task now; `undefined` where it can. */
export function misfit(task: FleetTaskSpec, worker: Candidate, load: Load, caps: Caps): Misfit | undefined {
  const { spec, trust } = worker;
  const needed = task.worker?.capabilities ?? [];
  if (!needed.every((one) => spec.capabilities.includes(one))) return 'capabilities';
  const labels = Object.entries(neededLabels(task));
  if (!labels.every(([name, value]) => Object.hasOwn(spec.labels, name) && spec.labels[name] === value)) {
    return 'labels';
  }
  if (compareTrust(trust, neededTrust(task)) < 0) return 'trust';
  if (load.run >= caps.perRun) return 'run_cap';
  if ((load.byWorker.get(spec.id) ?? 0) >= (spec.max_concurrent_tasks ?? 1)) return 'worker_full';
  if ((load.byHost.get(hostKey(spec.host)) ?? 0) >= caps.perHost) return 'host_cap';
  if ((load.byClass.get(classOf(task)) ?? 0) >= caps.perClass) return 'class_cap';
  return undefined;
}

/** Whether waiting does not help. */
export function isLasting(reason: Misfit): boolean {
  return LASTING.has(reason);
}

/** The worker to take: of those that fit, the one with the smallest share of its places taken, then by id. */
export function choose(
  task: FleetTaskSpec,
  workers: Iterable<Candidate>,
  load: Load,
  caps: Caps,
): Candidate | undefined {
  let best: Candidate | undefined;
  let bestShare = Infinity;
  for (const worker of workers) {
    if (misfit(task, worker, load, caps) !== undefined) continue;
    const share = (load.byWorker.get(worker.spec.id) ?? 0) / (worker.spec.max_concurrent_tasks ?? 1);
    if (share < bestShare || (share === bestShare && worker.spec.id < (best?.spec.id ?? ''))) {
      [best, bestShare] = [worker, share];
    }
  }
  return best;
}

/** One key for each machine. */
export function hostKey(host: FleetHostSpec): string {
  switch (host.kind) {
    case 'local':
      return 'local';
    case 'ssh':
      return `ssh:${host.host.toLowerCase()}:${host.port ?? 22}`;
    case 'docker':
      // Containers share the machine that runs them.
      return 'docker';
  }
}

/** The class of a task: what its author calls it, else its role. */
export function classOf({ metadata, worker }: FleetTaskSpec): string {
  const named = metadata['class'];
  return typeof named === 'string' ? named : (worker?.role ?? 'general');
}

/** Labels that a worker must have, by `metadata.worker_labels`. */
export function neededLabels({ metadata }: FleetTaskSpec): Readonly<Record<string, unknown>> {
  const labels = metadata['worker_labels'];
  return isJsonObject(labels) ? labels : {};
}

/** The least trust that a worker must have, by `metadata.min_trust`. */
export function neededTrust({ metadata }: FleetTaskSpec): FleetTrustLevel {
  const read = fleetTrustLevel.safeParse(metadata['min_trust']);
  return read.success ? read.data : 'sandbox';
}

/** What decides where a task may run: tasks of one kind are placed alike. */
export function kindOf(task: FleetTaskSpec): string {
  const { worker, workspace } = task;
  return JSON.stringify([worker, workspace, neededLabels(task), neededTrust(task), classOf(task)]);
}
