/**
 * Schedules (RFC 0001 §10.6): commands that are given later, once or again and again, in the name of the principal that
 * asked, whether its session is still there or not.
 *
 * (H1) A schedule is a document of the store, committed before it is acknowledged (L2). It says which occurrence is next.
 * (H2) An occurrence has at most one job: the job's id follows from the schedule's and the occurrence's time. The job
 *      is committed first and the document then moves on; what comes between finds the job and does not start another.
 * (H3) No occurrence is lost: what cannot be started for the moment is tried again; what was missed while nobody was
 *      there is caught up once, by its latest occurrence. What can never be started is noted in the schedule.
 * (H4) What changes a schedule takes turns with what else does.
 */
import type { Clock, Timer } from '../clock.js';
import { ArcpError, type ErrorPayload } from '../protocol/errors.js';
import { ID_PREFIXES, type Id, type JobId } from '../protocol/ids.js';
import type { Payload } from '../protocol/messages.js';
import type { Store } from '../store/store.js';
import type { Intake } from './intake.js';
import type { NewId } from './ids.js';
import type { Journal } from './journal.js';
import type { RememberedKey } from './job-head.js';
import type { JobTable } from './job-table.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import { dueOccurrence, firstOccurrence, nextOccurrence, type Rule } from './occurrences.js';
import { Recurrence } from './recurrence.js';
import { submissionOf, type ScheduledCommand } from './scheduled-command.js';
import type { Requester } from './submission.js';

export interface ScheduleContext {
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly jobs: JobTable;
  readonly intake: Intake;
}

/** A schedule as it is asked for. */
export interface ScheduleRequest {
  readonly command: ScheduledCommand;
  readonly when: Payload<'job.schedule'>['when'];
  readonly requester: Requester;
  readonly key: RememberedKey | undefined;
}

type Progress =
  | { readonly status: 'active'; readonly next: number }
  | { readonly status: 'done' | 'cancelled'; readonly endedAt: number };

/** A schedule as the store keeps it. Times are in milliseconds since the epoch. */
export interface ScheduleRecord {
  readonly id: Id<'schedule'>;
  readonly command: ScheduledCommand;
  readonly when: Payload<'job.schedule'>['when'];
  readonly requester: Requester;
  readonly key?: RememberedKey | undefined;
  readonly createdAt: number;
  /** Of one that fires by a rule. */
  readonly rule?: string | undefined;
  readonly progress: Progress;
  readonly last?: LastOccurrence | undefined;
}

interface LastOccurrence {
  readonly at: number;
  readonly jobId?: JobId;
  /** Why there is no job. */
  readonly error?: ErrorPayload;
}

interface Scheduled {
  record: ScheduleRecord;
  readonly rule: Rule;
  /** Of its document; 0 before the first is committed. */
  revision: number;
  timer: Timer | undefined;
  /** Settles when what was asked of it so far is done (H4). */
  turn: Promise<void>;
}

/** What the keys of the documents begin with. */
const DOCUMENTS = 'schedule/';

export class ScheduleTable {
  readonly #context: ScheduleContext;
  readonly #schedules = new Map<string, Scheduled>();
  /** By whose limits they count against. */
  readonly #byQuota = new Map<string, Set<Scheduled>>();
  #closed = false;

  constructor(context: ScheduleContext) {
    this.#context = context;
  }

  /** Takes up what the store has, once the jobs are there: what was missed fires now (H3). */
  async recover(): Promise<void> {
    for (const { text, revision } of await this.#context.store.documents(DOCUMENTS)) {
      const record = JSON.parse(text) as ScheduleRecord;
      const rule = record.rule === undefined ? undefined : Recurrence.restore(record.rule);
      this.#arm(this.#add({ record, rule, revision, timer: undefined, turn: Promise.resolve() }));
    }
  }

