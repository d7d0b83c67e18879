/** `arcp conformance --client`: plays a runtime that misbehaves, for clients of any make, and reports what they make of it. */
import {
  ClientJudge,
  loadClientSuite,
  runClientSuite,
  selectedCases,
  Stage,
  type ClientCase,
  type ClientSuite,
  type Outcome,
  type Report,
} from '../conformance/index.js';
import { clientProgram } from './client-program.js';
import { EXIT } from './exit-codes.js';
import { Failure } from './failure.js';

export interface ClientsOptions {
  readonly only: readonly string[];
  readonly run: string | undefined;
  readonly port: number;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly strict: boolean;
  readonly known: ReadonlyMap<string, string>;
  readonly onOutcome: (outcome: Outcome, done: number, all: number) => void;
}

/** The cases that `only` picks, none of them a usage failure. */
export function chosenCases(suite: ClientSuite, only: readonly string[]): readonly ClientCase[] {
  const cases = selectedCases(suite, only);
  if (cases.length === 0)
    throw new Failure(EXIT.usage, 'no case is of that name', 'list all of them with --client --list');
  return cases;
}

export async function playedClients(options: ClientsOptions): Promise<Report> {
  const suite = loadClientSuite();
  const cases = chosenCases(suite, options.only);
  const { run } = options;
  if (run !== undefined) return runClientSuite({ ...options, suite, start: clientProgram(run) });
  return visitors(suite, cases, options);
}

/** Listens until every case was played by somebody, or until Ctrl-C; the last time that a case was played counts. */
async function visitors(
  suite: ClientSuite,
  cases: readonly ClientCase[],
  options: ClientsOptions,
): Promise<Report> {
  const judge = new ClientJudge({ ...options, suite });
  const began = Date.now();
  const outcomes = new Map<string, Outcome>();
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const stage = await listen(cases, options.port, (performance) => {
    void judge.visited(stage, performance).then((outcome) => {
      outcomes.set(outcome.scenario.id, outcome);
      process.stderr.write(`${outcome.verdict.kind}  ${outcome.scenario.id}\n`);
      if (outcomes.size === cases.length) finish();
    });
  });
  process.stderr.write(
    `listening on ${stage.url}/CASE for ${cases.length} cases; --client --list names them, Ctrl-C ends and reports\n`,
  );
  process.once('SIGINT', finish);
  try {
    await finished;
  } finally {
    process.removeListener('SIGINT', finish);
    await stage.close();
  }
  const all = cases.map((one) => outcomes.get(one.id) ?? judge.unvisited(one));
  return judge.report(stage.url, all, Date.now() - began);
}

async function listen(...options: Parameters<typeof Stage.open>): Promise<Stage> {
  try {
    return await Stage.open(...options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.failed, `cannot listen: ${reason}`, 'choose another --port', error);
  }
}
