/**
 * `session.list_jobs`: the jobs of a principal, page by page.
 *
 * (G1) Only what is committed is listed: jobs whose `job.accepted` is, in the state that their events show (L2).
 * (G2) The order is by creation, then by id. A cursor is a place in that order, not a list kept somewhere: what ends or
 *      begins between two pages moves nothing.
 * (G3) A page whose questions take too much room ends early; it has one job at least (L7).
 */
import { parseAgentRef } from '../protocol/agent-ref.js';
import type { Payload } from '../protocol/messages.js';
import { parseTimestamp } from '../protocol/timestamp.js';
import type { Job } from './job.js';
import { compareMarks, pageSizeOf, readCursor, writeCursor, type Mark } from './page-cursor.js';
import type { OpenQuestion } from './questions/job-questions.js';
import type { TrustLevel } from '../protocol/trust-level.js';
import { TRUST } from './trust.js';

type ListRequest = Payload<'session.list_jobs'>;
type Filter = NonNullable<ListRequest['filter']>;
type StatusWord = NonNullable<Filter['status']>[number];
type Page = Omit<Payload<'session.jobs'>, 'request_id'>;

/** The jobs that there are, and what they wait for. */
export interface Listed {
  all(): Iterable<Job>;
  waitingFor(job: Job): readonly OpenQuestion[];
}

/** Room for questions in one page, in UTF-16 units of text; a frame has more. */
const MAX_QUESTIONS_LENGTH = 262_144;

/** Who asks. */
export interface Viewer {
  readonly principal: string;
  readonly trust: TrustLevel;
}

/** Throws INVALID_ARGUMENT for a cursor, an agent or a limit that makes no sense. */
export function listJobs(
  jobs: Listed,
  viewer: Viewer,
  { filter = {}, limit, cursor }: ListRequest,
  pageSize: number,
  now: number,
): Page {
  const size = pageSizeOf(limit, pageSize);
  const after = cursor === undefined ? undefined : readCursor(cursor, 'job');
  const fits = predicate(filter, jobs);
  const found: Job[] = [];
  for (const job of jobs.all()) {
    if (job.log.committedSeq === 0 || !mayList(viewer, job, filter, jobs)) continue;
    if (after !== undefined && compareMarks(markOf(job), after) <= 0) continue;
    if (fits(job)) found.push(job);
  }
  found.sort((a, b) => compareMarks(markOf(a), markOf(b)));
  const page: Page['jobs'] = [];
  let last: Job | undefined;
  let room = MAX_QUESTIONS_LENGTH;
  for (const job of found.slice(0, size)) {
    const waitingFor = questionsFor(viewer, job, jobs).map(({ id, request }) => ({ id, ...request }));
    if (waitingFor.length > 0) room -= JSON.stringify(waitingFor).length;
    if (room < 0 && last !== undefined) break;
    page.push({ ...listing(job, now), ...(waitingFor.length === 0 ? {} : { waiting_for: waitingFor }) });
    last = job;
  }
  return {
    jobs: page,
    next_cursor: last === undefined || found.length <= page.length ? null : writeCursor(markOf(last)),
  };
}

/** Who approves for others is shown their jobs where these wait for a permission, and when it asks for what waits. */
function mayList(viewer: Viewer, job: Job, { waiting }: Filter, jobs: Listed): boolean {
  if (job.origin.principal === viewer.principal) return true;
  return waiting === true && TRUST[viewer.trust].approves && questionsFor(viewer, job, jobs).length > 0;
}

/** Of the jobs of others nobody sees more than what they ask to be allowed. */
function questionsFor({ principal }: Viewer, job: Job, jobs: Listed): readonly OpenQuestion[] {
  const open = jobs.waitingFor(job);
  if (job.origin.principal === principal) return open;
  return open.filter(({ request }) => request.type === 'permission.request');
}

function listing({ id, agent, shownState, origin, log, lineage }: Job, now: number): Page['jobs'][number] {
  const { role, permissions, shell } = origin.authority.profileAt(now);
  return {
    job_id: id,
    agent,
    status: shownState,
    ...lineage,
    created_at: new Date(origin.createdAt).toISOString(),
    ...(origin.schedule === undefined ? {} : { schedule_id: origin.schedule.id }),
    trace_id: origin.traceId,
    last_event_seq: log.order.lastNumber,
    profile: { role, permissions, shell },
  };
}

function predicate(
  { status, agent, created_after, created_before, waiting }: Filter,
  jobs: Listed,
): (job: Job) => boolean {
  const words = status === undefined || status.length === 0 ? undefined : status;
  const ref = agent === undefined ? undefined : parseAgentRef(agent);
  const from = created_after === undefined ? undefined : parseTimestamp(created_after);
  const until = created_before === undefined ? undefined : parseTimestamp(created_before);
  return (job) => {
    const { createdAt } = job.origin;
    if (from !== undefined && createdAt <= from) return false;
    if (until !== undefined && createdAt >= until) return false;
    if (ref !== undefined && (ref.version === undefined ? nameOf(job) !== ref.name : job.agent !== agent)) {
      return false;
    }
    if (waiting !== undefined && jobs.waitingFor(job).length > 0 !== waiting) return false;
    return words?.some((word) => isIn(job, word)) ?? true;
  };
}

function nameOf({ agent }: Job): string {
  const at = agent.indexOf('@');
  return at === -1 ? agent : agent.slice(0, at);
}

/** The words of draft-1.1 that classic does not have stand for the states that they sum up. */
function isIn(job: Job, word: StatusWord): boolean {
  const { shownState } = job;
  switch (word) {
    case 'pending':
      return shownState === 'accepted' || shownState === 'queued';
    case 'success':
      return shownState === 'completed';
    case 'error':
      return shownState === 'failed' && !isTimeout(job);
    case 'timed_out':
      return shownState === 'failed' && isTimeout(job);
    default:
      return shownState === word;
  }
}

function isTimeout({ shownFailure }: Job): boolean {
  return shownFailure === 'TIMEOUT' || shownFailure === 'DEADLINE_EXCEEDED';
}

function markOf({ id, origin }: Job): Mark {
  return { createdAt: origin.createdAt, id };
}
