/** The report for whoever sits at a terminal: a line that moves while it runs, what is wrong, and the figures. */
import type { Outcome, Report } from '../run/suite.js';
import { byTopic, countsOf, explanation, type Counts } from './summary.js';

export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** Shows how far it is; nothing where nobody looks. */
export class Progress {
  readonly #screen: Screen;
  #failed = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  tell({ scenario, verdict }: Outcome, done: number, all: number): void {
    if (verdict.kind === 'failed' || verdict.kind === 'unexpected') this.#failed += 1;
    if (this.#screen.isTTY !== true) return;
    const failed = this.#failed === 0 ? '' : `, ${this.#failed} failed`;
    this.#screen.write(`\r\u001b[K${done} of ${all}${failed}  ${scenario.id}`);
  }

  end(): void {
    if (this.#screen.isTTY === true) this.#screen.write('\r\u001b[K');
  }
}

export function terminalReport(report: Report): string {
  const { outcomes, runtimes, url, ms, passed } = report;
  const lines: string[] = [];
  for (const outcome of outcomes) {
    const [title, ...rest] = explanation(outcome);
    if (title === undefined || outcome.verdict.kind === 'skipped') continue;
    lines.push(`${WORDS[outcome.verdict.kind]} ${title}`, ...rest.map((line) => `  ${line}`), '');
  }
  const topics = [...byTopic(report)];
  const width = Math.max(...topics.map(([topic]) => topic.length), 0);
  for (const [topic, those] of topics) lines.push(`${topic.padEnd(width)}  ${figures(countsOf(those))}`);
  for (const [reason, number] of skippedFor(outcomes)) lines.push(`skipped ${number}: ${reason}`);
  const played = [...runtimes].map(([dialect, runtime]) => `${dialect}: ${runtime}`).join(', ');
  lines.push(
    `${passed ? 'passed' : 'FAILED'}  ${figures(countsOf(outcomes))}  in ${(ms / 1_000).toFixed(1)} s  ${url}  (${played})`,
  );
  return `${lines.join('\n')}\n`;
}

const WORDS = {
  passed: 'ok',
  failed: 'FAILED',
  advised: 'not required, and broken:',
  known: 'known failure:',
  unexpected: 'FAILED',
  skipped: 'skipped',
} as const;

function figures({ passed, failed, advised, known, unexpected, skipped }: Counts): string {
  const told = [
    [failed, 'failed'],
    [unexpected, 'pass unexpectedly'],
    [advised, 'broken that are not required'],
    [known, 'known failures'],
    [skipped, 'skipped'],
  ] as const;
  const rest = told.filter(([number]) => number > 0).map(([number, word]) => `, ${number} ${word}`);
  return `${passed} passed${rest.join('')}`;
}

function skippedFor(outcomes: readonly Outcome[]): ReadonlyMap<string, number> {
  const reasons = new Map<string, number>();
  for (const { verdict } of outcomes) {
    if (verdict.kind === 'skipped') reasons.set(verdict.reason, (reasons.get(verdict.reason) ?? 0) + 1);
  }
  return reasons;
}
