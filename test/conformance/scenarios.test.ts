/**
 * The conformance run against ours, as another process: every scenario of `spec-fixtures/scenarios/` is played over real
 * sockets, side by side, and everything that it cites counts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALECTS, loadSuite, runSuite, type Outcome } from '../../src/conformance/index.js';
import { fixtureCases, type FixtureFile } from '../spec-fixtures/load.js';
import { knownFailures, runtimeUnderTest, type UnderTest } from './runtime-under-test.js';

const FILES = [
  'scenarios/classic/artifacts.json',
  'scenarios/classic/budgets.json',
  'scenarios/classic/cancel.json',
  'scenarios/classic/chunks.json',
  'scenarios/classic/control.json',
  'scenarios/classic/delegation.json',
  'scenarios/classic/envelopes.json',
  'scenarios/classic/handshake.json',
  'scenarios/classic/heartbeats.json',
  'scenarios/classic/idempotency.json',
  'scenarios/classic/jobs.json',
  'scenarios/classic/leases.json',
  'scenarios/classic/people.json',
  'scenarios/classic/resume.json',
  'scenarios/classic/schedules.json',
  'scenarios/classic/streams.json',
  'scenarios/classic/types.json',
  'scenarios/classic/watching.json',
  'scenarios/draft/authority.json',
  'scenarios/draft/envelopes.json',
  'scenarios/draft/jobs.json',
  'scenarios/draft/sessions.json',
  'scenarios/draft/watching.json',
] as const satisfies readonly FixtureFile[];

const outcomes = new Map<string, Outcome>();
let runtime: UnderTest;

beforeAll(async () => {
  runtime = await runtimeUnderTest();
  const report = await runSuite({
    target: runtime.target,
    suite: loadSuite(),
    dialects: DIALECTS,
    only: [],
    concurrency: 32,
    strict: true,
    known: knownFailures(),
  });
  for (const outcome of report.outcomes) outcomes.set(outcome.scenario.id, outcome);
}, 120_000);

afterAll(async () => {
  await runtime[Symbol.asyncDispose]();
});

describe.each(FILES)('%s', (file) => {
  it.each(fixtureCases(file))('$id: $shows', ({ id }) => {
    const verdict = outcomes.get(id)?.verdict;
    expect(['passed', 'known'], JSON.stringify(verdict, null, 2)).toContain(verdict?.kind);
  });
});
