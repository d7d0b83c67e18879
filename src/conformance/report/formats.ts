/** The report in the forms that other programs read: JSON, JUnit, TAP and Markdown. */
import type { Outcome, Report } from '../run/suite.js';
import { byTopic, counts, countsOf, explanation, KINDS } from './summary.js';

export const FORMATS = ['json', 'junit', 'tap', 'md'] as const;
export type Format = (typeof FORMATS)[number];

export function formatted(report: Report, format: Format): string {
  switch (format) {
    case 'json':
      return json(report);
    case 'junit':
      return junit(report);
    case 'tap':
      return tap(report);
    case 'md':
      return markdown(report);
  }
}

function json({ url, runtimes, ms, passed, outcomes }: Report): string {
  const document = {
    url,
    runtimes: Object.fromEntries(runtimes),
    passed,
    ms,
    counts: countsOf(outcomes),
    scenarios: outcomes.map(
      ({ scenario: { id, topic, dialect, shows, requirements }, level, ms: took, verdict }) => ({
        id,
        topic,
        dialect,
        shows,
        requirements,
        level,
        ms: took,
        verdict: verdict.kind,
        ...('reason' in verdict ? { reason: verdict.reason } : {}),
        ...('failure' in verdict ? { failure: verdict.failure } : {}),
        ...('broken' in verdict ? { broken: verdict.broken.map((one) => one.id) } : {}),
      }),
    ),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function junit(report: Report): string {
  const suites = [...byTopic(report)].map(([topic, outcomes]) => {
    const { failed, unexpected, skipped } = countsOf(outcomes);
    const cases = outcomes.map((outcome) => testcase(topic, outcome));
    const figures = `tests="${outcomes.length}" failures="${failed + unexpected}" skipped="${skipped}"`;
    return `  <testsuite name="${xml(topic)}" ${figures}>\n${cases.join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="arcp conformance" time="${seconds(report.ms)}">\n${suites.join('\n')}\n</testsuites>\n`;
}

function testcase(topic: string, outcome: Outcome): string {
  const { scenario, ms, verdict } = outcome;
  const head = `    <testcase classname="${xml(topic)}" name="${xml(`${scenario.id}: ${scenario.shows}`)}" time="${seconds(ms)}"`;
  const text = xml(explanation(outcome).join('\n'));
  if (counts(verdict))
    return `${head}>\n      <failure message="${xml(scenario.id)}">${text}</failure>\n    </testcase>`;
  if (verdict.kind === 'skipped')
    return `${head}>\n      <skipped message="${xml(verdict.reason)}"/>\n    </testcase>`;
  if (text === '') return `${head}/>`;
  return `${head}>\n      <system-out>${text}</system-out>\n    </testcase>`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}

/** Characters that XML 1.0 cannot hold at all become `�`. */
function xml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function tap({ outcomes }: Report): string {
  const lines = outcomes.flatMap((outcome, index) => {
    const { scenario, verdict } = outcome;
    const word = counts(verdict) || verdict.kind === 'advised' || verdict.kind === 'known' ? 'not ok' : 'ok';
    const directive =
      verdict.kind === 'skipped'
        ? ` # SKIP ${oneLine(verdict.reason)}`
        : verdict.kind === 'known'
          ? ` # TODO ${oneLine(verdict.reason)}`
          : verdict.kind === 'advised'
            ? ' # TODO not required'
            : '';
    const told = verdict.kind === 'skipped' ? [] : explanation(outcome).map((line) => `  # ${oneLine(line)}`);
    const description = `${scenario.id}: ${scenario.shows}`.replaceAll('#', '\\#');
    return [`${word} ${index + 1} - ${oneLine(description)}${directive}`, ...told];
  });
  return `TAP version 14\n1..${outcomes.length}\n${lines.join('\n')}\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}

function markdown(report: Report): string {
  const { outcomes, runtimes, url, ms, passed } = report;
  const played = [...runtimes].map(([dialect, runtime]) => `${dialect} (${runtime})`).join(', ');
  const rows = [...byTopic(report)].map(([topic, those]) => row(topic, those));
  const told = outcomes.filter(({ verdict }) => verdict.kind !== 'passed' && verdict.kind !== 'skipped');
  const details = told.map((outcome) => {
    const [title = '', ...lines] = explanation(outcome);
    return `### ${title}\n\n\`\`\`\`text\n${lines.join('\n')}\n\`\`\`\`\n`;
  });
  return [
    `# ARCP conformance: ${passed ? 'passed' : 'failed'}\n`,
    `${url}, ${played}, ${seconds(ms)} s\n`,
    `| topic | ${KINDS.join(' | ')} |`,
    `| --- | ${KINDS.map(() => '---:').join(' | ')} |`,
    ...rows,
    row('**all**', outcomes),
    '',
    ...details,
  ].join('\n');
}

function row(title: string, outcomes: readonly Outcome[]): string {
  const figures = countsOf(outcomes);
  return `| ${title} | ${KINDS.map((kind) => figures[kind] || '').join(' | ')} |`;
}
