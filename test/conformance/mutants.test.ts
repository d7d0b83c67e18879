/**
 * The harness is held against runtimes that are wrong: each of the mutants is found out by the scenario that names it, and
 * a proxy that changes nothing passes all of those scenarios.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALECTS, loadSuite, runSuite, type Outcome } from '../../src/conformance/index.js';
import { MUTANTS } from './mutants/mutants.js';
import { proxyFor, type Mutant } from './mutants/proxy.js';
import { runtimeUnderTest, type UnderTest } from './runtime-under-test.js';

/** What does not come from a mutant in this time does not come, however busy the machine is: it comes in milliseconds. */
const STEP_MS = 4_000;

const suite = loadSuite();
let runtime: UnderTest;

async function outcomesOf(
  mutant: Mutant,
  only: readonly string[],
  timeoutMs: number,
): Promise<readonly Outcome[]> {
  await using proxy = await proxyFor(mutant, runtime.target.url);
  const target = { ...runtime.target, url: proxy.url, timeoutMs };
  const report = await runSuite({
    target,
    suite,
    dialects: DIALECTS,
    only,
    concurrency: 16,
    strict: true,
    known: new Map(),
  });
  return report.outcomes;
}

beforeAll(async () => {
  runtime = await runtimeUnderTest();
}, 120_000);

afterAll(async () => {
  await runtime[Symbol.asyncDispose]();
});

describe('the harness', () => {
  it('finds nothing wrong with a proxy that changes nothing', async () => {
    const faithful = { id: 'faithful', does: 'nothing wrong', caughtBy: '' };
    const outcomes = await outcomesOf(
      faithful,
      MUTANTS.map(({ caughtBy }) => caughtBy),
      20_000,
    );
    expect(outcomes.filter(({ verdict }) => verdict.kind !== 'passed')).toEqual([]);
    expect(outcomes.length).toBe(new Set(MUTANTS.map(({ caughtBy }) => caughtBy)).size);
  }, 60_000);

  describe.concurrent('finds out a runtime', () => {
    it.each(MUTANTS)(
      'that $does ($id): by $caughtBy',
      async (mutant) => {
        const [outcome, ...others] = await outcomesOf(mutant, [mutant.caughtBy], STEP_MS);
        expect(others).toEqual([]);
        expect(outcome?.verdict).toMatchObject({
          kind: 'failed',
          failure: { message: expect.any(String) as string },
        });
      },
      60_000,
    );
  });
});
