/** `arcp fleet alerts --dry-run`: whom a run would tell of what, and in which words; nothing is sent. */
import type { Command } from 'commander';
import { FLEET_ALERT_EVENT_CLASSES, type FleetAlertPolicy } from '../../protocol/fleet/index.js';
import { EXIT } from '../exit-codes.js';
import { Failure } from '../failure.js';
import { table } from './lines.js';
import { specIn } from './spec.js';

interface AlertsOptions {
  readonly dryRun?: true;
  readonly json?: true;
}

export function addAlerts(fleet: Command): void {
  fleet
    .command('alerts')
    .description('show whom a run of a task-spec file would tell of what')
    .argument('<file>', 'the task-spec file')
    .option('--dry-run', 'send nothing; there is no other way')
    .option('--json', 'print one alert a line, with its body; secrets are replaced')
    .action(async (file: string, options: AlertsOptions) => {
      if (options.dryRun !== true) {
        const next = `\`arcp fleet alerts ${file} --dry-run\`; alerts are sent by runs`;
        throw new Failure(EXIT.usage, 'this command only rehearses', next);
      }
      const { rehearse } = await import('../../fleet/alerts/alerts.js');
      const { name, alert_policy, tasks } = await specIn(file);
      const now = Date.now();
      const told = policies(alert_policy, tasks).flatMap(({ taskId, policy, attempts }) =>
        FLEET_ALERT_EVENT_CLASSES.filter(
          (kind) => (kind === 'run_completed') === (taskId === undefined),
        ).flatMap((kind) => {
          const what = { class: kind, runId: 'dry-run', runName: name, taskId, workerId: undefined, at: now };
          return rehearse({ ...what, attempt: attempts }, policy, now).map(
            ({ channel, readiness, body }) => ({
              ...(taskId === undefined ? {} : { task_id: taskId }),
              class: kind,
              channel,
              ...readinessOf(readiness, policy),
              body,
            }),
          );
        }),
      );
      if (options.json === true) {
        process.stdout.write(told.map((line) => `${JSON.stringify(line)}\n`).join(''));
        return;
      }
      const rows = told.map((one) => [one.task_id ?? '-', one.class, one.sent, one.channel]);
      process.stdout.write(table([['TASK', 'CLASS', 'SENT', 'CHANNEL'], ...rows]));
    });
}

interface Policy {
  readonly taskId: string | undefined;
  readonly policy: FleetAlertPolicy;
  readonly attempts: number;
}

/** The run's policy is told of its end; each task's of what happens to it, as if it were at its last attempt. */
function policies(
  run: FleetAlertPolicy | undefined,
  tasks: Awaited<ReturnType<typeof specIn>>['tasks'],
): Policy[] {
  const ofRun = run === undefined ? [] : [{ taskId: undefined, policy: run, attempts: 0 }];
  const ofTasks = tasks.flatMap(({ id, alert_policy, retry_policy }) => {
    const policy = alert_policy ?? run;
    return policy === undefined ? [] : [{ taskId: id, policy, attempts: retry_policy?.max_attempts ?? 3 }];
  });
  return [...ofRun, ...ofTasks];
}

function readinessOf(
  readiness: { readonly kind: string; readonly why?: string },
  policy: FleetAlertPolicy,
): { readonly sent: string } {
  switch (readiness.kind) {
    case 'now':
      return {
        sent: policy.after_attempts === null ? 'at once' : `from attempt ${policy.after_attempts} on`,
      };
    case 'later':
      return { sent: `after ${policy.after_minutes_stale ?? 0} minutes` };
    default:
      return { sent: readiness.why === 'class' ? 'never: not among its events' : 'never: too few attempts' };
  }
}
