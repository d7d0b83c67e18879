/**
 * What becomes of jobs after the process ended (law L1).
 *
 * (V2) Jobs that had ended can be asked about again. A job that had not started is started. One that was running
 *      fails with ABORTED, or is started again or resumed where its agent says so (`RecoveryPolicy`).
 * (V3) A child goes on when its parent does, was begun under a key by which the parent finds it again, and may go on by
 *      itself. Other children fail: their parent will ask anew. Ends come deepest first, as ever (R4). One that was to
 *      outlive its parent goes on by itself where that does not.
 * (V4) What a tree of jobs had spent stays spent, and what was added to its budget stays added, with whoever of it goes
 *      on (L4).
 * (V5) A question that was open still is, where its job goes on; where not, it is withdrawn before the job's end.
 * (V6) What goes on does so in its old order, and what was running keeps its place before what was queued.
 */
import type { Agent } from '../agents/agent.js';
import { parseAgentRef } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import type { JobState } from '../protocol/job-state.js';
import { DEFAULT_PROFILE } from '../protocol/worker-profile.js';
import type { LogHead, StoredRecord } from '../store/store.js';
import { FIRST_ATTEMPT, type Attempt } from './attempt.js';
import { checkpointData } from './checkpoints.js';
import { failed, type Ending, type TerminalType } from './ending.js';
import type { Engine } from './engine.js';
import { restoreBudgets } from './budget-recovery.js';
import { Job, type JobOrigin } from './job.js';
import { isAboutLease, JobAuthority } from './job-authority.js';
import { JobBudget } from './job-budget.js';
import { parseHead, restoredBounds, type JobHead } from './job-head.js';
import { payloadOf, readHistory, resultSoFar, type JobHistory } from './job-history.js';
import { JobRun } from './job-run.js';
import { checkpointId } from './message-places.js';
import { modelOf } from './model-route.js';
import { withdrawOpen } from './questions/job-questions.js';
import type { RecordedQuestion } from './questions/question.js';
import { endOpenStreams, restoreInputs } from './stream-recovery.js';
import { JobTrust } from './trust.js';

/** A job that the store has. */
export interface KeptJob {
  readonly job: Job;
  readonly head: JobHead;
  /** How it ended, if it did, and when. */
  readonly ended: { readonly ending: Ending; readonly at: number } | undefined;
  /** Gives it the budget that it had. */
  fund(budget: JobBudget): void;
}

export interface JobCounts {
  readonly ended: number;
  readonly started: number;
  readonly failed: number;
}

type Verdict = {
  readonly kept: KeptJob;
  /** What it had asked people. */
  readonly questions: readonly RecordedQuestion[];
} & (
  | { readonly kind: 'fails'; readonly error: ArcpError }
  | {
      readonly kind: 'goes-on';
      readonly agent: Agent;
      readonly attempt: Attempt;
      readonly recoveries: number;
    }
);

/**
 * The job as it began; its events are yet to be replayed.
 *
 * @param jobs those that were begun before it
 */
export function keptJob(
  engine: Engine,
  { log, head: text, type, body }: LogHead,
  jobs: ReadonlyMap<JobId, KeptJob>,
): KeptJob {
  const head = parseHead(text);
  const id = log as JobId;
  const parent = head.parentId === undefined ? undefined : jobs.get(head.parentId)?.job;
  const ended = endOf({ type, body });
  const { arguments: _arguments, key, parentId: _parentId, bounds: stored, profile, ...origin } = head;
  const bounds = restoredBounds(stored);
  const model = parent && modelOf(parent.origin.authority, engine.models);
  const own: { -readonly [Key in keyof JobOrigin]: JobOrigin[Key] } = {
    ...origin,
    id,
    maxRuntimeMs: origin.maxRuntimeMs,
    correlationId: origin.correlationId,
    causationId: origin.causationId,
    delegateId: origin.delegateId,
    onParentEnd: origin.onParentEnd ?? 'cancel',
    parent,
    budget: JobBudget.unbounded,
    bounds,
    authority: new JobAuthority(bounds, profile ?? DEFAULT_PROFILE, new JobTrust(head.trust), model),
  };
  const job = new Job(own, engine);
  if (key !== undefined) engine.keys.remember(origin, key.key, key.request, job);
  if (origin.delegation !== undefined) parent?.delegated.set(origin.delegation.key, job);
  const fund = (budget: JobBudget): void => {
    own.budget = budget;
  };
  return { job, head, ended, fund };
}

const STATE_OF = {
  'job.completed': 'completed',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
} as const satisfies Record<TerminalType, JobState>;

function endOf({ type, body }: Pick<StoredRecord, 'type' | 'body'>): KeptJob['ended'] {
  if (!Object.hasOwn(STATE_OF, type)) return undefined;
  const { payload, timestamp } = JSON.parse(`{${body}`) as { payload: unknown; timestamp: string };
  return { ending: { type: type as TerminalType, text: JSON.stringify(payload) }, at: Date.parse(timestamp) };
}

/**
 * Has every job go on that can, and ends the others.
 *
 * @param jobs parents before their children
 * @param over those that had ended, in the order of their ends
 */
