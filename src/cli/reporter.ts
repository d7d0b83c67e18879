/** How a job is shown while it runs: as a tree that is drawn again and again, or as lines that stay. */
import type { JobEvent } from '../client/index.js';
import type { JobState } from '../protocol/index.js';
import { nameOf, progressText, seconds, spendingLines, treeLines } from './job-lines.js';
import { JobWatch, type WatchedJob } from './job-watch.js';
import { SpokenLines } from './spoken-lines.js';
import { StreamLines } from './stream-lines.js';
import { printable } from './text.js';

/** What of a terminal, or of what stands in its place, is needed. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface Reporter {
  /** The job was begun before the watching: what it is, and how it stands. */
  join(agent: string, state: JobState): void;
  event(event: JobEvent): void;
  /** Says something that stays. */
  say(line: string): void;
  /** Lets `write` put something on the same terminal, and goes on below it. */
  around<T>(write: () => T): T;
  /** Leaves the terminal to somebody who is asked something; what is said meanwhile is shown afterwards. */
  asking(ask: () => Promise<void>): Promise<void>;
  /** Nothing more comes: what was shown stays, and what was spent is told. Once or more. */
  end(): void;
}

/** Whether the screen takes cursor movements. */
export function isLive(screen: Screen, env: NodeJS.ProcessEnv): boolean {
  return screen.isTTY === true && env['TERM'] !== 'dumb' && env['CI'] === undefined;
}

/** With `verbose`, what streams of text and thoughts say is shown too. */
export function createReporter(
  rootId: string,
  screen: Screen,
  env: NodeJS.ProcessEnv,
  verbose = false,
): Reporter {
  const spoken = verbose ? new SpokenLines() : undefined;
  return isLive(screen, env)
    ? new LiveReporter(rootId, screen, env, spoken)
    : new PlainReporter(rootId, screen, spoken);
}

/** The most lines that wait while somebody is asked; the oldest are dropped (L7). */
const MAX_HELD = 1_000;

/** Lines that are said while somebody is asked. */
class HeldLines {
  isHolding = false;
  #lines: string[] = [];

  /** Whether the line waits. */
  holds(line: string): boolean {
    if (!this.isHolding) return false;
    this.#lines.push(line);
    if (this.#lines.length > MAX_HELD) this.#lines.shift();
    return true;
  }

  async during(ask: () => Promise<void>): Promise<void> {
    this.isHolding = true;
    try {
      await ask();
    } finally {
      this.isHolding = false;
    }
  }

  take(): string[] {
    this.isHolding = false;
    return this.#lines.splice(0);
  }
}

/** Redrawing more often shows nothing new to an eye. */
const FRAME_MS = 80;
const IDLE_FRAMES = 6;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

export class LiveReporter implements Reporter {
  readonly #watch: JobWatch;
  readonly #screen: Screen;
  readonly #color: boolean;
  readonly #timer: NodeJS.Timeout;
  readonly #restore = (): void => {
    this.#screen.write(SHOW_CURSOR);
  };
  /** Lines of the tree that are on the screen, just above the cursor. */
  #drawn = 0;
  /** Frames since the last that was drawn. */
  #idle = 0;
  #dirty = false;
  #ended = false;
  readonly #held = new HeldLines();
  readonly #streams = new StreamLines();
  readonly #spoken: SpokenLines | undefined;

