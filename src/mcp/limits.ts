/** Law L7 for MCP, both ways: every bound has a name, a default and a unit here. */

interface LimitRule {
  readonly default: number;
  readonly unit: 'bytes' | 'ms' | 'count';
  readonly meaning: string;
}

export const MCP_LIMITS = {
  maxTools: {
    default: 1_000,
    unit: 'count',
    meaning: 'Tools of one server; further ones are not hosted. Agents in one page of `tools/list`.',
  },
  maxMessageBytes: {
    default: 33_554_432,
    unit: 'bytes',
    meaning:
      'One message of the other side; a larger one ends the conversation. A server is then started again.',
  },
  maxSchemaNodes: {
    default: 20_000,
    unit: 'count',
    meaning:
      'Subschemas of a tool, each `$ref` written out; arguments of a larger one are left to the server.',
  },
  startTimeoutMs: {
    default: 60_000,
    unit: 'ms',
    meaning: 'From the start of a server until it has told its tools.',
  },
  maxCallMs: {
    default: 3_600_000,
    unit: 'ms',
    meaning: 'Silence of a server about one call, progress included; then the job fails with TIMEOUT.',
  },
  maxCallsInFlight: {
    default: 256,
    unit: 'count',
    meaning: 'Calls of one server at once; a further job or call fails with RESOURCE_EXHAUSTED.',
  },
  minRestartMs: {
    default: 500,
    unit: 'ms',
    meaning: 'Wait before a server that ended is started again; it doubles each time.',
  },
  maxRestartMs: { default: 60_000, unit: 'ms', meaning: 'The longest such wait.' },
  steadyMs: {
    default: 60_000,
    unit: 'ms',
    meaning: 'How long a server has to run for the wait to begin at the least again.',
  },
  lastWordsBytes: {
    default: 2_048,
    unit: 'bytes',
    meaning: 'What a server printed last, which is told with its end.',
  },
  maxInlineBytes: {
    default: 65_536,
    unit: 'bytes',
    meaning: 'One text or one file in a result; a larger one becomes an artifact.',
  },
  maxAnswerBytes: {
    default: 524_288,
    unit: 'bytes',
    meaning: 'What a job returned, as the answer to a call; of more, the call is told the id of an artifact.',
  },
  maxResultBytes: {
    default: 524_288,
    unit: 'bytes',
    meaning: 'A result as JSON; a larger one becomes an artifact as a whole.',
  },
} as const satisfies Record<string, LimitRule>;

export type McpLimitName = keyof typeof MCP_LIMITS;
export type McpLimits = Readonly<Record<McpLimitName, number>>;

export const DEFAULT_MCP_LIMITS: McpLimits = Object.fromEntries(
  Object.entries(MCP_LIMITS).map(([name, rule]) => [name, rule.default]),
) as Record<McpLimitName, number>;
