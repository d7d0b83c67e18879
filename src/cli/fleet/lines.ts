/** Runs and tasks as text: tables whose columns are as wide as what is in them. */
import type { RunView, TaskLine, TaskView } from '../../fleet/views/run-view.js';
import type { RunLine } from '../../fleet/views/show.js';
import { fit, printable, widthOf } from '../text.js';

/** No column is wider, but for the last. */
const WIDEST = 40;

export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) =>
    row.map((cell, column) => {
      const text = printable(cell);
      return column === row.length - 1 ? text : fit(text, WIDEST);
    }),
  );
  const widths: number[] = [];
  for (const row of shown) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    }
  }
  return shown
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** `12 tasks: 3 queued, 5 running, 4 completed`. */
export function countsText({ total, ...counts }: RunView['tasks']): string {
  const told = Object.entries(counts).filter(([, count]) => count > 0);
  const states = told.map(([state, count]) => `${count} ${state}`).join(', ');
  return `${total} ${total === 1 ? 'task' : 'tasks'}${states === '' ? '' : `: ${states}`}`;
}

export function costText(cost: Readonly<Record<string, string>>): string {
  return Object.entries(cost)
    .map(([currency, amount]) => `${amount} ${currency}`)
    .join(', ');
}

/** `1h 2m`, `3m 4s`, `5s`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole >= 3_600) return `${Math.floor(whole / 3_600)}h ${Math.floor((whole % 3_600) / 60)}m`;
  return whole >= 60 ? `${Math.floor(whole / 60)}m ${whole % 60}s` : `${whole}s`;
}

export function runsTable(runs: readonly RunLine[]): string {
  return table([
    ['RUN', 'NAME', 'STATUS', 'STARTED', 'TASKS'],
    ...runs.map((run) => [run.run_id, run.name, run.status, run.created_at, countsText(run.tasks)]),
  ]);
}

/** @param isLive whether somebody runs it */
export function runText(run: RunView, isLive: boolean): string {
  const { run_id, name, status, created_at, completed_at, tasks, cost, eta_seconds } = run;
  const isEnded = completed_at !== undefined;
  const facts = [
    ['run', run_id],
    ['name', name],
    ['status', `${status}${isEnded || isLive ? '' : ' (its runtime is not running: `arcp fleet resume`)'}`],
    ['started', created_at],
    ...(isEnded ? [['ended', completed_at]] : []),
    ['tasks', countsText(tasks)],
    ...(Object.keys(cost).length === 0 ? [] : [['cost', costText(cost)]]),
    ...(isEnded || !isLive || eta_seconds === undefined
      ? []
      : [['left', `about ${durationText(eta_seconds)}`]]),
  ];
  const workers = [
    ['WORKER', 'HOST', 'STATUS', 'TASKS'],
    ...run.workers.map(({ worker_id, host, status: state, tasks: count }) => [
      worker_id,
      host,
      state,
      String(count),
    ]),
  ];
  const more = run.more_workers > 0 ? `and ${run.more_workers} more workers\n` : '';
  return [
    table(facts),
    table(workers) + more,
    ...(run.running.length > 0 ? [tasksTable(run.running)] : []),
    ...(run.failed.length > 0 ? [`latest failures:\n${tasksTable(run.failed)}`] : []),
  ].join('\n');
}

export function tasksTable(tasks: readonly TaskLine[]): string {
  return table([
    ['TASK', 'STATUS', 'ATTEMPT', 'WORKER', 'JOB', 'WHY'],
    ...tasks.map((task) => [
      task.task_id,
      task.asks === undefined ? task.status : 'waits for you',
      String(task.attempt),
      task.worker_id ?? '-',
      task.job_id ?? '-',
      task.reason ?? '',
    ]),
  ]);
}

export function receiptsTable(tasks: readonly TaskView[]): string {
  return table([
    ['TASK', 'RESULT', 'FAULT', 'SCORE', 'ATTEMPTS', 'WORKER', 'NOTES'],
    ...tasks.flatMap(({ task_id, attempt, receipt }) => {
      if (receipt === undefined) return [];
      const { result, failure_kind, score, worker_id } = receipt;
      return [
        [
          task_id,
          result,
          failure_kind ?? '-',
          score === null ? '-' : String(score.value),
          String(attempt),
          worker_id === '' ? '-' : worker_id,
          score?.notes ?? '',
        ],
      ];
    }),
  ]);
}
