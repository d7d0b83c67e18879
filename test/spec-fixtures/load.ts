/**
 * How the tests read `spec-fixtures/`: every file through `fixtureCases`, every file by exactly one test.
 *
 * (F1) A fixture file is an object with a `cases` array; each case has an `id`, what it `shows` and its `source`.
 * (F2) `READERS` names the one test that reads each file. `coverage.test.ts` fails when a file has no reader, when a
 *      reader does not load its file, and when an id is used twice.
 * (F3) A reader turns every case into a test of its own: `it.each(fixtureCases<Case>('budgets.json'))('$id $shows', …)`.
 */
import { readFileSync } from 'node:fs';

/** What every case has. The rest is the file's own, described in `spec-fixtures/README.md`. */
export interface FixtureCase {
  readonly id: string;
  readonly shows: string;
  readonly source: string;
}

/** Fixture file (below `spec-fixtures/`) → the test (below `test/`) that reads all of its cases. */
export const READERS = {
  'agent-refs.json': 'protocol/agent-ref.test.ts',
  'agents.json': 'conformance/agents.test.ts',
  'base64.json': 'protocol/base64.test.ts',
  'budgets.json': 'protocol/cost-budget.test.ts',
  'client-cases/chunks.json': 'conformance/clients/clients.test.ts',
  'client-cases/control.json': 'conformance/clients/clients.test.ts',
  'client-cases/events.json': 'conformance/clients/clients.test.ts',
  'client-cases/resumes.json': 'conformance/clients/clients.test.ts',
  'envelopes/artifacts.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/control.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/draft-events.json': 'protocol/draft/fixtures.test.ts',
  'envelopes/draft-frames.json': 'protocol/draft/fixtures.test.ts',
  'envelopes/draft-jobs.json': 'protocol/draft/fixtures.test.ts',
  'envelopes/draft-session.json': 'protocol/draft/fixtures.test.ts',
  'envelopes/execution.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/frames.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/human.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/permissions.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/session.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/streams.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/subscriptions.json': 'protocol/envelope-fixtures.test.ts',
  'envelopes/telemetry.json': 'protocol/envelope-fixtures.test.ts',
  'fleet/alerts.json': 'protocol/fleet/types.test.ts',
  'fleet/events.json': 'protocol/fleet/types.test.ts',
  'fleet/runs.json': 'protocol/fleet/types.test.ts',
  'fleet/tasks.json': 'protocol/fleet/types.test.ts',
  'fleet/workers.json': 'protocol/fleet/types.test.ts',
  'identity.json': 'protocol/identity.test.ts',
  'lease-containment.json': 'protocol/target-patterns.test.ts',
  'lease-patterns.json': 'protocol/target-patterns.test.ts',
  'lease-targets.json': 'protocol/target-patterns.test.ts',
  'negotiation.json': 'protocol/capabilities.test.ts',
  'requirements.json': 'conformance/loading.test.ts',
  'resolution.json': 'protocol/inventory.test.ts',
  'result-chunks.json': 'protocol/result-chunks.test.ts',
  'scenarios/classic/artifacts.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/budgets.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/cancel.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/chunks.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/control.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/delegation.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/envelopes.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/handshake.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/heartbeats.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/idempotency.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/jobs.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/leases.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/people.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/resume.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/schedules.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/streams.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/types.json': 'conformance/scenarios.test.ts',
  'scenarios/classic/watching.json': 'conformance/scenarios.test.ts',
  'scenarios/draft/authority.json': 'conformance/scenarios.test.ts',
  'scenarios/draft/envelopes.json': 'conformance/scenarios.test.ts',
  'scenarios/draft/jobs.json': 'conformance/scenarios.test.ts',
  'scenarios/draft/sessions.json': 'conformance/scenarios.test.ts',
  'scenarios/draft/watching.json': 'conformance/scenarios.test.ts',
  'subset.json': 'protocol/lease.test.ts',
  'transitions.json': 'protocol/job-state.test.ts',
  'worker-profiles.json': 'protocol/worker-profile.test.ts',
} as const satisfies Record<string, string>;

export type FixtureFile = keyof typeof READERS;

export const FIXTURES_ROOT = new URL('../../spec-fixtures/', import.meta.url);

/**
 * All cases of one fixture file, in the file's order.
 * @throws when the file is not `{ "cases": [ … ] }` with at least one case, or a case lacks `id`, `shows` or `source`.
 */
export function fixtureCases<T extends object>(file: FixtureFile): (T & FixtureCase)[] {
  const document: unknown = JSON.parse(readFileSync(new URL(file, FIXTURES_ROOT), 'utf8'));
  const cases = isRecord(document) ? document['cases'] : undefined;
  if (!Array.isArray(cases) || cases.length === 0) throw new Error(`${file}: no "cases"`);
  for (const [index, each] of cases.entries()) {
    for (const field of ['id', 'shows', 'source']) {
      const text: unknown = isRecord(each) ? each[field] : undefined;
      if (typeof text !== 'string' || text === '')
        throw new Error(`${file}: case ${index} has no "${field}"`);
    }
  }
  return cases as (T & FixtureCase)[];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
