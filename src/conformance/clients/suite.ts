/**
 * Plays the cases for clients and says what came of each: at a client that is started for each case, or at whoever comes.
 * What counts is as with scenarios (U2, U3 of `run/suite.ts`).
 */
import { outcomeOf, selected, type Outcome, type Report } from '../run/suite.js';
import type { ScenarioFailure } from '../run/player.js';
import type { DialectName } from '../scenarios/scenario.js';
import type { ClientCase } from './case.js';
import type { ClientSuite } from './load.js';
import type { Patience, Performance } from './performance.js';
import { Stage } from './stage.js';

/** How a client's program ended, where there is one. */
export interface ProgramEnd {
  /** Why that is wrong; nothing when it is right. */
  readonly fault: string | undefined;
  /** The last of what it printed. */
  readonly said: string;
}

/** A client, for one case. */
export interface Run {
  readonly ended: Promise<ProgramEnd>;
  stop(): void;
}

export interface ClientRunOptions {
  readonly suite: ClientSuite;
  readonly only: readonly string[];
  readonly strict: boolean;
  readonly known: ReadonlyMap<string, string>;
  readonly concurrency: number;
  /** How long one act of the client may take. */
  readonly timeoutMs: number;
  /** Starts the client that is to play the case at this address. */
  readonly start: (url: string, clientCase: ClientCase) => Run;
  readonly onOutcome?: (outcome: Outcome, done: number, all: number) => void;
}

export async function runClientSuite(options: ClientRunOptions): Promise<Report> {
  const began = Date.now();
  const cases = selectedCases(options.suite, options.only);
  const stage = await Stage.open(cases, 0);
  const outcomes: Outcome[] = new Array<Outcome>(cases.length);
  const judge = new ClientJudge(options);
  let next = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < cases.length; index = next++) {
      const clientCase = cases[index] as ClientCase;
      const outcome = await judge.outcome(stage, clientCase, options.start);
      outcomes[index] = outcome;
      done += 1;
      options.onOutcome?.(outcome, done, cases.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(options.concurrency, cases.length) }, lane));
  } finally {
    await stage.close();
  }
  return judge.report(stage.url, outcomes, Date.now() - began);
}

export function selectedCases({ cases }: ClientSuite, only: readonly string[]): ClientCase[] {
  return selected(cases, only);
}

type Judging = Pick<ClientRunOptions, 'suite' | 'strict' | 'known' | 'timeoutMs'>;

/** Makes outcomes of performances, and a report of outcomes. */
export class ClientJudge {
  readonly #options: Judging;
  readonly #clients = new Map<DialectName, string>();

  constructor(options: Judging) {
    this.#options = options;
  }

  async outcome(stage: Stage, clientCase: ClientCase, start: ClientRunOptions['start']): Promise<Outcome> {
    const performance = stage.begin(clientCase.id) as Performance;
    const began = Date.now();
    const run = start(stage.urlOf(clientCase.id), clientCase);
    let program: ProgramEnd | undefined;
    const ended = run.ended.then((end) => {
      program = end;
      if (end.said !== '') performance.note(end.said);
    });
    try {
      const failure = await performance.judged(this.#patience(clientCase));
      if (failure !== undefined || this.isForeign(performance))
        return this.#outcome(performance, Date.now() - began, failure);
      await Promise.race([ended, elapsed(this.#options.timeoutMs)]);
      const fault = program === undefined ? 'it does not end' : program.fault;
      const after =
        fault === undefined ? undefined : { step: 'the end of the program', message: fault, transcript: [] };
      return this.#outcome(performance, Date.now() - began, after);
    } finally {
      run.stop();
      stage.end(performance);
    }
  }

  /** Of a client that came by itself. */
  async visited(stage: Stage, performance: Performance): Promise<Outcome> {
    const began = Date.now();
    try {
      const failure = await performance.judged(this.#patience(performance.case));
      return this.#outcome(performance, Date.now() - began, failure);
    } finally {
      stage.end(performance);
    }
  }

  /** Of a case to which nobody came. */
  unvisited(clientCase: ClientCase): Outcome {
    const scenario = { ...clientCase, dialect: dialectOf(clientCase) };
    return outcomeOf(scenario, this.#options, {
      ms: 0,
      skipped: 'no client came',
    });
  }

  /** Whether the case is not about the dialect of the client. */
  isForeign({ case: { dialects }, dialect }: Performance): boolean {
    return dialect !== undefined && !dialects.includes(dialect);
  }

  report(url: string, outcomes: readonly Outcome[], ms: number): Report {
    const passed = outcomes.every(
      ({ verdict }) => verdict.kind !== 'failed' && verdict.kind !== 'unexpected',
    );
    return { url, runtimes: this.#clients, outcomes, ms, passed };
  }

  #outcome(performance: Performance, ms: number, failure: ScenarioFailure | undefined): Outcome {
    const { case: clientCase, client } = performance;
    const dialect = dialectOf(clientCase, performance.dialect);
    if (client !== undefined) this.#clients.set(dialect, client);
    const scenario = { ...clientCase, dialect };
    const played = this.isForeign(performance)
      ? { ms, skipped: `is not about the dialect that the client speaks (${dialect})` }
      : { ms, failure };
    return outcomeOf(scenario, this.#options, played);
  }

  #patience({ runtime }: ClientCase): Patience {
    const { timeoutMs } = this.#options;
    const waits = runtime.reduce((sum, step) => sum + ('wait_ms' in step ? step.wait_ms : 0), 0);
    return { stepMs: timeoutMs, reportMs: timeoutMs + waits };
  }
}

/** In which dialect a case counts: the client's, and where none has spoken the first that the case is about. */
function dialectOf({ dialects: [first = 'classic'] }: ClientCase, spoken = first): DialectName {
  return spoken;
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
