/**
 * One suite, three hosts: the same agents are hosted in process, as child processes and by a session that dialled in. The
 * scenarios in which a job begins are played at each: all pass, and what clients are told of their jobs is the same.
 *
 * Child processes take their time to start, so that they play a part: in each dialect one scenario with each set of agents,
 * which is every agent, and all about heartbeats and cancelling, where processes have a say. `ALL_HOSTS=1` plays all.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  DIALECTS,
  loadSuite,
  runSuite,
  type Outcome,
  type Scenario,
} from '../../../src/conformance/index.js';
import { HAS_WALLS, NEEDS_WALLS } from '../../agents/process/bwrap.js';
import { hostedAs, type HostName } from './hosts.js';
import { difference, Recorder } from './transcript.js';

/** Scenario → why what is told need not be the same when its agent is not in the process of the runtime. */
const DIFFERENT: ReadonlyMap<string, string> = new Map([
  ['job-arguments-refused', 'arguments are checked where the agent is, which has started by then'],
  ['cancel-parent', 'whether a child hears of its own cancel or of the end of its parent first is a race'],
  [
    'delegate-expiry',
    'a lease ends at once for parent and child, and either may be the first to stop the child',
  ],
  ['cancel-within-deadline', 'a process that has yet to start says nothing before its deadline'],
  ['heartbeat-of-stranger', 'whether a heartbeat of the agent comes before those of others is a race'],
  ['heartbeat-lost-alone', 'how many heartbeats there are is a matter of time'],
]);

const BEGINS_JOBS =
  /"(?:tool\.invoke|workflow\.start|agent\.delegate|agent\.handoff|job\.submit|job\.schedule)"/;

const suite = loadSuite();
const scenarios = suite.scenarios.filter(({ steps }) => BEGINS_JOBS.test(JSON.stringify(steps)));

/** Topics whose every scenario is played with child processes. */
const PROCESS_TOPICS = ['heartbeats', 'cancel'];

function forProcesses(): readonly Scenario[] {
  if (process.env['ALL_HOSTS'] === '1') return scenarios;
  const seen = new Set<string>();
  return scenarios.filter(({ topic, dialect, needs }) => {
    const key = [dialect, ...needs.agents].join(' ');
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew || PROCESS_TOPICS.includes(topic.split('/').at(-1) ?? '');
  });
}

/** Within walls, which not every machine can build. */
const needsWalls = ({ steps }: Scenario): boolean => JSON.stringify(steps).includes('lease_request');

const PLAYED: Readonly<Record<HostName, readonly Scenario[]>> = {
  'in process': scenarios,
  'child processes': forProcesses().filter((one) => HAS_WALLS || !needsWalls(one)),
  'dialled in': scenarios,
};

interface Played {
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly recorder: Recorder;
}

async function playAt(how: HostName): Promise<Played> {
  const recorder = new Recorder();
  await using hosted = await hostedAs(how);
  const report = await runSuite({
    target: hosted.target,
    suite: { ...suite, scenarios: PLAYED[how] },
    dialects: DIALECTS,
    only: [],
    concurrency: how === 'child processes' ? 6 : 16,
    strict: true,
    known: new Map(),
    onFrame: (scenario, connection, frame) => {
      recorder.hear(scenario, connection, frame);
    },
  });
  return { outcomes: new Map(report.outcomes.map((one) => [one.scenario.id, one])), recorder };
}

const played = new Map<HostName, Played>();

beforeAll(async () => {
  for (const how of ['in process', 'child processes', 'dialled in'] as const)
    played.set(how, await playAt(how));
}, 300_000);

function playedAt(how: HostName): Played {
  const found = played.get(how);
  if (found === undefined) throw new Error(`nothing was played with agents ${how}`);
  return found;
}

describe.each(['child processes', 'dialled in'] as const)('agents as %s', (how) => {
  const isLimited = how === 'child processes' && !HAS_WALLS;
  it.each(PLAYED[how])(
    `$id: the scenario passes, and is told as with agents in process${isLimited ? NEEDS_WALLS : ''}`,
    (scenario) => {
      const here = playedAt('in process');
      const there = playedAt(how);
      const [expected, verdict] = [here, there].map(({ outcomes }) => outcomes.get(scenario.id)?.verdict);
      expect(expected?.kind).toMatch(/^(?:passed|skipped)$/);
      expect(verdict?.kind, JSON.stringify(verdict, null, 2)).toBe(expected?.kind);
      if (DIFFERENT.has(scenario.id)) return;
      expect(
        difference(here.recorder.transcript(scenario), there.recorder.transcript(scenario)),
      ).toBeUndefined();
    },
  );
});

it('every conformance agent has a job in a process of its own', () => {
  const needed = new Set(scenarios.flatMap(({ needs }) => needs.agents));
  const played = new Set(PLAYED['child processes'].flatMap(({ needs }) => needs.agents));
  if (HAS_WALLS) expect(played).toEqual(needed);
});

it('what may be different is still there', () => {
  const ids = new Set(scenarios.map(({ id }) => id));
  expect([...DIFFERENT.keys()].filter((id) => !ids.has(id))).toEqual([]);
});
