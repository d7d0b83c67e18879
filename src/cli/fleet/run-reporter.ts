/** How a run is shown while it goes on: as a table that is drawn again and again, or as lines that stay. */
import { etaSeconds } from '../../fleet/manager/ledger-views.js';
import type { Screen } from '../reporter.js';
import { fit, printable } from '../text.js';
import { costText, durationText, table } from './lines.js';
import type { Change, RunWatch } from './run-watch.js';

/** Redrawing more often shows nothing new to an eye. */
const FRAME_MS = 150;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

export interface RunReporter {
  changed(change: Change): void;
  /** Says something that stays. */
  say(line: string): void;
  /** Leaves the terminal to somebody who is asked something. */
  asking(ask: () => Promise<void>): Promise<void>;
  /** Nothing more comes. Once or more. */
  end(): void;
}

/** Lines: each end of an attempt, and how the run stands every so often. */
export class PlainRunReporter implements RunReporter {
  readonly #watch: RunWatch;
  readonly #screen: Screen;

  constructor(watch: RunWatch, screen: Screen) {
    this.#watch = watch;
    this.#screen = screen;
  }

  changed(change: Change): void {
    const line = lineOf(change, this.#watch);
    if (line !== undefined) this.say(line);
  }

  say(line: string): void {
    this.#screen.write(`${line}\n`);
  }

  asking(ask: () => Promise<void>): Promise<void> {
    return ask();
  }

  end(): void {
    // Its lines stand.
  }
}

export class LiveRunReporter implements RunReporter {
  readonly #watch: RunWatch;
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;
  #isAsking = false;
  #ended = false;
  readonly #restore = (): void => {
    this.#screen.write(SHOW_CURSOR);
  };

  constructor(watch: RunWatch, screen: Screen, now: () => number = Date.now) {
    this.#watch = watch;
    this.#screen = screen;
    this.#now = now;
    this.#timer = setInterval(() => {
      this.#draw();
    }, FRAME_MS);
    this.#timer.unref();
    screen.write(HIDE_CURSOR);
    process.once('exit', this.#restore);
  }

  changed(change: Change): void {
    const line = lineOf(change, this.#watch);
    // What goes on is in the table; what went wrong stays above it.
    if (line !== undefined && change.kind === 'task' && change.receipt?.result !== 'pass') this.say(line);
  }

  say(line: string): void {
    this.#screen.write(`${this.#erase()}${line}\n`);
    this.#draw();
  }

  async asking(ask: () => Promise<void>): Promise<void> {
    this.#screen.write(`${this.#erase()}${SHOW_CURSOR}`);
    this.#isAsking = true;
    await ask();
    this.#isAsking = false;
    if (!this.#ended) this.#screen.write(HIDE_CURSOR);
  }

  end(): void {
    if (this.#ended) return;
    this.#draw();
    this.#ended = true;
    clearInterval(this.#timer);
    process.off('exit', this.#restore);
    this.#screen.write(SHOW_CURSOR);
  }

  #draw(): void {
    if (this.#ended || this.#isAsking) return;
    const { columns = 80, rows = 24 } = this.#screen;
    const lines = tableLines(this.#watch, this.#now(), { columns, rows: rows - 1 });
    this.#screen.write(`${this.#erase()}${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = lines.length;
  }

  #erase(): string {
    const erased = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\u001b[0J`;
    this.#drawn = 0;
    return erased;
  }
}

/** How the run stands in one line. */
export function statusLine(watch: RunWatch, now: number): string {
  const { status, queued, running, done, total, ended, spent, startedAt } = watch;
  const eta = status === 'running' ? etaSeconds(done, total - done, now - startedAt) : undefined;
  const parts = [
    status,
    `${queued} queued`,
    `${running} running`,
    `${ended.completed} done`,
    `${ended.failed} failed`,
    ...(ended.cancelled > 0 ? [`${ended.cancelled} cancelled`] : []),
    ...(Object.keys(spent).length > 0 ? [costText(spent)] : []),
    ...(eta === undefined ? [] : [`about ${durationText(eta)} left`]),
  ];
  return parts.join('  ');
}

/** The table, no higher and no wider than there is room. */
export function tableLines(
  watch: RunWatch,
  now: number,
  room: { readonly columns: number; readonly rows: number },
): string[] {
  const head = statusLine(watch, now);
  const most = Math.max(0, room.rows - 2);
  const open = [...watch.open.values()];
  const shown = open.slice(0, most);
  const rows = shown.map(({ id, status, worker, attempt, since }) => [
    ` ${id}`,
    status === 'restarted' ? 'waits' : status,
    worker,
    attempt > 1 ? `attempt ${attempt}` : '',
    durationText((now - since) / 1_000),
  ]);
  const lines = rows.length === 0 ? [] : table(rows).trimEnd().split('\n');
  const hidden = open.length - shown.length;
  const more = hidden > 0 ? [` and ${hidden} more`] : [];
  return [head, ...lines, ...more].map((line) => fit(line, room.columns));
}

/** What is said of a change to those who read lines. */
export function lineOf(change: Change, watch: RunWatch): string | undefined {
  switch (change.kind) {
    case 'run':
      return `run ${change.status}`;
    case 'worker':
      return ['unhealthy', 'draining', 'retired'].includes(change.status)
        ? printable(`worker ${change.id} ${change.status}`)
        : undefined;
    case 'task': {
      const { task, receipt } = change;
      const place = `${watch.done}/${watch.total}`;
      if (receipt !== undefined) {
        const notes = receipt.result === 'pass' ? '' : (receipt.score?.notes ?? task.reason ?? '');
        return printable(
          `${place}  ${task.id}  ${task.status}  ${receipt.result}${notes === '' ? '' : `  ${notes}`}`,
        );
      }
      if (task.status === 'restarted') {
        return printable(`${place}  ${task.id}  is tried again  ${task.reason ?? ''}`.trimEnd());
      }
      return task.status === 'stale' ? printable(`${place}  ${task.id}  gives no sign of life`) : undefined;
    }
  }
}