  /**
   * Resolves with the schedule's id once it is committed; the same request under the same key gives the same schedule.
   * Throws, or rejects, with why there is none.
   */
  create(request: ScheduleRequest): Promise<Id<'schedule'>> {
    const { clock, newId, limits, logger } = this.#context;
    const { requester, key } = request;
    const known = key === undefined ? undefined : this.#under(key, requester);
    if (known !== undefined) return known.turn.then(() => idIfKept(known));
    const now = clock.now();
    const { next, rule } = firstOccurrence(request.when, now, limits);
    this.#makeRoom(requester.quota);
    const record: ScheduleRecord = {
      ...request,
      id: newId('schedule'),
      createdAt: now,
      rule: rule?.text,
      progress: { status: 'active', next },
    };
    const scheduled = this.#add({ record, rule, revision: 0, timer: undefined, turn: Promise.resolve() });
    logger.info({ schedule: record.id, principal: requester.principal }, 'scheduled');
    return this.#takeTurn(scheduled, async () => {
      try {
        await this.#put(scheduled, record);
      } catch (error) {
        this.#forget(scheduled);
        throw error;
      }
      this.#arm(scheduled);
      return record.id;
    });
  }

  /** Those of a principal, in no order. */
  *of(principal: string): Generator<ScheduleRecord> {
    for (const { record, revision } of this.#schedules.values()) {
      if (revision > 0 && record.requester.principal === principal) yield record;
    }
  }

  find(id: string): ScheduleRecord | undefined {
    return this.#schedules.get(id)?.record;
  }

  /** Resolves once it is committed that an active schedule fires no more; with false where it had ended before. */
  cancel(id: string): Promise<boolean> {
    const scheduled = this.#schedules.get(id);
    if (scheduled === undefined) return Promise.resolve(false);
    return this.#takeTurn(scheduled, async () => {
      const { record } = scheduled;
      if (record.progress.status !== 'active') return false;
      const progress = { status: 'cancelled', endedAt: this.#context.clock.now() } as const;
      await this.#put(scheduled, { ...record, progress });
      this.#arm(scheduled);
      return true;
    });
  }

  /** Nothing fires any more; the next life of the runtime goes on where the store is durable. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#schedules.values()) timer?.cancel();
  }

  /** Throws DUPLICATE_KEY when the key stands for another request (decision 11). */
  #under({ key, request }: RememberedKey, { principal, quota }: Requester): Scheduled | undefined {
    for (const scheduled of this.#byQuota.get(quota) ?? []) {
      const { record } = scheduled;
      if (record.key?.key !== key || record.requester.principal !== principal) continue;
      if (record.key.request === request) return scheduled;
      throw new ArcpError('DUPLICATE_KEY', 'the idempotency key was used for a different request', {
        details: { existing_schedule_id: record.id },
      });
    }
    return undefined;
  }

  /** Forgets one that has ended, where there are too many. Throws RESOURCE_EXHAUSTED when none has. */
  #makeRoom(quota: string): void {
    const held = this.#byQuota.get(quota);
    const { maxSchedulesPerPrincipal } = this.#context.limits;
    if (held === undefined || held.size < maxSchedulesPerPrincipal) return;
    const ended = [...held].find(({ record }) => record.progress.status !== 'active');
    if (ended === undefined) {
      const message = `this principal has ${maxSchedulesPerPrincipal} schedules already`;
      throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
    }
    this.#drop(ended);
  }

  #add(scheduled: Scheduled): Scheduled {
    const { id, requester } = scheduled.record;
    this.#schedules.set(id, scheduled);
    const held = this.#byQuota.get(requester.quota);
    if (held === undefined) this.#byQuota.set(requester.quota, new Set([scheduled]));
    else held.add(scheduled);
    return scheduled;
  }

  #forget(scheduled: Scheduled): void {
    const { id, requester } = scheduled.record;
    scheduled.timer?.cancel();
    this.#schedules.delete(id);
    const held = this.#byQuota.get(requester.quota);
    held?.delete(scheduled);
    if (held?.size === 0) this.#byQuota.delete(requester.quota);
  }

  /** Forgets it in the store, too. */
  #drop(scheduled: Scheduled): void {
    this.#forget(scheduled);
    void this.#takeTurn(scheduled, () => this.#put(scheduled, undefined)).catch((error: unknown) => {
      this.#context.logger.error({ schedule: scheduled.record.id, reason: String(error) }, 'not forgotten');
    });
  }

  /** Waits for the next occurrence, or for the time when it is forgotten. */
  #arm(scheduled: Scheduled): void {
    const { progress } = scheduled.record;
    const { endedScheduleTtlMs } = this.#context.limits;
    scheduled.timer?.cancel();
    if (progress.status === 'active') {
      this.#wait(scheduled, progress.next - this.#context.clock.now());
    } else {
      const left = progress.endedAt + endedScheduleTtlMs - this.#context.clock.now();
      scheduled.timer = this.#closed
        ? undefined
        : this.#context.clock.timer(left, () => {
            this.#drop(scheduled);
          });
    }
  }

  #wait(scheduled: Scheduled, ms: number): void {
    if (this.#closed) return;
    scheduled.timer = this.#context.clock.timer(ms, () => {
      void this.#takeTurn(scheduled, () => this.#fire(scheduled)).catch((error: unknown) => {
        const { limits, logger } = this.#context;
        const { code, message: reason } = ArcpError.from(error);
        logger.warn({ schedule: scheduled.record.id, code, reason }, 'an occurrence has to wait');
        if (scheduled.record.progress.status === 'active') this.#wait(scheduled, limits.scheduleRetryMs);
      });
    });
  }

  /** (H2, H3) Rejects with what may be otherwise in a while. */
  async #fire(scheduled: Scheduled): Promise<void> {
    const { clock, limits } = this.#context;
    const { record, rule } = scheduled;
    const { progress } = record;
    if (this.#closed || progress.status !== 'active') return;
    const now = clock.now();
    if (progress.next > now) {
      this.#arm(scheduled);
      return;
    }
    const at = dueOccurrence(rule, progress.next, now);
    const last = await this.#start(record, at);
    const next = nextOccurrence(rule, at, limits);
    await this.#put(scheduled, {
      ...record,
      last,
      progress: next === undefined ? { status: 'done', endedAt: now } : { status: 'active', next },
    });
    this.#arm(scheduled);
  }

  /** Starts the job of an occurrence, unless it is there. Rejects when it can be tried again. */
  async #start(record: ScheduleRecord, at: number): Promise<LastOccurrence> {
    const { intake, jobs, journal } = this.#context;
    const jobId = occurrenceId(record.id, at);
    if (jobs.find(jobId) !== undefined) return { at, jobId };
    try {
      const scheduled = { jobId, schedule: { id: record.id, at } };
      const job = await intake.start({ ...submissionOf(record.command), scheduled }, record.requester);
      await journal.flushed();
      if (job.lost || job.log.committedSeq === 0)
        throw new ArcpError('UNAVAILABLE', 'the job was not stored');
      return { at, jobId };
    } catch (error) {
      const refused = ArcpError.from(error);
      if (refused.retryable || refused.code === 'UNAVAILABLE') throw refused;
      return { at, error: refused.toPayload() };
    }
  }

  #takeTurn<T>(scheduled: Scheduled, act: () => Promise<T>): Promise<T> {
    const acted = scheduled.turn.then(act);
    scheduled.turn = acted.then(
      () => undefined,
      () => undefined,
    );
    return acted;
  }

  /** Keeps the record, or nothing more. Rejects with UNAVAILABLE when the store refuses; nothing has changed then. */
  #put(scheduled: Scheduled, record: ScheduleRecord | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#context.journal.append({
        kind: 'document',
        key: `${DOCUMENTS}${scheduled.record.id}`,
        revision: scheduled.revision + 1,
        text: record === undefined ? undefined : JSON.stringify(record),
        settled: (error) => {
          if (error === undefined) {
            scheduled.revision += 1;
            if (record !== undefined) scheduled.record = record;
            resolve();
          } else {
            reject(
              new ArcpError('UNAVAILABLE', 'the runtime could not store the schedule', { cause: error }),
            );
          }
        },
      });
    });
  }
}

/** (H2) */
function occurrenceId(id: Id<'schedule'>, at: number): JobId {
  return `${ID_PREFIXES.job}_${id.slice(ID_PREFIXES.schedule.length + 1)}-${at.toString(36)}`;
}

function idIfKept({ record, revision }: Scheduled): Id<'schedule'> {
  if (revision > 0) return record.id;
  throw new ArcpError('UNAVAILABLE', 'the runtime could not store the schedule');
}
