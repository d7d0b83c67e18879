/** A watched job tree as lines of text: no wider and no more than the terminal has room for. */
import { styleText } from 'node:util';
import { formatAmount, type JobState } from '../protocol/index.js';
import type { JobWatch, Progress, Spending, WatchedJob } from './job-watch.js';
import { fit, printable, widthOf } from './text.js';

export interface Room {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

type Style = Parameters<typeof styleText>[0];

const STATES: Readonly<Record<JobState, { readonly mark: string; readonly style: Style }>> = {
  accepted: { mark: '·', style: 'dim' },
  queued: { mark: '…', style: 'dim' },
  running: { mark: '▸', style: 'cyan' },
  blocked: { mark: '‖', style: 'yellow' },
  paused: { mark: '‖', style: 'yellow' },
  completed: { mark: '✓', style: 'green' },
  failed: { mark: '✗', style: 'red' },
  cancelled: { mark: '■', style: 'yellow' },
};

const BAR_COLUMNS = 12;

interface Line {
  readonly prefix: string;
  readonly job: WatchedJob;
}

/** The tree as it is drawn; where it is higher than the room, ended jobs are left out first, the oldest before the others. */
export function treeLines(watch: JobWatch, now: number, room: Room): string[] {
  const { root } = watch;
  if (root === undefined) return [];
  const all = [...walk(root, '', '')];
  let hidden = watch.forgotten;
  let shown = all;
  const max = Math.max(1, room.rows);
  if (shown.length + (hidden > 0 ? 1 : 0) > max) {
    let excess = shown.length + 1 - max;
    shown = shown.filter(({ job }) => {
      if (excess === 0 || job.parent === undefined || job.endedAt === undefined || job.children.size > 0)
        return true;
      excess -= 1;
      return false;
    });
    shown = shown.slice(0, Math.max(1, max - 1));
    hidden += all.length - shown.length;
  }
  const lines = shown.map((line) => jobLine(line, now, room));
  if (hidden > 0 && max > 1) lines.push(paint('dim', fit(`  and ${hidden} more`, room.columns), room.color));
  return lines;
}

function* walk(job: WatchedJob, prefix: string, below: string): Generator<Line> {
  yield { prefix, job };
  const children = [...job.children];
  for (const [index, child] of children.entries()) {
    const last = index === children.length - 1;
    yield* walk(child, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`);
  }
}

/** Mark, agent and task; what it says, cut to what is left; its time at the right edge. */
function jobLine({ prefix, job }: Line, now: number, { columns, color }: Room): string {
  const { mark, style } = STATES[job.state];
  const time = ` ${seconds((job.endedAt ?? now) - job.since)}`;
  const left = fit(nameOf(job), columns - widthOf(prefix) - 2 - widthOf(time));
  const used = widthOf(prefix) + 2 + widthOf(left) + widthOf(time);
  const told = fit(tell(job), columns - used - 2);
  if (left === '') return fit(`${prefix}${mark}`, columns);
  const gap = ' '.repeat(Math.max(0, columns - used - (told === '' ? 0 : 2 + widthOf(told))));
  const middle = told === '' ? '' : `  ${paint(job.state === 'failed' ? 'red' : 'dim', told, color)}`;
  return `${prefix}${paint(style, mark, color)} ${left}${middle}${gap}${paint('dim', time, color)}`;
}

/** Whose job it is and, where that is known, what it was asked to do. */
export function nameOf({ agent, task }: WatchedJob): string {
  return task === undefined ? printable(agent) : `${printable(agent)}: ${printable(task)}`;
}

/** What a job has to say for itself in one line. */
export function tell(job: WatchedJob): string {
  if (job.endedAt !== undefined && job.note !== undefined) return printable(job.note);
  if (job.progress !== undefined) {
    const text = progressText(job.progress);
    return job.endedAt === undefined ? `${bar(job.progress)}${text}` : text;
  }
  if (job.chunks > 0) return `${job.chunks} result ${job.chunks === 1 ? 'chunk' : 'chunks'}`;
  return job.state === 'running' || job.state === 'completed' ? '' : job.state;
}

export function progressText({ percent, current, total, units, message }: Progress): string {
  const unit = units === undefined ? '' : ` ${printable(units)}`;
  const count =
    total !== undefined
      ? `${round(current)}/${round(total)}${unit}`
      : percent !== undefined
        ? `${Math.round(percent)} %`
        : `${round(current)}${unit}`;
  return message === undefined ? count : `${count}  ${printable(message)}`;
}

function bar({ percent, current, total }: Progress): string {
  const part = percent ?? (total === undefined || total === 0 ? undefined : (100 * current) / total);
  if (part === undefined) return '';
  const full = Math.round((Math.min(100, Math.max(0, part)) / 100) * BAR_COLUMNS);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_COLUMNS - full)} `;
}

/** One line for each agent that spent money, and the sum where there are several; exact to the last digit. */
export function spendingLines(spending: Spending): string[] {
  const rows: [string, string][] = [];
  const sums = new Map<string, bigint>();
  for (const [agent, byCurrency] of spending) {
    rows.push([printable(agent), amounts(byCurrency)]);
    for (const [currency, amount] of byCurrency) sums.set(currency, (sums.get(currency) ?? 0n) + amount);
  }
  if (rows.length > 1) rows.push(['together', amounts(sums)]);
  const width = Math.max(0, ...rows.map(([agent]) => widthOf(agent)));
  return rows.map(([agent, amount]) => `spent  ${agent}${' '.repeat(width - widthOf(agent))}  ${amount}`);
}

function amounts(byCurrency: ReadonlyMap<string, bigint>): string {
  return [...byCurrency]
    .map(([currency, amount]) => `${formatAmount(amount)} ${printable(currency)}`)
    .join(', ');
}

export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const whole = Math.floor(ms / 1_000);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function paint(style: Style, text: string, color: boolean): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}
