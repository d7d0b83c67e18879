/** From how a task's work ended and what the scorer says of it to the task's receipt and its last event. */
import type { FleetArtifactRef, FleetReceipt, FleetWorkerEventPayload } from '../../protocol/fleet/index.js';
import type { Verdict } from './verdict.js';

export type WorkOutcome =
  | {
      readonly kind: 'completed';
      readonly exitCode?: number | undefined;
      readonly summary?: string | undefined;
    }
  /** `transport`: the worker was lost, not the work wrong. */
  | { readonly kind: 'failed'; readonly reason: string; readonly transport: boolean }
  | { readonly kind: 'timed_out'; readonly reason: string }
  | { readonly kind: 'cancelled'; readonly by: string };

export interface Whose {
  readonly runId: string;
  readonly taskId: string;
  /** The last that had it; empty where none ever had. */
  readonly workerId: string;
  readonly completedAt: string;
}

/** The receipt. Work that was cancelled is not judged: `skip`, run or not. */
export function receiptOf(
  { runId, taskId, workerId, completedAt }: Whose,
  outcome: WorkOutcome,
  verdict: Verdict | undefined,
  artifacts: readonly FleetArtifactRef[],
): FleetReceipt {
  const head = { run_id: runId, task_id: taskId, worker_id: workerId, completed_at: completedAt };
  const all = [...artifacts, ...(verdict?.evidence ?? [])];
  if (outcome.kind === 'cancelled') return { ...head, result: 'skip', artifacts: all, score: null };
  if (outcome.kind === 'timed_out')
    return { ...head, result: 'timeout', failure_kind: 'task', artifacts: all, score: null };
  // Failed work that no scorer has judged for good has failed.
  if (outcome.kind === 'failed' && (verdict === undefined || verdict.pending !== undefined)) {
    const kind = outcome.transport ? 'transport' : 'task';
    return {
      ...head,
      result: 'fail',
      failure_kind: kind,
      artifacts: all,
      score: { value: 0, max: 1, notes: outcome.reason },
    };
  }
  if (verdict === undefined) return { ...head, result: 'partial', artifacts: all, score: null };
  const kind = verdict.failureKind === undefined ? {} : { failure_kind: verdict.failureKind };
  return { ...head, result: verdict.result, ...kind, artifacts: all, score: verdict.score };
}

/** The task's last event: completed work whose scorer fails is a failed task; failed work stays failed. */
export function lastEventOf(outcome: WorkOutcome, verdict: Verdict | undefined): FleetWorkerEventPayload {
  switch (outcome.kind) {
    case 'cancelled':
      return { state: 'cancelled', cancelled_by: outcome.by };
    case 'failed':
    case 'timed_out':
      return { state: 'failed', reason: outcome.reason, recoverable: false };
    case 'completed':
      if (verdict?.result === 'fail') {
        return { state: 'failed', reason: verdict.score.notes ?? 'its scorer fails', recoverable: false };
      }
      return {
        state: 'completed',
        ...(outcome.exitCode === undefined ? {} : { exit_code: outcome.exitCode }),
        ...(outcome.summary === undefined ? {} : { summary: outcome.summary }),
      };
  }
}
