/**
 * Picking up after the process ended, whether it was stopped or killed (laws L1 to L3).
 *
 * (V1) Sessions come back detached, with the numbering and the subscriptions that they had (`replay.ts`).
 * (V2) Jobs that had ended can be asked about again. A job that had not started is started. One that was running
 *      fails with ABORTED, or is started again where its agent says so and nothing of its result was streamed yet.
 * (V3) A child of a job that was running fails: its parent will ask anew, if it is started again.
 * (V4) What a tree of jobs had spent stays spent, and what was added to its budget stays added (L4).
 * (V5) A question that was open still is, where its job goes on; where not, it is withdrawn before the job's end.
 */
import type { Agent } from '../agents/agent.js';
import { parseAgentRef } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import type { JobId } from '../protocol/ids.js';
import type { JobState } from '../protocol/job-state.js';
import { requestedLease } from '../protocol/lease.js';
import type { LogHead, StoredRecord } from '../store/store.js';
import { failed, type Ending, type TerminalType } from './ending.js';
import type { Engine } from './engine.js';
import { KEY_DOCUMENTS } from './idempotency.js';
import { Job } from './job.js';
import { JobBudget } from './job-budget.js';
import { parseHead, restoredBounds, type JobHead } from './job-head.js';
import { JOB_RESTARTED, JobRun } from './job-run.js';
import { withdrawOpen } from './questions/job-questions.js';
import { QuestionFold, type RecordedQuestion } from './questions/question.js';
import { replay } from './replay.js';
import { numberOfPart, SESSION_HEAD, sessionOfLog } from './session-log.js';
import type { Session, SessionRecord } from './session.js';
import { endOpenStreams, restoreInputs } from './stream-recovery.js';
import { SESSION_DOCUMENTS } from './session-table.js';
import { TreeAccount } from './tree-account.js';

/** What was found. */
export interface Recovery {
  readonly sessions: number;
  /** Jobs that had ended. */
  readonly ended: number;
  /** Jobs that go on: started for the first time, or again. */
  readonly started: number;
  /** Jobs that were running and failed. */
  readonly failed: number;
}

/** Logs and records that are read in one go. */
const BATCH = 500;

interface KeptJob {
  readonly job: Job;
  readonly head: JobHead;
  /** How it ended, if it did, and when. */
  readonly ended: { readonly ending: Ending; readonly at: number } | undefined;
  /** What it had asked people, where it goes on. */
  readonly questions: readonly RecordedQuestion[];
}

/** Takes up everything that the store has. Called once, before the first connection. */
export async function recover(engine: Engine): Promise<Recovery> {
  const heads = await allHeads(engine);
  engine.keys.restore(await engine.store.documents(KEY_DOCUMENTS));
  const kept = new Map<JobId, KeptJob>();
  for (const head of heads) {
    if (head.head === SESSION_HEAD) continue;
    const one = keptJob(engine, head, kept);
    kept.set(one.job.id, one);
    engine.jobs.found(one.job);
  }
  const sessions = await restoreSessions(engine, heads);
  const jobs = new Map([...kept].map(([id, { job }]) => [id, job]));
  const over = await replay(engine, jobs, sessions);
  engine.journal.continueAfter(await engine.store.lastPosition());
  await engine.forgetting.restore();
  for (const { job, ended } of kept.values())
    if (ended !== undefined) job.restore(STATE_OF[ended.ending.type], 0, ended.ending);
  const unfinished: KeptJob[] = [];
  for (const one of kept.values()) {
    if (one.ended !== undefined) continue;
    const { state, heartbeats, questions } = await foldOf(engine, one.job.id);
    one.job.restore(state, heartbeats);
    unfinished.push({ ...one, questions });
  }
  const accounts = new Map<Job, TreeAccount>();
  for (const { job } of unfinished)
    if (job.root === job) accounts.set(job, await accountOf(engine, job, kept));
  // Some of them may be forgotten at once: their trees have been added up (V4).
  for (const job of over) {
    const ended = kept.get(job.id)?.ended;
    if (ended !== undefined) engine.jobs.restored(job, ended.at);
  }
  const counts = { started: 0, failed: 0 };
  // Children were begun after their parents, so that the latest are the deepest (R4).
  for (const one of unfinished.reverse()) counts[await goOn(engine, one, accounts.get(one.job))] += 1;
  await engine.journal.flushed();
  return { sessions: sessions.size, ended: over.length, ...counts };
}

/** Oldest first. */
async function allHeads({ store }: Engine): Promise<LogHead[]> {
  const heads: LogHead[] = [];
  for (let before: string | undefined; ; before = heads.at(-1)?.log) {
    const page = await store.heads(BATCH, before);
    heads.push(...page);
    if (page.length < BATCH) return heads.reverse();
  }
}

