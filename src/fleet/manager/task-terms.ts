/** Under which terms a worker does a task: where, with which authority, for how long. */
import { mkdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  DEFAULT_SECURITY_POLICY,
  type FleetTaskSpec,
  type FleetWorkerSpec,
} from '../../protocol/fleet/index.js';
import type { WorkerProfile } from '../../protocol/worker-profile.js';
import { trustOf } from '../hosts/identity.js';
import { writesOf, type WriteSet } from '../scheduling/writers.js';
import { taskAuthority, type TaskAuthority } from '../trust/authority.js';
import { postureOf, taskLease, taskProfile } from '../trust/task-lease.js';
import type { RunPlan } from './run-arguments.js';

export interface TaskTerms {
  /** Absolute, with its links followed; `undefined` where it is no folder. */
  readonly workspace: string | undefined;
  /** The task's own folder. */
  readonly folder: string;
  readonly lease: Readonly<Record<string, unknown>>;
  readonly profile: WorkerProfile;
  /** How long an attempt may take, in milliseconds. */
  readonly limitMs: number | undefined;
  /** Whether that is a matter of the budget (`max_seconds`) and not of `timeout_seconds`. */
  readonly isBudgetLimit: boolean;
}

/** Throws INVALID_ARGUMENT for folders whose names would be patterns. */
export async function taskTerms(
  task: FleetTaskSpec,
  authority: TaskAuthority,
  workspace: string | undefined,
  runFolder: string,
): Promise<TaskTerms> {
  const own = join(runFolder, task.id);
  await mkdir(own, { recursive: true, mode: 0o700 });
  const folder = await realpath(own);
  const { timeout_seconds: timeout, budget } = task;
  const limits = [timeout, budget?.max_seconds].filter((one) => typeof one === 'number');
  const limit = limits.length === 0 ? undefined : Math.max(1, Math.min(...limits) * 1_000);
  return {
    workspace,
    folder,
    lease: taskLease(task, authority, { workspace: workspace ?? folder, own: folder }),
    profile: taskProfile(task, authority),
    limitMs: limit,
    isBudgetLimit: budget?.max_seconds !== undefined && budget.max_seconds < (timeout ?? Infinity),
  };
}

/** What the task may do on that worker. */
export function authorityOn(
  { spec: { security_policy: policy = DEFAULT_SECURITY_POLICY } }: RunPlan,
  task: FleetTaskSpec,
  worker: FleetWorkerSpec,
): TaskAuthority {
  return taskAuthority(task, postureOf(task), trustOf(worker, policy), policy.capability_grants ?? []);
}

/** What the task could write there, so that no other task writes it meanwhile. */
export function writeSet(task: FleetTaskSpec, authority: TaskAuthority, workspace: string): WriteSet {
  return writesOf(task, workspace, authority.write.length > 0);
}

/** Each root that the tasks name, and the folder that it is. */
export class Workspaces {
  readonly #found = new Map<string, string | undefined>();
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  async find(tasks: Iterable<FleetTaskSpec>): Promise<void> {
    for (const { workspace } of tasks) {
      const root = workspace?.root ?? '.';
      if (!this.#found.has(root)) this.#found.set(root, await folderAt(resolve(this.#base, root)));
    }
  }

  of({ workspace }: FleetTaskSpec): string | undefined {
    return this.#found.get(workspace?.root ?? '.');
  }
}

async function folderAt(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    return (await stat(real)).isDirectory() ? real : undefined;
  } catch {
    return undefined;
  }
}
