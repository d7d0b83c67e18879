/** What is answered to those who ask how runs stand; the same where the runtime is and where only its folder is. */
import type { Store } from '../../store/store.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import type { RunView, TaskView } from './run-view.js';
import { runViewOf, runViews, taskPage, taskViewOf } from './view-reader.js';

export type Asked =
  | { readonly show: 'runs' }
  | { readonly show: 'run'; readonly run: string }
  | { readonly show: 'task'; readonly run: string; readonly task: string }
  | { readonly show: 'tasks'; readonly run: string; readonly from: number };

/** A run in a list. */
export type RunLine = Omit<RunView, 'workers' | 'running' | 'failed' | 'more_workers'>;

export interface TasksAnswer {
  readonly run_id: string;
  readonly tasks: readonly TaskView[];
  /** Where to go on asking; absent at the end. */
  readonly next?: number;
}

/** @param principal whose runs; without one all: whoever has the store's folder may see what is in it */
export async function show(
  store: Documents,
  principal: string | undefined,
  asked: Asked,
): Promise<{ readonly runs: readonly RunLine[] } | RunView | TaskView | TasksAnswer> {
  switch (asked.show) {
    case 'runs':
      return await showRuns(store, principal);
    case 'run':
      return await runViewOf(store, principal, asked.run);
    case 'task':
      return await taskViewOf(store, await runViewOf(store, principal, asked.run), asked.task);
    case 'tasks':
      return await showTasks(store, principal, asked.run, asked.from);
  }
}

type Documents = Pick<Store, 'documents'>;

async function showRuns(
  store: Documents,
  principal: string | undefined,
): Promise<{ readonly runs: readonly RunLine[] }> {
  const views = await runViews(store, principal);
  return { runs: views.map(({ workers: _w, running: _r, failed: _f, more_workers: _m, ...line }) => line) };
}

async function showTasks(
  store: Documents,
  principal: string | undefined,
  run: string,
  from: number,
): Promise<TasksAnswer> {
  const view = await runViewOf(store, principal, run);
  const tasks: TaskView[] = [];
  let bytes = 0;
  let next: number | undefined = from;
  while (next !== undefined) {
    const page = await taskPage(store, view, next);
    bytes += JSON.stringify(page.tasks).length;
    // At least one page is answered, however large.
    if (tasks.length > 0 && bytes > DEFAULT_FLEET_LIMITS.maxAnswerBytes) break;
    tasks.push(...page.tasks);
    next = page.next;
  }
  return { run_id: view.run_id, tasks, ...(next === undefined ? {} : { next }) };
}
