/**
 * The harness for clients: our SDK passes every case that is about its dialect, a small client written by hand passes all of
 * them in both dialects, and each client that is wrong in one way is found out by the case that names it.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  DIALECTS,
  loadClientSuite,
  runClientSuite,
  type ClientRunOptions,
  type Outcome,
  type Report,
} from '../../../src/conformance/index.js';
import { fixtureCases, type FixtureFile } from '../../spec-fixtures/load.js';
import { MISTAKES, playPlainly, type Mistake } from './plain-client.js';
import { playWithSdk } from './sdk-client.js';

const FILES = [
  'client-cases/chunks.json',
  'client-cases/control.json',
  'client-cases/events.json',
  'client-cases/resumes.json',
] as const satisfies readonly FixtureFile[];

const suite = loadClientSuite();

/** A client that is a function of this process. */
function inProcess(play: (url: string) => Promise<void>): ClientRunOptions['start'] {
  return (url) => ({
    ended: play(url).then(
      () => ({ fault: undefined, said: '' }),
      (error: unknown) => ({ fault: String(error), said: '' }),
    ),
    stop: () => undefined,
  });
}

function run(
  play: (url: string) => Promise<void>,
  only: readonly string[],
  timeoutMs: number,
): Promise<Report> {
  return runClientSuite({
    suite,
    only,
    strict: true,
    known: new Map(),
    concurrency: 16,
    timeoutMs,
    start: inProcess(play),
  });
}

describe('our SDK', () => {
  const outcomes = new Map<string, Outcome>();
  beforeAll(async () => {
    const report = await run(playWithSdk, [], 15_000);
    for (const outcome of report.outcomes) outcomes.set(outcome.scenario.id, outcome);
  }, 60_000);

  describe.each(FILES)('%s', (file) => {
    it.each(fixtureCases(file))('passes $id: $shows', ({ id }) => {
      const verdict = outcomes.get(id)?.verdict;
      expect(verdict?.kind, JSON.stringify(verdict, null, 2)).toBe('passed');
    });
  });
});

describe.each(DIALECTS)('a plain client that speaks %s', (dialect) => {
  it('passes every case that is about its dialect', async () => {
    const report = await run((url) => playPlainly(url, dialect), [], 15_000);
    const wrong = report.outcomes.filter(({ verdict }) => verdict.kind !== 'passed');
    const foreign = suite.cases.filter(({ dialects }) => !dialects.includes(dialect)).map(({ id }) => id);
    expect(wrong.filter(({ verdict }) => verdict.kind !== 'skipped').map(({ verdict }) => verdict)).toEqual(
      [],
    );
    expect(wrong.map(({ scenario }) => scenario.id)).toEqual(foreign);
    expect(report.passed).toBe(true);
    expect([...report.runtimes]).toEqual([[dialect, 'plain 1']]);
  }, 60_000);

  it.concurrent.each(Object.entries(MISTAKES).map(([mistake, told]) => ({ mistake, ...told })))(
    'that $does ($mistake) is found out: by $caughtBy',
    async ({ mistake, caughtBy }) => {
      const broken = run((url) => playPlainly(url, dialect, mistake as Mistake), [caughtBy], 3_000);
      const [outcome, ...others] = (await broken).outcomes;
      expect(others).toEqual([]);
      expect(outcome?.verdict).toMatchObject({
        kind: 'failed',
        failure: { message: expect.any(String) as string },
      });
    },
    60_000,
  );
});
