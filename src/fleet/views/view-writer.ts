/**
 * Keeps the views of a run up to date in the store, so that nobody who asks how it stands has to replay it.
 *
 * (V1) One document tells of the run as a whole; tasks lie in pages of `PAGE_TASKS`. A change marks what it touches, and
 *      what is marked is written at most once in `viewIntervalMs`: a run costs as many writes as it has pages and moments,
 *      not as many as it has events.
 * (V2) Views follow the ledger and are never read back into it: what a crash left behind is put right by the next life.
 */
import type { Clock, Timer } from '../../clock.js';
import type { DocumentWrite, Store } from '../../store/store.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { PAGE_TASKS, pageKey, pagesPrefix, runKey } from './keys.js';
import type { RunView, TaskView } from './run-view.js';

export interface Viewed {
  readonly runId: string;
  readonly taskCount: number;
  run(): RunView;
  /** The tasks from one place of the spec on. */
  tasks(from: number, count: number): readonly TaskView[];
}

export class ViewWriter {
  readonly #viewed: Viewed;
  readonly #store: Pick<Store, 'append' | 'documents'>;
  readonly #clock: Clock;
  /** Is told once that views cannot be written; the run goes on. */
  readonly #failed: (error: unknown) => void;
  readonly #revisions = new Map<string, number>();
  readonly #pages = new Set<number>();
  #isMarked = false;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    viewed: Viewed,
    store: Pick<Store, 'append' | 'documents'>,
    clock: Clock,
    failed: (error: unknown) => void,
  ) {
    this.#viewed = viewed;
    this.#store = store;
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Everything is to be written; in a later life over what there is (V2). */
  async open(): Promise<void> {
    const { runId, taskCount } = this.#viewed;
    for (const prefix of [runKey(runId), pagesPrefix(runId)]) {
      for (const { key, revision } of await this.#store.documents(prefix)) this.#revisions.set(key, revision);
    }
    for (let page = 0; page * PAGE_TASKS < taskCount; page += 1) this.#pages.add(page);
    await this.flush();
  }

  /** (V1) */
  mark(taskIndex: number | undefined): void {
    this.#isMarked = true;
    if (taskIndex !== undefined) this.#pages.add(Math.floor(taskIndex / PAGE_TASKS));
    this.#timer ??= this.#clock.timer(DEFAULT_FLEET_LIMITS.viewIntervalMs, () => {
      this.#timer = undefined;
      void this.flush();
    });
  }

  /** Resolves once what was marked is written. Never rejects. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isMarked || this.#pages.size > 0) {
      this.#writing = this.#writing.then(() => this.#write()).catch(this.#failed);
    }
    return this.#writing;
  }

  async #write(): Promise<void> {
    const { runId } = this.#viewed;
    const pages = [...this.#pages];
    this.#pages.clear();
    this.#isMarked = false;
    const writes = [
      this.#document(runKey(runId), this.#viewed.run()),
      ...pages.map((page) =>
        this.#document(pageKey(runId, page), this.#viewed.tasks(page * PAGE_TASKS, PAGE_TASKS)),
      ),
    ];
    await this.#store.append(writes);
    for (const { key, revision } of writes) this.#revisions.set(key, revision);
  }

  #document(key: string, view: unknown): DocumentWrite {
    const revision = (this.#revisions.get(key) ?? 0) + 1;
    return { kind: 'document', key, revision, text: JSON.stringify(view) };
  }
}