export async function goOn(
  engine: Engine,
  jobs: ReadonlyMap<JobId, KeptJob>,
  over: readonly Job[],
): Promise<JobCounts> {
  for (const { job, ended } of jobs.values()) {
    if (ended !== undefined) job.restore(STATE_OF[ended.ending.type], 0, ended.ending);
  }
  const verdicts = new Map<Job, Verdict>();
  for (const kept of jobs.values()) {
    if (kept.ended !== undefined) continue;
    const history = await readHistory(engine.store, kept.job.id, (record) => {
      // The leases that it was granted.
      if (isAboutLease(record.type)) kept.job.origin.authority.apply(record.type, payloadOf(record));
    });
    kept.job.restore(history.state, history.heartbeats);
    kept.job.startedAt = history.startedAt;
    verdicts.set(kept.job, await judge(engine, kept, history, verdicts));
  }
  for (const job of verdicts.keys()) job.origin.parent?.children.add(job);
  for (const { job } of [...jobs.values()].reverse())
    if (job.hasChildren) job.origin.parent?.children.add(job);
  await restoreBudgets(engine, jobs);
  // Some of them may be forgotten at once: what they spent has been added up (V4).
  for (const job of over) engine.jobs.restored(job, jobs.get(job.id)?.ended?.at ?? engine.clock.now());
  const all = [...verdicts.values()];
  const failing = all.filter((verdict) => verdict.kind === 'fails');
  const going = all.filter((verdict) => verdict.kind === 'goes-on');
  // The latest are the deepest.
  for (const { kept, error, questions } of failing.reverse()) {
    await endOpenStreams(engine, kept.job, false);
    withdrawOpen(kept.job, questions, error);
    engine.closing(kept.job);
    kept.job.end(failed(error));
    kept.job.origin.budget.settle();
    kept.job.leave();
    engine.jobs.finished(kept.job);
  }
  const runs: { readonly run: JobRun; readonly recoveries: number }[] = [];
  const hadStarted = ({ attempt }: (typeof going)[number]): boolean => attempt.number > 1;
  for (const { kept, agent, attempt, recoveries, questions } of [
    ...going.filter(hadStarted),
    ...going.filter((one) => !hadStarted(one)),
  ]) {
    await endOpenStreams(engine, kept.job, true);
    const run = new JobRun(kept.job, agent, kept.head.arguments, engine, attempt);
    if (questions.length > 0) run.questions.restore(questions);
    engine.leases.restored(kept.job);
    await restoreInputs(engine, run);
    runs.push({ run, recoveries });
  }
  for (const { run } of runs) if (run.job.root.hasLeft) engine.admission.hold(run.job);
  for (const { run, recoveries } of runs) engine.jobs.takeUp(run, recoveries);
  return { ended: over.length, started: going.length, failed: failing.length };
}

async function judge(
  engine: Engine,
  kept: KeptJob,
  history: JobHistory,
  verdicts: ReadonlyMap<Job, Verdict>,
): Promise<Verdict> {
  const { job, head } = kept;
  const { questions } = history;
  try {
    const { parent, delegation, onParentEnd } = job.origin;
    if (head.parentId !== undefined) {
      const isFollowed = parent !== undefined && verdicts.get(parent)?.kind === 'goes-on';
      const outlives = parent !== undefined && onParentEnd === 'detach';
      if (isFollowed ? delegation === undefined : !outlives)
        throw aborted('and nobody goes on with what the job was a part of');
    }
    const agent = agentOf(engine, head);
    const attempt = await nextAttempt(engine, kept, history, agent);
    return { kind: 'goes-on', kept, questions, agent, attempt, recoveries: history.recoveries + 1 };
  } catch (error) {
    return { kind: 'fails', kept, questions, error: ArcpError.from(error) };
  }
}

/** Throws AGENT_NOT_AVAILABLE or AGENT_VERSION_NOT_AVAILABLE. One that sessions host may be there later. */
function agentOf({ registry, providers }: Engine, { agent, provided }: JobHead): Agent {
  const ref = parseAgentRef(agent);
  const { name, version } = ref;
  if (provided === undefined || version === undefined || registry.has(name, version))
    return registry.resolve(ref);
  return providers.expect(name, version, provided);
}

/** Throws ABORTED, and why, when there is to be none. */
async function nextAttempt(
  { store, limits }: Engine,
  { job }: KeptJob,
  { attempts, recoveries, checkpointSeq, hasStreamed }: JobHistory,
  { recovery, maxAttempts = limits.maxAttempts }: Agent,
): Promise<Attempt> {
  if (job.state === 'accepted' || job.state === 'queued') return FIRST_ATTEMPT;
  if (recovery === 'fail') throw aborted('while the job was running');
  if (recovery === 'restart' && hasStreamed) throw aborted('when a part of the result had been streamed');
  if (recoveries + 2 > maxAttempts) throw aborted(`during each of ${maxAttempts} attempts`);
  const number = attempts + 1;
  if (recovery === 'restart') return { number };
  const result = hasStreamed ? await resultSoFar(store, job.id, checkpointSeq) : undefined;
  if (checkpointSeq === 0) return { number, result };
  const data = await checkpointData(store, job.id, checkpointSeq);
  return { number, result, resumedFrom: { checkpointId: checkpointId(job.id, checkpointSeq), data } };
}

function aborted(why: string): ArcpError {
  return new ArcpError('ABORTED', `the runtime was restarted ${why}`);
}
