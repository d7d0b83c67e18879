/** Law L7 for the fleet: every bound has a name, a default and a unit here. */

interface LimitRule {
  readonly default: number;
  readonly unit: 'bytes' | 'ms' | 'count' | 'levels';
  readonly meaning: string;
}

export const FLEET_LIMITS = {
  maxSpecBytes: { default: 8_388_608, unit: 'bytes', meaning: 'A task-spec file.' },
  maxSpecNesting: { default: 64, unit: 'levels', meaning: 'Nested lists and tables in a task-spec file.' },
  maxSpecValues: {
    default: 1_000_000,
    unit: 'count',
    meaning: 'Values in a task-spec file, those that aliases repeat included.',
  },
  maxTasks: { default: 100_000, unit: 'count', meaning: 'Tasks of one run.' },
  maxWorkers: { default: 10_000, unit: 'count', meaning: 'Workers of one run.' },
  maxProblems: { default: 200, unit: 'count', meaning: 'Mistakes that a check tells of; then it stops.' },
  leaseMs: {
    default: 300_000,
    unit: 'ms',
    meaning: 'How long a worker keeps a task without a sign of life; each sign renews it.',
  },
  workerStartMs: {
    default: 60_000,
    unit: 'ms',
    meaning: 'From the start of a worker on its host to its agents; then it is given up.',
  },
  workerSteadyMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'A worker that ended sooner than this was not steady: it is started again with a backoff.',
  },
  workerBackoffMs: {
    default: 500,
    unit: 'ms',
    meaning:
      'Wait before a worker is started a third time that was not steady; it doubles with each further one.',
  },
  maxWorkerBackoffMs: { default: 30_000, unit: 'ms', meaning: 'The longest such wait.' },
  maxInlineReceiptBytes: {
    default: 262_144,
    unit: 'bytes',
    meaning: 'Receipts in the summary of a run; more of them are an artifact beside it.',
  },
  maxPatternLength: {
    default: 4_096,
    unit: 'count',
    meaning: 'Characters of a regular expression or a JSONPath.',
  },
  maxScoredBytes: {
    default: 1_000_000,
    unit: 'bytes',
    meaning:
      'A file that a scorer looks into; of a larger one there is no verdict but a fault of the verifier.',
  },
  maxEvaluationMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'A regular expression or a JSONPath on one file; then the verifier is at fault.',
  },
  maxScorerCommandMs: { default: 600_000, unit: 'ms', meaning: 'The command of a scorer.' },
  maxVerifierMs: { default: 600_000, unit: 'ms', meaning: 'The verifier that a prompt asks.' },
  maxEvidenceBytes: {
    default: 1_048_576,
    unit: 'bytes',
    meaning: 'What is kept of a scorer command’s output, of each stream.',
  },
  maxAlertsInFlight: { default: 8, unit: 'count', meaning: 'Alerts that are being delivered at once.' },
  maxAlertsPending: {
    default: 10_000,
    unit: 'count',
    meaning: 'Alerts that wait for delivery; a further one is refused with RESOURCE_EXHAUSTED.',
  },
  maxAlertAttempts: {
    default: 8,
    unit: 'count',
    meaning: 'Attempts at delivering an alert; then it is given up.',
  },
  alertBackoffMs: {
    default: 1_000,
    unit: 'ms',
    meaning: 'Wait before the second attempt at an alert; it doubles with each further one.',
  },
  maxAlertBackoffMs: {
    default: 300_000,
    unit: 'ms',
    meaning: 'The longest wait between attempts at an alert.',
  },
  alertTimeoutMs: { default: 10_000, unit: 'ms', meaning: 'One attempt at delivering an alert.' },
  maxAlertAnswerBytes: {
    default: 65_536,
    unit: 'bytes',
    meaning: 'What an endpoint may answer to an alert.',
  },
  maxAlertText: {
    default: 1_024,
    unit: 'count',
    meaning: 'Characters of an alert’s summary (PagerDuty’s bound).',
  },
  viewIntervalMs: {
    default: 1_000,
    unit: 'ms',
    meaning: 'How often at most what is shown of a run is written; whoever asks sees what is true now.',
  },
  maxShownTasks: { default: 100, unit: 'count', meaning: 'Running tasks that the status of a run names.' },
  maxShownFailures: { default: 20, unit: 'count', meaning: 'Failed tasks that the status of a run names.' },
  maxShownWorkers: { default: 200, unit: 'count', meaning: 'Workers that the status of a run names.' },
  maxKeptRuns: {
    default: 1_000,
    unit: 'count',
    meaning: 'Runs that can be listed; of more the oldest that have ended are forgotten.',
  },
  maxAnswerBytes: { default: 524_288, unit: 'bytes', meaning: 'Tasks that are told of in one answer.' },
  heartbeatIntervalMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'How often at most a run tells of the heartbeats of a task.',
  },
  maxTaskEvents: {
    default: 10_000,
    unit: 'count',
    meaning: 'Events of one attempt that a run tells of; the job’s own log has all.',
  },
  maxNotesLength: { default: 2_000, unit: 'count', meaning: 'Characters of the notes of a score.' },
} as const satisfies Record<string, LimitRule>;

export type FleetLimitName = keyof typeof FLEET_LIMITS;
export type FleetLimits = Readonly<Record<FleetLimitName, number>>;

export const DEFAULT_FLEET_LIMITS: FleetLimits = Object.fromEntries(
  Object.entries(FLEET_LIMITS).map(([name, rule]) => [name, rule.default]),
) as Record<FleetLimitName, number>;
