/** What a report says in figures, for every form of it. */
import type { Outcome, Report, Verdict } from '../run/suite.js';

export const KINDS = ['passed', 'failed', 'advised', 'known', 'unexpected', 'skipped'] as const;
export type Kind = (typeof KINDS)[number];

export type Counts = Readonly<Record<Kind, number>>;

export function countsOf(outcomes: readonly Outcome[]): Counts {
  const counts: Record<Kind, number> = {
    passed: 0,
    failed: 0,
    advised: 0,
    known: 0,
    unexpected: 0,
    skipped: 0,
  };
  for (const { verdict } of outcomes) counts[verdict.kind] += 1;
  return counts;
}

/** The outcomes by topic, in their order. */
export function byTopic({ outcomes }: Report): ReadonlyMap<string, readonly Outcome[]> {
  const topics = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const { topic } = outcome.scenario;
    topics.set(topic, [...(topics.get(topic) ?? []), outcome]);
  }
  return topics;
}

/** The lines that explain an outcome which is not plainly right; none for one that is. */
export function explanation({ scenario, verdict }: Outcome): string[] {
  switch (verdict.kind) {
    case 'failed':
    case 'advised':
      return [
        `${scenario.id}: ${scenario.shows}`,
        `at ${verdict.failure.step}: ${verdict.failure.message}`,
        ...verdict.broken.map(
          ({ id, level, shows, source }) => `breaks ${id} (${level}, ${source}): ${shows}`,
        ),
        ...verdict.failure.transcript.map((line) => `  ${line}`),
      ];
    case 'known':
      return [
        `${scenario.id}: known: ${verdict.reason}`,
        `at ${verdict.failure.step}: ${verdict.failure.message}`,
      ];
    case 'unexpected':
      return [`${scenario.id}: passes, and is listed as a known failure: ${verdict.reason}`];
    case 'skipped':
      return [`${scenario.id}: skipped: ${verdict.reason}`];
    case 'passed':
      return [];
  }
}

export function counts(verdict: Verdict): boolean {
  return verdict.kind === 'failed' || verdict.kind === 'unexpected';
}
