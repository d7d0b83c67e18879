/** What there is to tell, before it is known whom. */
import type { FleetAlertEventClass } from '../../protocol/fleet/index.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';

/** Something that happened to a run or a task and that somebody may want to know. */
export interface Occurrence {
  readonly class: FleetAlertEventClass;
  readonly runId: string;
  readonly runName: string;
  /** Absent where it is about the run as a whole. */
  readonly taskId: string | undefined;
  readonly workerId: string | undefined;
  /** 0 where it is about the run as a whole. */
  readonly attempt: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Of `stale`: since when nothing was heard. */
  readonly staleSince?: number | undefined;
  /** One line on what is special about this one. */
  readonly detail?: string | undefined;
}

/** What stands in every alert, on whatever channel. */
export interface Alert {
  /** The same however often it is sent, so that whoever gets it twice can tell. */
  readonly id: string;
  readonly class: FleetAlertEventClass;
  readonly run_id: string;
  readonly run_name: string;
  readonly task_id?: string | undefined;
  readonly worker_id?: string | undefined;
  readonly attempt: number;
  /** RFC 3339. */
  readonly at: string;
  readonly summary: string;
}

const SUMMARIES = {
  stale: 'gives no sign of life',
  restart_exhausted: 'has failed as often as it may',
  needs_human: 'waits for a person',
  budget_exceeded: 'has used up its budget',
  verifier_failed: 'could not be verified',
  run_completed: 'has ended',
} as const satisfies Record<FleetAlertEventClass, string>;

/** One sentence on it, bounded. */
export function summaryOf({ class: kind, runName, runId, taskId, workerId, detail }: Occurrence): string {
  const run = `run ${runName === '' ? runId : runName}`;
  const whose =
    taskId === undefined ? run : `task ${taskId} of ${run}${workerId === undefined ? '' : ` on ${workerId}`}`;
  const more = detail === undefined || detail === '' ? '' : `: ${detail}`;
  const text = `${whose} ${SUMMARIES[kind]}${more}`;
  const { maxAlertText } = DEFAULT_FLEET_LIMITS;
  return text.length <= maxAlertText ? text : `${text.slice(0, maxAlertText - 1).toWellFormed()}…`;
}

/** The alert of an occurrence. `redact` takes secrets out of what agents said. */
export function alertOf(what: Occurrence, id: string, redact = (text: string): string => text): Alert {
  return {
    id,
    class: what.class,
    run_id: what.runId,
    run_name: what.runName,
    task_id: what.taskId,
    worker_id: what.workerId,
    attempt: what.attempt,
    at: new Date(what.at).toISOString(),
    summary: redact(summaryOf(what)),
  };
}
