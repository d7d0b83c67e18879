/**
 * Plays many scenarios side by side at one runtime and says what came of each.
 *
 * (U1) At most `concurrency` at once; the order of the outcomes is that of the scenarios.
 * (U2) A known failure is one that is listed with its reason. It does not count against the runtime, and one that passes
 *      does: the list is to be mended then.
 * (U3) A scenario is worth the highest level of what it cites: what breaks only a `should`, or a choice of this project,
 *      is told and does not count against the runtime, unless that is asked for.
 */
import { randomBytes } from 'node:crypto';
import type { Suite } from '../scenarios/load.js';
import type { JsonMap } from '../scenarios/matcher.js';
import { levelOf, type Level, type Requirement } from '../scenarios/requirements.js';
import { DIALECTS, type DialectName, type Scenario } from '../scenarios/scenario.js';
import { play, type ScenarioFailure, type Target } from './player.js';
import { lacks, probe, type Offer } from './probe.js';

/** What reports say of a scenario, or of a case for clients. */
export type Played = Pick<Scenario, 'id' | 'topic' | 'dialect' | 'shows' | 'requirements'>;

export interface Outcome {
  readonly scenario: Played;
  readonly level: Level;
  readonly ms: number;
  readonly verdict: Verdict;
}

export type Verdict =
  | { readonly kind: 'passed' }
  /** It counts against the runtime. */
  | { readonly kind: 'failed'; readonly failure: ScenarioFailure; readonly broken: readonly Requirement[] }
  /** It breaks nothing that is required. */
  | { readonly kind: 'advised'; readonly failure: ScenarioFailure; readonly broken: readonly Requirement[] }
  | { readonly kind: 'known'; readonly reason: string; readonly failure: ScenarioFailure }
  /** It is listed as a known failure, and passes. */
  | { readonly kind: 'unexpected'; readonly reason: string }
  | { readonly kind: 'skipped'; readonly reason: string };

export interface RunOptions {
  readonly target: Target;
  readonly suite: Suite;
  readonly dialects: readonly DialectName[];
  /** Ids, or globs over ids and topics; none is all. */
  readonly only: readonly string[];
  readonly concurrency: number;
  /** Whether everything that is broken counts, also what is only advised. */
  readonly strict: boolean;
  /** Scenario → reason. */
  readonly known: ReadonlyMap<string, string>;
  /** Told of every frame that a scenario is sent, in order, by the name of its connection. */
  readonly onFrame?: (scenario: Scenario, connection: string, frame: JsonMap) => void;
  readonly onOutcome?: (outcome: Outcome, done: number, all: number) => void;
}

export interface Report {
  readonly url: string;
  /** As the runtime calls itself, for each dialect that was played. */
  readonly runtimes: ReadonlyMap<DialectName, string>;
  readonly outcomes: readonly Outcome[];
  readonly ms: number;
  readonly passed: boolean;
}

/** @throws NotReached when the runtime lets nobody in in one of the dialects */
export async function runSuite(options: RunOptions): Promise<Report> {
  const { target, suite, dialects } = options;
  const began = Date.now();
  const scenarios = selected(suite.scenarios, options.only).filter(({ dialect }) =>
    dialects.includes(dialect),
  );
  const offers = new Map<DialectName, Offer>();
  for (const dialect of DIALECTS) {
    if (scenarios.some((one) => one.dialect === dialect)) offers.set(dialect, await probe(target, dialect));
  }
  const outcomes: Outcome[] = new Array<Outcome>(scenarios.length);
  let next = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < scenarios.length; index = next++) {
      const scenario = scenarios[index] as Scenario;
      const outcome = await outcomeFor(scenario, offers.get(scenario.dialect) as Offer);
      outcomes[index] = outcome;
      done += 1;
      options.onOutcome?.(outcome, done, scenarios.length);
    }
  };
  const outcomeFor = async (scenario: Scenario, offer: Offer): Promise<Outcome> => {
    const lacking = lacks(scenario, offer, target.tokens);
    if (lacking !== undefined) return outcomeOf(scenario, options, { ms: 0, skipped: lacking });
    const played = await play(scenario, target, randomBytes(6).toString('hex'), (connection, frame) =>
      options.onFrame?.(scenario, connection, frame),
    );
    return outcomeOf(scenario, options, played);
  };
  await Promise.all(Array.from({ length: Math.min(options.concurrency, scenarios.length) }, lane));
  return {
    url: target.url,
    runtimes: new Map([...offers].map(([dialect, { runtime }]) => [dialect, runtime])),
    outcomes,
    ms: Date.now() - began,
    passed: outcomes.every(({ verdict }) => verdict.kind !== 'failed' && verdict.kind !== 'unexpected'),
  };
}

type Judging = Pick<RunOptions, 'strict' | 'known'> & { readonly suite: Pick<Suite, 'requirements'> };

/** What came of playing it, and what that is worth (U2, U3). */
export function outcomeOf(
  scenario: Played,
  { suite: { requirements }, known, strict }: Judging,
  { ms, failure, skipped }: { ms: number; failure?: ScenarioFailure | undefined; skipped?: string },
): Outcome {
  const cited = scenario.requirements.flatMap((id) => requirements.get(id) ?? []);
  const reason = known.get(scenario.id);
  const verdict = (): Verdict => {
    if (skipped !== undefined) return { kind: 'skipped', reason: skipped };
    if (failure === undefined)
      return reason === undefined ? { kind: 'passed' } : { kind: 'unexpected', reason };
    if (reason !== undefined) return { kind: 'known', reason, failure };
    const named = failure.requirement === undefined ? undefined : requirements.get(failure.requirement);
    const broken = named === undefined ? cited : [named];
    const counts = strict || levelOf(broken) === 'must';
    return { kind: counts ? 'failed' : 'advised', failure, broken };
  };
  return { scenario, level: levelOf(cited), ms, verdict: verdict() };
}

/** Those whose id, topic, or requirement one of the globs names; all of them without any. */
export function selected<One extends Pick<Played, 'id' | 'topic' | 'requirements'>>(
  scenarios: readonly One[],
  only: readonly string[],
): One[] {
  if (only.length === 0) return [...scenarios];
  const patterns = only.map(globPattern);
  return scenarios.filter(({ id, topic, requirements }) =>
    patterns.some((pattern) => [id, topic, ...requirements].some((one) => pattern.test(one))),
  );
}

/** `*` is any text; everything else is itself. */
function globPattern(glob: string): RegExp {
  const parts = glob.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}
