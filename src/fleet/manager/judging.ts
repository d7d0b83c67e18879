/** Has a task's work judged: by its scorer, by the operator's verifier, by a person. */
import { ArcpError } from '../../protocol/errors.js';
import type { FleetTaskSpec } from '../../protocol/fleet/index.js';
import { isJsonObject } from '../../protocol/scalars.js';
import { runCommand } from '../commands/run-command.js';
import { taskEnvironment } from '../commands/environment.js';
import { taskWalls } from '../commands/task-walls.js';
import type { CommandRunner, ScoringPorts, Verifier, VerifierAnswer } from '../scoring/ports.js';
import type { WorkOutcome } from '../scoring/receipt.js';
import { scoreWork } from '../scoring/score.js';
import { fail, partly, pass, type Verdict } from '../scoring/verdict.js';
import type { AttemptContext } from './attempt.js';
import type { TaskTerms } from './task-terms.js';
import { VERDICT_AGENT } from './verdict-agent.js';

/** Scorers that find something out about work that failed. */
const OF_FAILED: ReadonlySet<string> = new Set(['file_exists', 'regex_match', 'json_path', 'command']);

/**
 * The verdict, if there is one on such work.
 * @param key under which what has to be delegated for it is begun
 */
export async function judge(
  context: AttemptContext,
  task: FleetTaskSpec,
  terms: TaskTerms,
  key: string,
  outcome: Extract<WorkOutcome, { kind: 'completed' | 'failed' }>,
): Promise<Verdict | undefined> {
  const { ports, signal } = context;
  const { workspace } = terms;
  if (workspace === undefined) return undefined;
  if (outcome.kind === 'failed' && (outcome.transport || !OF_FAILED.has(task.scorer?.kind ?? ''))) {
    return undefined;
  }
  const exitCode = outcome.kind === 'completed' ? outcome.exitCode : undefined;
  // A command that says that it failed needs nobody to judge it.
  const scorer = task.scorer ?? ((exitCode ?? 0) === 0 ? undefined : ({ kind: 'exit_code' } as const));
  const { verifier } = context.plan.options;
  const scoring: ScoringPorts = {
    evaluate: ports.evaluate,
    evidence: ports.evidence,
    run: commandRunner(context, task, terms),
    ...(verifier === undefined ? {} : { verify: verifierBy(context, verifier, task, terms, key) }),
  };
  const verdict = await scoreWork(scorer, { workspace, exitCode, signal }, scoring);
  return verdict.pending === 'person' ? await byPerson(context, task, key, verdict) : verdict;
}

/** Scorers' commands stand behind the walls of the task's own. */
function commandRunner({ ports }: AttemptContext, task: FleetTaskSpec, terms: TaskTerms): CommandRunner {
  return async ({ argv, workspace, timeoutMs, maxOutputBytes, signal }) => {
    const { clock, env } = ports;
    const stop = new AbortController();
    const late = { isLate: false };
    const timer = clock.timer(timeoutMs, () => {
      late.isLate = true;
      stop.abort(new ArcpError('TIMEOUT', 'the command took too long'));
    });
    const abort = (): void => {
      stop.abort(signal.reason);
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    try {
      const walls = await taskWalls(leasedActs(terms), terms.profile, workspace);
      const outcome = await runCommand({
        argv,
        workspace,
        env: taskEnvironment(task, env),
        walls,
        maxOutputBytes,
        clock,
        signal: stop.signal,
      });
      return late.isLate && outcome.kind !== 'cannot_start' ? { ...outcome, kind: 'timed_out' } : outcome;
    } catch (error) {
      return { kind: 'cannot_start', reason: ArcpError.from(error).message };
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', abort);
    }
  };
}

function leasedActs({ lease }: TaskTerms) {
  const patterns = Object.entries(lease).filter(
    (entry): entry is [string, readonly string[]] => Array.isArray(entry[1]) && entry[0] !== 'cost.budget',
  );
  return { capabilities: Object.fromEntries(patterns), closed: true };
}

/** The operator's agent reads the workspace, and answers `{result, notes}`. */
function verifierBy(
  { ctx, signal }: AttemptContext,
  agent: string,
  task: FleetTaskSpec,
  terms: TaskTerms,
  key: string,
): Verifier {
  return async ({ prompt, workspace, timeoutMs }) => {
    try {
      const child = await ctx.delegate(agent, {
        key: `${key}/verifier`,
        again: false,
        signal,
        task: `Verify ${task.name}`,
        arguments: { prompt, workspace, task },
        leaseRequest: { 'fs.read': [`${workspace}/**`, `${terms.folder}/**`], 'fs.write': [] },
        profile: 'verifier',
        maxRuntimeMs: timeoutMs,
      });
      const ended = await child.outcome;
      if (ended.status === 'completed') return answerIn(ended.value);
      const reason =
        ended.status === 'failed' ? `${ended.code}: ${ended.message}` : (ended.reason ?? 'it was cancelled');
      return { kind: 'failed', reason };
    } catch (error) {
      return { kind: 'failed', reason: ArcpError.from(error).message };
    }
  };
}

const RESULTS = ['pass', 'partial', 'fail'] as const;

function answerIn(value: unknown): VerifierAnswer {
  const { result, notes } = isJsonObject(value) ? value : { result: undefined, notes: undefined };
  const known = RESULTS.find((one) => one === result);
  if (known === undefined) return { kind: 'failed', reason: 'it answered without a result' };
  return { kind: 'answered', result: known, notes: typeof notes === 'string' ? notes : undefined };
}

/** Where nobody can be asked, the work stays undecided. */
async function byPerson(
  { ctx, plan, ledger, ports, signal }: AttemptContext,
  task: FleetTaskSpec,
  key: string,
  undecided: Verdict,
): Promise<Verdict> {
  const policy = task.alert_policy ?? plan.spec.alert_policy;
  try {
    const child = await ctx.delegate(VERDICT_AGENT, {
      key: `${key}/verdict`,
      again: false,
      signal,
      task: `Judge ${task.name}`,
      arguments: {
        prompt: `Is the task ${task.id} done? ${task.name}: ${task.objective ?? task.instructions}`,
      },
    });
    ledger.asks(task.id, child.jobId);
    if (policy !== undefined) {
      const { worker, attempt } = ledger.tasks.get(task.id)?.state ?? { worker: undefined, attempt: 0 };
      const at = ports.clock.now();
      const whose = { runId: ledger.runId, runName: plan.spec.name, taskId: task.id, workerId: worker };
      await ports.alerts.raise({ class: 'needs_human', ...whose, attempt, at }, policy);
    }
    const ended = await child.outcome;
    ledger.asks(task.id, undefined);
    const answer = ended.status === 'completed' ? answerIn(ended.value) : undefined;
    if (answer?.kind !== 'answered') return undecided;
    switch (answer.result) {
      case 'pass':
        return pass([], 'a person says so');
      case 'partial':
        return partly('a person says so');
      case 'fail':
        return fail('task', 'a person says no');
    }
  } catch (error) {
    if (signal.aborted) return undecided;
    ctx.log('warn', `nobody could be asked about the task ${task.id}: ${ArcpError.from(error).message}`);
    return undecided;
  }
}
