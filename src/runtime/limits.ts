/**
 * Law L7, nothing unbounded: every limit has a name, a default and a unit here, and is passed around as one object.
 * Where a limit is reached the caller gets RESOURCE_EXHAUSTED or the close code named in the meaning.
 */

interface LimitRule {
  readonly default: number;
  readonly unit: 'bytes' | 'ms' | 'count' | 'levels' | 'percent';
  readonly meaning: string;
}

export const LIMITS = {
  maxFrameBytes: {
    default: 1_572_864,
    unit: 'bytes',
    meaning: 'One inbound frame; a larger one closes the socket with 1009.',
  },
  maxNesting: { default: 128, unit: 'levels', meaning: 'Nested arrays and objects in a frame.' },
  maxConnections: {
    default: 20_000,
    unit: 'count',
    meaning: 'Open sockets of one listener; a further one is refused with 503.',
  },
  helloTimeoutMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'From the first byte to an accepted session; then close 1008.',
  },
  maxHandshakeFailures: {
    default: 5,
    unit: 'count',
    meaning: 'Refused handshake frames on one connection; then close 1008.',
  },
  maxSessionsPerPrincipal: {
    default: 10_000,
    unit: 'count',
    meaning: 'Sessions of one principal that are open or can be resumed.',
  },
  refreshTimeoutMs: {
    default: 60_000,
    unit: 'ms',
    meaning: 'From `session.refresh` to the new credential; then the session is evicted.',
  },
  resumeWindowMs: {
    default: 600_000,
    unit: 'ms',
    meaning: 'How long a session waits for its client after the connection dropped.',
  },
  maxReplayEvents: {
    default: 200_000,
    unit: 'count',
    meaning: 'Events that a session keeps for replay; the oldest are forgotten first.',
  },
  maxRememberedCommands: {
    default: 8_192,
    unit: 'count',
    meaning: 'Message ids that a session remembers to drop repeats.',
  },
  ackWindow: {
    default: 0,
    unit: 'count',
    meaning:
      'Events that are sent to a session beyond the last that it acknowledged by `session.ack`; 0 is no window.',
  },
  maxJobSubscriptionsPerSession: {
    default: 1_000,
    unit: 'count',
    meaning: 'Jobs that one session watches by `job.subscribe`; a further one is refused.',
  },
  maxSubscriptionsPerSession: {
    default: 100,
    unit: 'count',
    meaning: 'Filters that one session watches by `subscribe`; a further one is refused.',
  },
  maxSubscriptionBacklog: {
    default: 100_000,
    unit: 'count',
    meaning:
      'Events that a session has yet to be sent when its filters are closed with BACKPRESSURE_OVERFLOW. Below `maxReplayEvents`, so that its own jobs are not forgotten for them.',
  },
  maxFilterMembers: {
    default: 1_000,
    unit: 'count',
    meaning: 'Ids, traces and types in the filter of one `subscribe`.',
  },
  listPageSize: {
    default: 100,
    unit: 'count',
    meaning: 'Jobs in one answer to `session.list_jobs`.',
  },
  softBufferBytes: {
    default: 1_048_576,
    unit: 'bytes',
    meaning: 'Unsent bytes of a connection from which on its session holds events back.',
  },
  hardBufferBytes: {
    default: 16_777_216,
    unit: 'bytes',
    meaning: 'Unsent bytes of a connection at which it is closed with 1013; its session can be resumed.',
  },
  maxRunningJobsPerPrincipal: {
    default: 100,
    unit: 'count',
    meaning: 'Root jobs of one principal that run at once; more are queued.',
  },
  maxQueuedJobsPerPrincipal: {
    default: 1_000,
    unit: 'count',
    meaning: 'Jobs of one principal that wait; more are refused.',
  },
  maxAttempts: {
    default: 3,
    unit: 'count',
    meaning:
      'Attempts at a job whose agent is started again, or resumed, after restarts; then it fails with ABORTED.',
  },
  restartBackoffMs: {
    default: 1_000,
    unit: 'ms',
    meaning: 'Wait before the second attempt at a job; it doubles with each further one.',
  },
  maxRestartBackoffMs: {
    default: 30_000,
    unit: 'ms',
    meaning: 'What that wait grows to.',
  },
  maxCredentialsInFlight: {
    default: 256,
    unit: 'count',
    meaning: 'Credentials that are being issued at once; a further job is refused with RESOURCE_EXHAUSTED.',
  },
  credentialTimeoutMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'How long a provisioner may take for one credential; then the job is refused with UNAVAILABLE.',
  },
  credentialRetryMs: {
    default: 1_000,
    unit: 'ms',
    meaning: 'Wait before a credential that could not be revoked is revoked again; it doubles each time.',
  },
  maxCredentialRetryMs: {
    default: 300_000,
    unit: 'ms',
    meaning: 'The longest such wait.',
  },
  maxRestores: {
    default: 100,
    unit: 'count',
    meaning: 'Attempts at a job beyond which `checkpoint.restore` is refused.',
  },
  maxAgentsPerProvider: {
    default: 256,
    unit: 'count',
    meaning: 'Versions of agents that one session hosts; a further one is refused.',
  },
  maxJobsPerProvider: {
    default: 1_000,
    unit: 'count',
    meaning: 'Jobs that one session that hosts agents does at once, whatever it says.',
  },
  maxUnconfirmedFrames: {
    default: 10_000,
    unit: 'count',
    meaning:
      'Messages to a session that hosts agents which it has not confirmed; beyond, it is cut off and its jobs are lost.',
  },
  providerReturnMs: {
    default: 60_000,
    unit: 'ms',
    meaning:
      'How long jobs wait for a session that hosts their agent: for one that lost its connection, or for any while there is none.',
  },
  providerMoveMs: {
    default: 5_000,
    unit: 'ms',
    meaning:
      'How long a job waits for a session that lost its connection, where it may begin anew and another that hosts its agent has room; else `providerReturnMs`.',
  },
  maxRemoteActs: {
    default: 256,
    unit: 'count',
    meaning:
      'Acts of one job that an agent outside of this process asked for and that are under way; a further one is refused.',
  },
  maxRemoteActBytes: {
    default: 16_777_216,
    unit: 'bytes',
    meaning: 'Messages of such acts as text; what is beyond it is refused.',
  },
  maxCheckpointBytes: {
    default: 524_288,
    unit: 'bytes',
    meaning:
      'The payload of one checkpoint as text. Below half of `maxEventBytes`: clients that did not ask for checkpoints are told of them twice in one event.',
  },
  checkpointTimeoutMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'Time that an agent has for a checkpoint that a client asks for.',
  },
  maxSchedulesPerPrincipal: {
    default: 1_000,
    unit: 'count',
    meaning: 'Schedules of one principal; a further one is refused.',
  },
  scheduleHorizonMs: {
    default: 315_576_000_000,
    unit: 'ms',
    meaning: 'How far ahead a schedule may fire first: ten years.',
  },
  minScheduleIntervalMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'The shortest time between two occurrences of a schedule; a rule that fires sooner is refused.',
  },
  scheduleRetryMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'Wait before an occurrence is tried again that could not be started for the moment.',
  },
  endedScheduleTtlMs: {
    default: 3_600_000,
    unit: 'ms',
    meaning: 'How long a schedule is listed that will not fire any more.',
  },
  maxDelegationKeys: {
    default: 250_000,
    unit: 'count',
    meaning: 'Keys that one job delegates under; their children are kept until it ends.',
  },
  budgetWarningPercent: {
    default: 80,
    unit: 'percent',
    meaning:
      'Of a budget: a job is warned, once per currency, when it and those below it have spent that much.',
  },
  maxDelegationDepth: { default: 8, unit: 'levels', meaning: 'Generations below a root job.' },
  maxHandoffHops: {
    default: 4,
    unit: 'count',
    meaning:
      'How often a job, with all that is below it, is handed over from one runtime to another; then it is refused with PERMISSION_DENIED.',
  },
  maxLeasesPerJob: {
    default: 256,
    unit: 'count',
    meaning: 'Leases that are granted to one job while it runs, the expired and revoked ones included.',
  },
  maxGrantedLeaseMs: {
    default: 86_400_000,
    unit: 'ms',
    meaning: 'How far in the future a granted lease may end, when it is granted and when it is extended.',
  },
  maxLiveJobsPerTree: {
    default: 1_000,
    unit: 'count',
    meaning: 'Unfinished jobs of one root job and all its descendants.',
  },
  questionExpiryMs: {
    default: 600_000,
    unit: 'ms',
    meaning: 'How long a question to a person stays open when the agent says nothing else.',
  },
  maxQuestionExpiryMs: {
    default: 2_592_000_000,
    unit: 'ms',
    meaning: 'The longest that a question to a person may stay open.',
  },
  maxOpenQuestionsPerJob: {
    default: 16,
    unit: 'count',
    meaning: 'Questions of one job that wait for an answer; a further one is refused to the agent.',
  },
  maxQuestionsPerJob: {
    default: 1_000,
    unit: 'count',
    meaning: 'Questions of one job in all: what was answered is kept for an agent that is started again.',
  },
  maxQuestionBytes: {
    default: 16_384,
    unit: 'bytes',
    meaning: 'One question as text, its schema and its options included.',
  },
  maxAnswerBytes: {
    default: 65_536,
    unit: 'bytes',
    meaning: 'The answer to one question as text.',
  },
  maxPendingEvents: {
    default: 65_536,
    unit: 'count',
    meaning: 'Events of one job that wait for the store; more fail the job with BACKPRESSURE_OVERFLOW.',
  },
  maxPendingBytes: {
    default: 67_108_864,
    unit: 'bytes',
    meaning: 'Events of one job that wait for the store; more fail the job with BACKPRESSURE_OVERFLOW.',
  },
  maxEventBytes: {
    default: 1_441_792,
    unit: 'bytes',
    meaning:
      'The payload of one event as text; a larger one is refused to the agent. Below `maxFrameBytes`, so that every event fits a frame.',
  },
  maxChunkBytes: {
    default: 1_048_576,
    unit: 'bytes',
    meaning: 'Decoded data of one chunk of a result or a stream.',
  },
  maxResultBytes: { default: 268_435_456, unit: 'bytes', meaning: 'Decoded data of one streamed result.' },
  maxStreamBytes: {
    default: 268_435_456,
    unit: 'bytes',
    meaning: 'Decoded data of one stream of a job, or into it.',
  },
  maxOpenStreamsPerJob: {
    default: 64,
    unit: 'count',
    meaning: 'Streams of one job that are open at once, and as many into it; a further one is refused.',
  },
  maxInputsPerJob: {
    default: 1_000,
    unit: 'count',
    meaning: 'Streams that clients open into one job, one after the other; a further one is refused.',
  },
  inputWindowBytes: {
    default: 1_048_576,
    unit: 'bytes',
    meaning:
      'Unread data of one stream into a job from which on its sender is asked to wait by `backpressure`.',
  },
  maxInputBacklogBytes: {
    default: 16_777_216,
    unit: 'bytes',
    meaning: 'Unread data of one stream into a job; a chunk beyond it is refused with BACKPRESSURE_OVERFLOW.',
  },
  maxStreamPauseMs: {
    default: 30_000,
    unit: 'ms',
    meaning:
      'How long `backpressure` can hold back one chunk of a job; then it goes all the same, and the wish is forgotten.',
  },
  maxRememberedStreams: {
    default: 10_000,
    unit: 'count',
    meaning: 'Ended streams that are remembered, to say of them that they have ended.',
  },
  heartbeatIntervalMs: {
    default: 30_000,
    unit: 'ms',
    meaning: 'The longest silence of a running job, unless the session negotiated a shorter one.',
  },
  minHeartbeatIntervalMs: {
    default: 100,
    unit: 'ms',
    meaning: 'The shortest interval that a session can negotiate.',
  },
  cancelDeadlineMs: {
    default: 5_000,
    unit: 'ms',
    meaning: 'Time that a cancelled job has to end by itself when the cancel names none.',
  },
  maxCancelDeadlineMs: {
    default: 600_000,
    unit: 'ms',
    meaning: 'The longest deadline that a cancel can name.',
  },
  idempotencyWindowMs: {
    default: 86_400_000,
    unit: 'ms',
    meaning: 'How long an idempotency key is remembered.',
  },
  maxIdempotencyKeysPerPrincipal: {
    default: 10_000,
    unit: 'count',
    meaning: 'Remembered keys of one principal; the oldest are forgotten first.',
  },
  maxIdempotencyBytesPerPrincipal: {
    default: 67_108_864,
    unit: 'bytes',
    meaning:
      'How jobs ended that are forgotten and whose keys are remembered; the oldest ends are forgotten first, their keys are not.',
  },
  finishedJobTtlMs: {
    default: 86_400_000,
    unit: 'ms',
    meaning: 'How long a finished job can be listed and watched, unless there are too many of them.',
  },
  maxFinishedJobs: {
    default: 10_000,
    unit: 'count',
    meaning: 'Finished jobs that are kept; the oldest are forgotten first.',
  },
  maxFinishedBytes: {
    default: 268_435_456,
    unit: 'bytes',
    meaning: 'Events of finished jobs that are kept, as text; the oldest jobs are forgotten first.',
  },
  maxJobLogBytes: {
    default: 536_870_912,
    unit: 'bytes',
    meaning: 'Events of one job; one that tells more fails with RESOURCE_EXHAUSTED.',
  },
  maxArtifactBytes: { default: 268_435_456, unit: 'bytes', meaning: 'One artifact.' },
  maxArtifactBytesPerPrincipal: {
    default: 1_073_741_824,
    unit: 'bytes',
    meaning: 'Artifacts of one principal together, those that are being put included.',
  },
  maxArtifactsPerPrincipal: {
    default: 10_000,
    unit: 'count',
    meaning: 'Artifacts of one principal, those that are being put included.',
  },
  maxArtifactPartsInFlight: {
    default: 64,
    unit: 'count',
    meaning:
      'Parts of artifacts that are put and fetched for one principal at once; a further one is refused.',
  },
  artifactUploadIdleMs: {
    default: 600_000,
    unit: 'ms',
    meaning: 'How long an artifact that is put in parts waits for its next part; then it is forgotten.',
  },
  artifactRetentionMs: {
    default: 3_600_000,
    unit: 'ms',
    meaning: 'How long an artifact is kept that asks for nothing else.',
  },
  maxArtifactRetentionMs: {
    default: 604_800_000,
    unit: 'ms',
    meaning: 'The longest that an artifact is kept; whoever asks for more gets this.',
  },
  maxSessionLogBytes: {
    default: 1_048_576,
    unit: 'bytes',
    meaning:
      'Refusals and repeats that a session is told of and keeps for replay; the oldest are forgotten first.',
  },
} as const satisfies Record<string, LimitRule>;

export type LimitName = keyof typeof LIMITS;
export type Limits = Readonly<Record<LimitName, number>>;

export const DEFAULT_LIMITS: Limits = Object.fromEntries(
  Object.entries(LIMITS).map(([name, rule]) => [name, rule.default]),
) as Record<LimitName, number>;

/**
 * The defaults with some of them replaced. Throws a RangeError for a limit that is not a positive number, but for 0 where
 * that is the default and means none.
 */
export function limitsWith(overrides: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(LIMITS, name)) throw new RangeError(`there is no limit named ${name}`);
    const isNone = value === 0 && DEFAULT_LIMITS[name as LimitName] === 0;
    if (!(value > 0) && !isNone)
      throw new RangeError(`limit ${name} must be a positive number, not ${value}`);
  }
  return { ...DEFAULT_LIMITS, ...overrides };
}