  constructor(rootId: string, screen: Screen, env: NodeJS.ProcessEnv, spoken?: SpokenLines) {
    this.#spoken = spoken;
    this.#watch = new JobWatch(rootId);
    this.#screen = screen;
    this.#color = (env['NO_COLOR'] ?? '') === '';
    this.#timer = setInterval(() => this.#frame(), FRAME_MS);
    this.#timer.unref();
    screen.write(HIDE_CURSOR);
    process.once('exit', this.#restore);
  }

  join(agent: string, state: JobState): void {
    this.#watch.join(agent, state, Date.now());
  }

  event(event: JobEvent): void {
    this.#watch.apply(event, Date.now());
    this.#dirty = true;
    for (const line of this.#spoken?.of(event) ?? []) this.say(line);
    const stream = this.#streams.of(event);
    if (stream !== undefined) this.say(stream);
    if (event.type === 'log') this.say(`${event.payload.level}: ${printable(event.payload.message)}`);
  }

  say(line: string): void {
    if (this.#held.holds(line)) return;
    this.around(() => this.#screen.write(`${line}\n`));
  }

  async asking(ask: () => Promise<void>): Promise<void> {
    this.#screen.write(`${this.#erase()}${SHOW_CURSOR}`);
    await this.#held.during(ask);
    if (!this.#ended) this.#screen.write(HIDE_CURSOR);
    for (const line of this.#held.take()) this.say(line);
    this.#dirty = true;
  }

  around<T>(write: () => T): T {
    if (this.#ended || this.#held.isHolding) return write();
    this.#screen.write(this.#erase());
    try {
      return write();
    } finally {
      this.#screen.write(this.#tree());
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    process.removeListener('exit', this.#restore);
    for (const line of this.#held.take()) this.#screen.write(`${line}\n`);
    const spent = spendingLines(this.#watch.spending).map((line) => `${line}\n`);
    this.#screen.write(`${this.#erase()}${this.#tree()}${SHOW_CURSOR}${spent.join('')}`);
  }

  /** A running job's time goes on without events, so one frame in a few is drawn anyway. */
  #frame(): void {
    if (this.#held.isHolding) return;
    this.#idle += 1;
    if (this.#dirty || this.#idle >= IDLE_FRAMES) this.#screen.write(`${this.#erase()}${this.#tree()}`);
  }

  #erase(): string {
    const lines = this.#drawn;
    this.#drawn = 0;
    return lines === 0 ? '' : `\u001b[${lines}A\r\u001b[0J`;
  }

  #tree(): string {
    // A terminal that nobody has told its size says 0.
    const columns = this.#screen.columns || 80;
    const rows = this.#screen.rows || 24;
    const room = { columns: columns - 1, rows: rows - 2, color: this.#color };
    const lines = treeLines(this.#watch, Date.now(), room);
    this.#drawn = lines.length;
    this.#dirty = false;
    this.#idle = 0;
    return lines.map((line) => `${line}\n`).join('');
  }
}

/** A line for whatever matters; progress of one job at most once a second. */
const PROGRESS_MS = 1_000;

export class PlainReporter implements Reporter {
  readonly #watch: JobWatch;
  readonly #screen: Screen;
  readonly #told = new WeakMap<WatchedJob, number>();
  readonly #held = new HeldLines();
  readonly #streams = new StreamLines();
  readonly #spoken: SpokenLines | undefined;
  #ended = false;

  constructor(rootId: string, screen: Screen, spoken?: SpokenLines) {
    this.#spoken = spoken;
    this.#watch = new JobWatch(rootId);
    this.#screen = screen;
  }

  join(agent: string, state: JobState): void {
    this.#watch.join(agent, state, Date.now());
  }

  event(event: JobEvent): void {
    const now = Date.now();
    const job = this.#watch.apply(event, now);
    if (job === undefined) return;
    for (const line of this.#spoken?.of(event) ?? []) this.#sayOf(job, line);
    const what = this.#line(event, job, now);
    if (what !== undefined) this.#sayOf(job, what);
  }

  #sayOf(job: WatchedJob, what: string): void {
    this.say(`${'  '.repeat(depth(job))}${job.id} ${nameOf(job)}  ${what}`);
  }

  say(line: string): void {
    if (!this.#held.holds(line)) this.#screen.write(`${line}\n`);
  }

  async asking(ask: () => Promise<void>): Promise<void> {
    await this.#held.during(ask);
    for (const line of this.#held.take()) this.say(line);
  }

  around<T>(write: () => T): T {
    return write();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const line of this.#held.take()) this.say(line);
    for (const line of spendingLines(this.#watch.spending)) this.say(line);
  }

  #line(event: JobEvent, job: WatchedJob, now: number): string | undefined {
    switch (event.type) {
      case 'job.accepted':
        return 'accepted';
      case 'job.progress': {
        const told = this.#told.get(job);
        if (job.progress === undefined || (told !== undefined && now - told < PROGRESS_MS)) return undefined;
        this.#told.set(job, now);
        return progressText(job.progress);
      }
      case 'artifact.ref': {
        const { artifact_id: id, media_type: mediaType, size } = event.payload;
        return `artifact ${printable(id)}  ${size} bytes, ${printable(mediaType)}`;
      }
      case 'log':
        return `${event.payload.level}: ${printable(event.payload.message)}`;
      case 'job.completed':
      case 'job.failed':
      case 'job.cancelled': {
        const note = job.note === undefined ? '' : `  ${printable(job.note)}`;
        return `${job.state} after ${seconds(now - job.since)}${note}`;
      }
      default:
        return this.#streams.of(event);
    }
  }
}

function depth(job: WatchedJob): number {
  let above = 0;
  for (let at = job.parent; at !== undefined; at = at.parent) above += 1;
  return above;
}
