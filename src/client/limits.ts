/** Law L7, nothing unbounded: every limit of the client has a name, a default and a unit here. */

interface LimitRule {
  readonly default: number;
  readonly unit: 'bytes' | 'ms' | 'count' | 'units';
  readonly meaning: string;
}

export const CLIENT_LIMITS = {
  connectTimeoutMs: {
    default: 10_000,
    unit: 'ms',
    meaning: 'From the dial to an accepted or resumed session, for each attempt.',
  },
  callTimeoutMs: {
    default: 30_000,
    unit: 'ms',
    meaning:
      'From a command to its first answer, time without a connection included; then DEADLINE_EXCEEDED.',
  },
  closeTimeoutMs: {
    default: 1_000,
    unit: 'ms',
    meaning: 'How long `close` waits for `session.closed`.',
  },
  keepAliveMs: {
    default: 30_000,
    unit: 'ms',
    meaning:
      'Silence after which the client pings; as much again without a frame and the connection counts as lost.',
  },
  maxPendingCalls: {
    default: 10_000,
    unit: 'count',
    meaning: 'Commands that wait for their answer or for a connection; a further one is RESOURCE_EXHAUSTED.',
  },
  maxSends: {
    default: 5,
    unit: 'count',
    meaning: 'How often one command is sent over resumed connections before it is given up.',
  },
  maxFrameBytes: {
    default: 1_572_864,
    unit: 'bytes',
    meaning:
      'One outbound frame; a larger command is refused here, since the runtime would close the socket.',
  },
  artifactPartBytes: {
    default: 1_048_576,
    unit: 'bytes',
    meaning: 'Content of an artifact in one message, put or fetched.',
  },
  artifactPartsInFlight: {
    default: 2,
    unit: 'count',
    meaning: 'Parts of artifacts that the client has sent and waits for the answer to; the next one waits.',
  },
  historyEvents: {
    default: 1_000,
    unit: 'count',
    meaning: 'Events of one job that are kept for iterators yet to start.',
  },
  historySize: {
    default: 1_048_576,
    unit: 'units',
    meaning: 'The same in UTF-16 units of frame text.',
  },
  iteratorEvents: {
    default: 100_000,
    unit: 'count',
    meaning: 'Events that wait for one iterator; more fail it with BACKPRESSURE_OVERFLOW.',
  },
  iteratorSize: {
    default: 67_108_864,
    unit: 'units',
    meaning: 'The same in UTF-16 units of frame text.',
  },
  maxResultBytes: {
    default: 268_435_456,
    unit: 'bytes',
    meaning:
      'Decoded data of one streamed result that is held for `result()` or for a slow reader of `chunks()`, or of one artifact that is held for `bytes()`.',
  },
} as const satisfies Record<string, LimitRule>;

export type ClientLimits = Readonly<Record<keyof typeof CLIENT_LIMITS, number>>;

export const DEFAULT_CLIENT_LIMITS: ClientLimits = Object.fromEntries(
  Object.entries(CLIENT_LIMITS).map(([name, rule]) => [name, rule.default]),
) as ClientLimits;

/** The defaults with some of them replaced. Throws a RangeError for a limit that is not a positive number. */
export function clientLimits(overrides: Partial<ClientLimits> = {}): ClientLimits {
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(CLIENT_LIMITS, name)) throw new RangeError(`there is no limit named ${name}`);
    if (!(value > 0)) throw new RangeError(`limit ${name} must be a positive number, not ${value}`);
  }
  return { ...DEFAULT_CLIENT_LIMITS, ...overrides };
}