/** The job as it began; its events are yet to be replayed. */
function keptJob(
  engine: Engine,
  { log, head: text, type, body }: LogHead,
  jobs: ReadonlyMap<JobId, KeptJob>,
): KeptJob {
  const head = parseHead(text);
  const id = log as JobId;
  const parent = head.parentId === undefined ? undefined : jobs.get(head.parentId)?.job;
  const asked = requestedLease({ lease_request: head.lease })?.budget;
  const budget =
    parent === undefined && asked !== undefined
      ? new JobBudget(asked, head.budgetPolicy)
      : JobBudget.unbounded;
  const { arguments: _arguments, key, parentId: _parentId, bounds, ...origin } = head;
  const job = new Job(
    {
      ...origin,
      id,
      maxRuntimeMs: origin.maxRuntimeMs,
      correlationId: origin.correlationId,
      causationId: origin.causationId,
      delegateId: origin.delegateId,
      parent,
      budget,
      bounds: restoredBounds(bounds),
    },
    engine,
  );
  if (key !== undefined) engine.keys.remember(origin, key.key, key.request, job);
  return { job, head, ended: endOf({ type, body }), questions: [] };
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

function payloadOf({ body }: Pick<StoredRecord, 'body'>): unknown {
  return (JSON.parse(`{${body}`) as { readonly payload: unknown }).payload;
}

async function* recordsOf({ store }: Engine, log: string): AsyncGenerator<StoredRecord> {
  for (let after = 0; ;) {
    const page = await store.read(log, after, BATCH);
    yield* page;
    if (page.length < BATCH) return;
    after += page.length;
  }
}

/** Law L1: where a job stands is what its events say. */
async function foldOf(
  engine: Engine,
  log: string,
): Promise<{
  readonly state: JobState;
  readonly heartbeats: number;
  readonly questions: readonly RecordedQuestion[];
}> {
  let state: JobState = 'accepted';
  let heartbeats = 0;
  const fold = new QuestionFold();
  for await (const record of recordsOf(engine, log)) {
    fold.note(record);
    if (record.type === 'job.started') state = 'running';
    if (record.type !== 'job.heartbeat') continue;
    const beat = payloadOf(record) as { readonly sequence: number; readonly state: JobState };
    state = beat.state;
    heartbeats = beat.sequence;
  }
  return { state, heartbeats, questions: fold.questions };
}

/** (V1) Those whose window has closed are forgotten. */
async function restoreSessions(engine: Engine, heads: readonly LogHead[]): Promise<Map<string, Session>> {
  const logs = new Map<string, string[]>();
  for (const { log, head } of heads) {
    if (head !== SESSION_HEAD) continue;
    const id = sessionOfLog(log);
    logs.set(id, [...(logs.get(id) ?? []), log]);
  }
  const now = engine.clock.now();
  const sessions = new Map<string, Session>();
  const orphans: string[] = [];
  for (const { text, revision } of await engine.store.documents(SESSION_DOCUMENTS)) {
    const record = JSON.parse(text) as SessionRecord;
    const { id } = record.identity;
    const session = engine.sessions.restore(record, revision);
    const first = record.note?.from === undefined ? 1 : numberOfPart(record.note.from.part);
    const parts = logs.get(id) ?? [];
    logs.delete(id);
    // What was about to be forgotten is not read again.
    orphans.push(...parts.filter((part) => numberOfPart(part) < first));
    session.restoreLog(
      parts.filter((part) => numberOfPart(part) >= first),
      engine,
    );
    if (record.expiresAt !== undefined && record.expiresAt <= now) engine.sessions.end(session);
    else sessions.set(id, session);
  }
  orphans.push(...[...logs.values()].flat());
  if (orphans.length > 0) engine.dropLogs(orphans);
  return sessions;
}

/** (V2, V3) */
async function goOn(
  engine: Engine,
  kept: KeptJob,
  account: TreeAccount | undefined,
): Promise<'started' | 'failed'> {
  const { job, head } = kept;
  const agent = agentOf(engine, head);
  const attempt = agent instanceof ArcpError ? agent : await attemptAgain(engine, kept, agent);
  await endOpenStreams(engine, job, !(attempt instanceof ArcpError));
  if (agent instanceof ArcpError || attempt instanceof ArcpError) {
    withdrawOpen(job, kept.questions, ArcpError.from(attempt));
    job.end(failed(attempt));
    engine.jobs.finished(job);
    return 'failed';
  }
  account?.applyTo(job.origin.budget);
  const run = new JobRun(job, agent, head.arguments, engine);
  if (kept.questions.length > 0) run.questions.restore(kept.questions);
  await restoreInputs(engine, run);
  engine.jobs.takeUp(run, attempt);
  return 'started';
}

function agentOf(engine: Engine, { agent }: JobHead): Agent | ArcpError {
  try {
    return engine.registry.resolve(parseAgentRef(agent));
  } catch (error) {
    return ArcpError.from(error);
  }
}

/** Which attempt at the job would be the next; or why there is none. */
async function attemptAgain(engine: Engine, { job }: KeptJob, agent: Agent): Promise<number | ArcpError> {
  const aborted = (why: string): ArcpError => new ArcpError('ABORTED', `the runtime was restarted ${why}`);
  if (job.origin.parent !== undefined) return aborted('and the job that delegated this one did not go on');
  if (job.state === 'accepted' || job.state === 'queued') return 1;
  if (agent.recovery !== 'restart') return aborted('while the job was running');
  let attempt = 2;
  for await (const { type, body } of recordsOf(engine, job.id)) {
    if (type === 'job.result_chunk') return aborted('when a part of the result had been streamed');
    if (type === 'event.emit' && (payloadOf({ body }) as { name: unknown }).name === JOB_RESTARTED)
      attempt += 1;
  }
  const { maxAttempts } = engine.limits;
  return attempt > maxAttempts ? aborted(`during each of ${maxAttempts} attempts`) : attempt;
}

/** (V4) What the job and all its descendants had been charged, and what people had added to their budget. */
async function accountOf(engine: Engine, root: Job, jobs: ReadonlyMap<JobId, KeptJob>): Promise<TreeAccount> {
  const account = new TreeAccount(root, (id) => jobs.has(id as JobId));
  if (root.origin.budget.remainders().size === 0) return account;
  for (const { job } of jobs.values()) {
    if (job.root !== root) continue;
    for await (const record of recordsOf(engine, job.id)) account.note(job, record);
  }
  return account;
}
