/** A run's views, taken from its ledger and its roster. */
import { hostKey } from '../scheduling/placement.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import type { RunView, TaskLine, TaskView } from '../views/run-view.js';
import type { Viewed } from '../views/view-writer.js';
import type { Ledger, TaskRecord } from './ledger.js';
import type { Roster } from './roster.js';
import { costOf } from './spending.js';

export interface ViewSources {
  readonly ledger: Ledger;
  readonly roster: Roster;
  readonly name: string;
  readonly principal: string;
  /** Attempts that are not over. */
  readonly open: ReadonlySet<TaskRecord>;
  /** The latest that failed; at most `maxShownFailures`. */
  readonly failures: readonly TaskRecord[];
  readonly now: () => number;
}

export function viewedRun(sources: ViewSources): Viewed {
  const records = [...sources.ledger.tasks.values()];
  return {
    runId: sources.ledger.runId,
    taskCount: records.length,
    run: () => runViewIn(sources),
    tasks: (from, count) => records.slice(from, from + count).map(taskViewIn),
  };
}

export function runViewIn(sources: ViewSources): RunView {
  const { ledger, roster, name, principal, open, failures, now } = sources;
  const { maxShownTasks, maxShownWorkers } = DEFAULT_FLEET_LIMITS;
  const { open: unsettled, ...settled } = ledger.counts;
  const total = ledger.tasks.size;
  const workers = [...roster.workers.values()].slice(0, maxShownWorkers);
  const eta = isOver(ledger)
    ? undefined
    : etaSeconds(total - unsettled, unsettled, now() - ledger.enqueuedAt);
  return {
    run_id: ledger.runId,
    name,
    principal,
    status: ledger.status,
    created_at: new Date(ledger.enqueuedAt).toISOString(),
    updated_at: new Date(now()).toISOString(),
    ...(ledger.completedAt === undefined ? {} : { completed_at: ledger.completedAt }),
    tasks: {
      total,
      queued: Math.max(0, unsettled - open.size),
      running: Math.min(open.size, unsettled),
      ...settled,
    },
    cost: costOf(ledger.cost) ?? {},
    ...(eta === undefined ? {} : { eta_seconds: eta }),
    workers: workers.map(({ spec }) => ({
      worker_id: spec.id,
      host: hostKey(spec.host),
      status: roster.status(spec.id),
      tasks: roster.condition(spec.id).tasks,
    })),
    more_workers: roster.workers.size - workers.length,
    running: [...open].slice(0, maxShownTasks).map(lineOf),
    failed: failures.map(lineOf),
  };
}

function isOver({ completedAt }: Ledger): boolean {
  return completedAt !== undefined;
}

/** At the rate so far; `undefined` before anything is done. */
export function etaSeconds(done: number, left: number, elapsedMs: number): number | undefined {
  return done === 0 ? undefined : Math.ceil((elapsedMs / done) * left) / 1_000;
}

function lineOf(record: TaskRecord): TaskLine {
  const { artifacts: _artifacts, receipt: _receipt, ...line } = taskViewIn(record);
  return line;
}

export function taskViewIn(record: TaskRecord): TaskView {
  const { spec, index, state, jobId, since, notBefore, reason, asks, artifacts, receipt } = record;
  const cost = costOf(record.cost);
  return {
    task_id: spec.id,
    name: spec.name,
    index,
    status: state.status,
    settled: state.settled,
    attempt: state.attempt,
    ...(state.worker === undefined ? {} : { worker_id: state.worker }),
    ...(jobId === undefined ? {} : { job_id: jobId }),
    ...(since === undefined ? {} : { since }),
    ...(state.status === 'restarted' && notBefore > 0
      ? { not_before: new Date(notBefore).toISOString() }
      : {}),
    ...(reason === undefined ? {} : { reason }),
    ...(asks === undefined ? {} : { asks }),
    ...(cost === undefined ? {} : { cost }),
    artifacts: [...artifacts],
    ...(receipt === undefined ? {} : { receipt }),
  };
}
