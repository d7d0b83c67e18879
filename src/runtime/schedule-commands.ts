/** `job.schedule` and `session.list_schedules`; cancelling one is a target of `cancel` (`job-commands.ts`). */
import { OPT_IN } from '../protocol/extensions.js';
import { ArcpError } from '../protocol/errors.js';
import type { Payload } from '../protocol/messages.js';
import { isAnonymous } from './authenticator.js';
import type { Command } from './command.js';
import { requestFingerprint } from './idempotency.js';
import { answerLater } from './later-answer.js';
import { compareMarks, pageSizeOf, readCursor, writeCursor, type Mark } from './page-cursor.js';
import { readCommand } from './scheduled-command.js';
import type { ScheduleRecord } from './schedules.js';

/** Answered with the schedule's id once it is committed; the same request under the same key is the same schedule. */
export const schedule: Command<'job.schedule'> = (scene, envelope) => {
  const { engine, session } = scene;
  const { job, when } = envelope.payload;
  if (isAnonymous(session)) {
    throw new ArcpError(
      'PERMISSION_DENIED',
      'an anonymous principal ends with its session: it cannot schedule',
    );
  }
  engine.sessions.optIn(session, OPT_IN.schedule);
  const command = readCommand(job, {
    priority: envelope.priority ?? 'normal',
    traceId: envelope.trace_id,
    correlationId: envelope.id,
  });
  const { idempotency_key: key } = envelope;
  const remembered = key === undefined ? undefined : { key, request: requestFingerprint(job, when) };
  const created = engine.schedules.create({ command, when, requester: session.requester, key: remembered });
  answerLater(scene, envelope, created, (schedule_id) => ({ note: schedule_id, schedule_id }));
};

export const listSchedules: Command<'session.list_schedules'> = (
  { engine, session, peer },
  { id, payload },
) => {
  const { limit, cursor } = payload;
  const size = pageSizeOf(limit, engine.limits.listPageSize);
  const after = cursor === undefined ? undefined : readCursor(cursor, 'schedule');
  const found: ScheduleRecord[] = [...engine.schedules.of(session.principal)]
    .filter((one) => after === undefined || compareMarks(one, after) > 0)
    .sort(compareMarks);
  const page = found.slice(0, size);
  const last: Mark | undefined = page.at(-1);
  const next_cursor = last === undefined || found.length <= size ? null : writeCursor(last);
  peer.reply({
    type: 'session.schedules',
    payload: { request_id: id, schedules: page.map(listing), next_cursor },
    sessionId: session.id,
    correlationId: id,
  });
};

function listing(record: ScheduleRecord): Payload<'session.schedules'>['schedules'][number] {
  const { id, command, when, createdAt, progress, last, key } = record;
  return {
    schedule_id: id,
    status: progress.status,
    type: command.type,
    agent: command.agent,
    when,
    created_at: timestamp(createdAt),
    ...(key === undefined ? {} : { idempotency_key: key.key }),
    ...(progress.status === 'active' ? { next_at: timestamp(progress.next) } : {}),
    ...(last === undefined ? {} : { last_at: timestamp(last.at) }),
    ...(last?.jobId === undefined ? {} : { last_job_id: last.jobId }),
    ...(last?.error === undefined ? {} : { last_error: last.error }),
  };
}

function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
