/**
 * What each side of a session says it can do, and what the two have in common (RFC 0001 §7).
 *
 * (C1) `negotiate` is symmetric and idempotent, and enables nothing that one side lacks or does not mention.
 * (C2) Only flags, `extensions`, `binary_encoding` and the heartbeat interval are negotiated. `agents`,
 *      `artifact_retention` and `heartbeat_recovery` are statements of the runtime; whatever else a side sends is
 *      read and not answered.
 */
import * as z from 'zod';
import {
  bool,
  counter,
  defaulted,
  interval,
  list,
  nonEmptyText,
  oneOf,
  optional,
  optionalValue,
  text,
} from './scalars.js';

/** Flags: absent means false. */
export const CAPABILITY_FLAGS = [
  'streaming',
  'durable_jobs',
  'checkpoints',
  'binary_streams',
  'agent_handoff',
  'human_input',
  'model_use',
  'provisioned_credentials',
  'artifacts',
  'subscriptions',
  'scheduled_jobs',
  'interrupt',
  'anonymous',
] as const;

export type CapabilityFlag = (typeof CAPABILITY_FLAGS)[number];

const flag = optional(bool);
const names = optional(list(nonEmptyText));

const atLeastOne = z.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  'expected an integer from 1 to 9007199254740991',
);

const advertisedAgent = z.object({
  name: text,
  versions: defaulted(list(text), () => []),
  default: optional(text),
  /** Additions, of agents that a session hosts: they hold for each of the versions. */
  description: optional(text),
  /** A JSON Schema of the arguments. */
  input_schema: optionalValue,
  /** Jobs at once. */
  max_concurrent_jobs: optional(atLeastOne),
  /** What becomes of a job when whoever does it is lost. Default `fail`. */
  recovery: optional(oneOf(['fail', 'restart', 'resume'])),
  takes_input: optional(bool),
  /** `workflow`: it composes others, so that `workflow.start` starts it. Default `agent`. */
  kind: optional(oneOf(['agent', 'workflow'])),
  /** What becomes of acts that the leases of its jobs do not cover. Default: as the runtime says. */
  uncovered_acts: optional(oneOf(['refuse', 'ask'])),
  /** What its jobs may do at most: a worker profile, or a role. */
  profile: optionalValue,
});

/** Free further keys are kept as they came. */
export const capabilitiesSchema = z.looseObject({
  streaming: flag,
  durable_jobs: flag,
  checkpoints: flag,
  binary_streams: flag,
  agent_handoff: flag,
  human_input: flag,
  model_use: flag,
  provisioned_credentials: flag,
  artifacts: flag,
  subscriptions: flag,
  scheduled_jobs: flag,
  interrupt: flag,
  anonymous: flag,
  extensions: names,
  binary_encoding: names,
  heartbeat_interval_seconds: optional(interval),
  /** `fail` or `block` (RFC 0001 §10.3). */
  heartbeat_recovery: optional(text),
  artifact_retention: optional(z.object({ default_seconds: counter, max_seconds: counter })),
  /** Names, or names with their versions; `inventory.ts` reads both. */
  agents: optional(list(z.union([text, advertisedAgent]))),
});

export type Capabilities = z.output<typeof capabilitiesSchema>;

/** What both sides can do. Flags that neither mentions are left out; lists are sorted and without repeats. */
export function negotiate(ours: Capabilities, theirs: Capabilities): Capabilities {
  const common: Capabilities = {};
  for (const name of CAPABILITY_FLAGS) {
    const [one, other] = [ours[name], theirs[name]];
    if (one !== undefined || other !== undefined) common[name] = one === true && other === true;
  }
  for (const name of ['extensions', 'binary_encoding'] as const) {
    const [one, other] = [ours[name], theirs[name]];
    if (one !== undefined || other !== undefined) common[name] = intersection(one ?? [], other ?? []);
  }
  const intervals = [ours.heartbeat_interval_seconds, theirs.heartbeat_interval_seconds];
  const given = intervals.filter((seconds) => seconds !== undefined);
  if (given.length > 0) common.heartbeat_interval_seconds = Math.min(...given);
  return common;
}

function intersection(one: readonly string[], other: readonly string[]): string[] {
  const others = new Set(other);
  return [...new Set(one)].filter((name) => others.has(name)).sort();
}

/** What `session.accepted` says: what is negotiated, with the runtime's own statements. */
export function sessionCapabilities(runtime: Capabilities, client: Capabilities): Capabilities {
  const { agents, artifact_retention, heartbeat_recovery } = runtime;
  return {
    ...negotiate(runtime, client),
    ...(agents === undefined ? {} : { agents }),
    ...(artifact_retention === undefined ? {} : { artifact_retention }),
    ...(heartbeat_recovery === undefined ? {} : { heartbeat_recovery }),
  };
}
