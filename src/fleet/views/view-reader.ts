/** Reads the views of runs. What somebody asks costs what is shown, not what happened (see `view-writer.ts`). */
import { ArcpError } from '../../protocol/errors.js';
import type { Store } from '../../store/store.js';
import { isEnded } from '../states/run-state.js';
import { PAGE_TASKS, pageKey, pagesPrefix, RUN_VIEWS, runKey } from './keys.js';
import { readRunView, readTaskViews, type RunView, type TaskView } from './run-view.js';

type Documents = Pick<Store, 'documents'>;

/** How a run may be named: its id, the beginning of one that no other has, or `latest`. */
export const LATEST = 'latest';

/** Those of a principal, or without one all; the latest first. */
export async function runViews(store: Documents, principal: string | undefined): Promise<RunView[]> {
  const views = (await store.documents(RUN_VIEWS)).flatMap(({ text }) => readRunView(text) ?? []);
  return views
    .filter((view) => principal === undefined || view.principal === principal)
    .sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
}

/** Throws NOT_FOUND, or INVALID_ARGUMENT where several runs begin so; the runs of others are not found. */
export async function runViewOf(
  store: Documents,
  principal: string | undefined,
  named: string,
): Promise<RunView> {
  if (named === LATEST) {
    const [latest] = await runViews(store, principal);
    if (latest !== undefined) return latest;
    throw new ArcpError('NOT_FOUND', 'there is no run');
  }
  const found = (await store.documents(runKey(named))).flatMap(({ text }) => readRunView(text) ?? []);
  const own = found.filter((view) => principal === undefined || view.principal === principal);
  const exact = own.find(({ run_id }) => run_id === named);
  const [first, second] = own;
  if (exact !== undefined || (first !== undefined && second === undefined))
    return (exact ?? first) as RunView;
  if (first === undefined) throw new ArcpError('NOT_FOUND', `there is no run ${named}`);
  throw new ArcpError('INVALID_ARGUMENT', `${own.length} runs begin with ${named}`);
}

export interface TaskPage {
  readonly tasks: readonly TaskView[];
  /** Where to go on; `undefined` at the end. */
  readonly next: number | undefined;
}

/** The page that the place `from` is on, from there on. */
export async function taskPage(
  store: Documents,
  { run_id, tasks }: RunView,
  from: number,
): Promise<TaskPage> {
  const page = Math.floor(from / PAGE_TASKS);
  const [document] = await store.documents(pageKey(run_id, page));
  const views = readTaskViews(document?.text ?? '[]').filter(({ index }) => index >= from);
  const next = (page + 1) * PAGE_TASKS;
  return { tasks: views, next: next < tasks.total ? next : undefined };
}

/** Throws NOT_FOUND. */
export async function taskViewOf(store: Documents, run: RunView, taskId: string): Promise<TaskView> {
  const quoted = JSON.stringify(taskId);
  for (const { text } of await store.documents(pagesPrefix(run.run_id))) {
    if (!text.includes(quoted)) continue;
    const found = readTaskViews(text).find(({ task_id }) => task_id === taskId);
    if (found !== undefined) return found;
  }
  throw new ArcpError('NOT_FOUND', `the run ${run.run_id} has no task ${taskId}`);
}

/** Forgets the views of the oldest runs that have ended, so that at most `kept` of those stay (L7). */
export async function forgetViews(store: Pick<Store, 'append' | 'documents'>, kept: number): Promise<void> {
  const documents = await store.documents(RUN_VIEWS);
  if (documents.length <= kept) return;
  const ended = documents
    .flatMap((document) => {
      const view = readRunView(document.text);
      return view !== undefined && isEnded(view.status) ? [{ document, view }] : [];
    })
    .sort((a, b) => Date.parse(a.view.created_at) - Date.parse(b.view.created_at));
  for (const { document, view } of ended.slice(0, documents.length - kept)) {
    const all = [document, ...(await store.documents(pagesPrefix(view.run_id)))];
    await store.append(
      all.map(({ key, revision }) => ({
        kind: 'document' as const,
        key,
        revision: revision + 1,
        text: undefined,
      })),
    );
  }
}
