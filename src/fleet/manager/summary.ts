/** How a run went, in one value: that of its job. */
import type { JobContext } from '../../agents/agent.js';
import {
  FLEET_TASK_RESULTS,
  type FleetReceipt,
  type FleetRunStatus,
  type FleetTaskResult,
} from '../../protocol/fleet/index.js';
import type { ArtifactRef } from '../../protocol/payloads/artifacts.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import type { TaskCounts } from '../states/run-state.js';
import type { Ledger } from './ledger.js';

export interface RunSummary {
  readonly run_id: string;
  readonly name: string;
  readonly status: FleetRunStatus;
  readonly tasks: Omit<TaskCounts, 'open'>;
  readonly results: Readonly<Record<FleetTaskResult, number>>;
  /** RFC 3339. */
  readonly created_at: string;
  readonly completed_at: string;
  /** One a task, in the order of the spec. */
  readonly receipts?: readonly FleetReceipt[];
  /** The same as a JSON artifact, where they are many. */
  readonly receipts_ref?: ArtifactRef;
}

export async function summaryOf(
  ctx: JobContext,
  ledger: Ledger,
  name: string,
  now: number,
): Promise<RunSummary> {
  const { open: _open, ...tasks } = ledger.counts;
  const receipts = [...ledger.tasks.values()].flatMap(({ receipt }) =>
    receipt === undefined ? [] : [receipt],
  );
  const results = Object.fromEntries(
    FLEET_TASK_RESULTS.map((result) => [result, receipts.filter((one) => one.result === result).length]),
  ) as Record<FleetTaskResult, number>;
  const text = JSON.stringify(receipts);
  const told =
    text.length <= DEFAULT_FLEET_LIMITS.maxInlineReceiptBytes
      ? { receipts }
      : { receipts_ref: await ctx.artifact(text, { mediaType: 'application/json' }) };
  ctx.summarize(`${tasks.completed} completed, ${tasks.failed} failed, ${tasks.cancelled} cancelled`);
  return {
    run_id: ledger.runId,
    name,
    status: ledger.status,
    tasks,
    results,
    created_at: new Date(ledger.enqueuedAt).toISOString(),
    completed_at: new Date(now).toISOString(),
    ...told,
  };
}
