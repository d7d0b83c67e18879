/**
 * Picking up after the process ended, whether it was stopped or killed (laws L1 to L3).
 *
 * (V1) Sessions come back detached, with the numbering and the subscriptions that they had (`replay.ts`).
 *
 * What becomes of the jobs is in `job-recovery.ts`.
 */
import type { JobId } from '../protocol/ids.js';
import type { LogHead } from '../store/store.js';
import type { Engine } from './engine.js';
import { KEY_DOCUMENTS } from './idempotency.js';
import { goOn, keptJob, type KeptJob } from './job-recovery.js';
import { replay } from './replay.js';
import { numberOfPart, SESSION_HEAD, sessionOfLog } from './session-log.js';
import type { Session, SessionRecord } from './session.js';
import { SESSION_DOCUMENTS } from './session-table.js';

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
  const counts = await goOn(engine, kept, over);
  await engine.journal.flushed();
  return { sessions: sessions.size, ...counts };
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
    if (record.hosts !== undefined) engine.providers.restore(session, record.hosts);
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
