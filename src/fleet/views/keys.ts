/** Under which keys the store has the views of runs. */
export const RUN_VIEWS = 'fleet/runs/';
const TASK_VIEWS = 'fleet/tasks/';

/** Tasks whose views are one document. */
export const PAGE_TASKS = 50;

export function runKey(runId: string): string {
  return `${RUN_VIEWS}${encodeURIComponent(runId)}`;
}

/** All pages of a run's tasks begin so. */
export function pagesPrefix(runId: string): string {
  return `${TASK_VIEWS}${encodeURIComponent(runId)}/`;
}

/** Of so many digits that the order of keys is that of pages. */
export function pageKey(runId: string, page: number): string {
  return `${pagesPrefix(runId)}${String(page).padStart(6, '0')}`;
}
