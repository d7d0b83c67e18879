/** Raises the alerts of a run. One that cannot be kept stops no run. */
import type { JobContext } from '../../agents/agent.js';
import { ArcpError } from '../../protocol/errors.js';
import type { FleetAlertEventClass, FleetReceipt } from '../../protocol/fleet/index.js';
import type { Alerts } from '../alerts/alerts.js';
import type { FleetSpec } from '../spec/document.js';
import type { Done } from './attempt.js';
import type { TaskRecord } from './ledger.js';

interface RunAlertsOptions {
  readonly ctx: Pick<JobContext, 'jobId' | 'log'>;
  readonly spec: FleetSpec;
  readonly alerts: Alerts;
  readonly now: () => number;
  /** Is told of each channel that somebody is told on. */
  readonly escalated: (record: TaskRecord, channel: string) => void;
}

export class RunAlerts {
  readonly #options: RunAlertsOptions;

  constructor(options: RunAlertsOptions) {
    this.#options = options;
  }

  /** What an earlier life had not delivered yet goes on. */
  async recover(): Promise<void> {
    const { ctx, spec, alerts } = this.#options;
    const policies = [spec.alert_policy, ...spec.tasks.map((task) => task.alert_policy)];
    const channels = policies.flatMap((policy) => policy?.channels ?? []);
    if (channels.length > 0) await alerts.recover(ctx.jobId, channels);
  }

  /** By how a task ended. */
  async ended(record: TaskRecord, done: Done, receipt: FleetReceipt, isExhausted: boolean): Promise<void> {
    const { outcome, verdict, cause } = done;
    const reason = receipt.score?.notes ?? ('reason' in outcome ? outcome.reason : undefined);
    if (cause === 'budget') await this.raise('budget_exceeded', record, reason);
    if (verdict?.failureKind === 'verifier' && verdict.result === 'fail') {
      await this.raise('verifier_failed', record, reason);
    }
    if (isExhausted) await this.raise('restart_exhausted', record, reason);
  }

  async raise(
    kind: FleetAlertEventClass,
    record: TaskRecord | undefined,
    detail?: string,
    staleSince?: number,
  ): Promise<void> {
    const { ctx, spec, alerts, now, escalated } = this.#options;
    const policy = record?.spec.alert_policy ?? spec.alert_policy;
    if (policy === undefined || policy.channels.length === 0) return;
    const what = {
      class: kind,
      runId: ctx.jobId,
      runName: spec.name,
      taskId: record?.spec.id,
      workerId: record?.state.worker,
      attempt: record?.state.attempt ?? 0,
      at: now(),
      staleSince,
      detail,
    };
    try {
      for (const { channel, outcome } of await alerts.raise(what, policy)) {
        if (record !== undefined && outcome === 'now') escalated(record, channel);
      }
    } catch (error) {
      ctx.log('error', `an alert of ${kind} could not be kept: ${ArcpError.from(error).message}`);
    }
  }
}
