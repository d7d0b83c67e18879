/**
 * Execution: tools, jobs, workflows and agents (execution.rs; RFC 0001 §10, §14).
 * A malformed agent reference, budget or lease is the job's failure and not the envelope's (decision 2), so they are
 * plain text and free objects here.
 */
import * as z from 'zod';
import { JOB_STATES } from '../job-state.js';
import {
  amount,
  anyObject,
  anyValue,
  bool,
  counter,
  defaulted,
  errorPayload,
  firstPresent,
  id,
  isJsonObject,
  list,
  nonEmptyText,
  oneOf,
  optional,
  optionalValue,
  percentage,
  text,
  timestamp,
  type JsonObject,
} from '../scalars.js';
import { TRUST_LEVELS } from '../trust-level.js';
import { artifactFields } from './artifacts.js';

const artifactReference = z.object(artifactFields);
const costBudget = list(text);

/** How long the agent may run, in milliseconds; then the job fails with TIMEOUT. An addition to RFC 0001. */
const maxRuntime = z.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  'expected an integer from 1 to 9007199254740991',
);

/** What an agent outside of the runtime is told of the job that it is to do. An addition to RFC 0001. */
const jobBrief = z.object({
  /** The resolved `name@version`. */
  agent: text,
  principal: text,
  parent_job_id: optional(id('job')),
  /** From 1. The `correlation_id` of what is said for it is the id of this message, which is another for each attempt. */
  attempt: counter,
  resumed_from: optional(z.object({ checkpoint_id: nonEmptyText, data: anyValue })),
  /** What earlier attempts streamed of the result: where this one goes on, and the digest of what it has to repeat. */
  result_so_far: optional(
    z.object({
      result_id: nonEmptyText,
      encoding: oneOf(['utf8', 'base64']),
      next_chunk: counter,
      size: counter,
      is_finished: bool,
      replay: z.object({ bytes: counter, sha256: text }),
    }),
  ),
  /** How often the job has to show a sign of life. */
  heartbeat_interval_ms: counter,
  /** Whether nothing may be done under a capability that `lease_request` does not name. */
  closed: bool,
});

/** Additions to RFC 0001: how the job is to be run. */
const terms = {
  /** What becomes of an act that its lease does not cover. */
  uncovered_acts: optional(oneOf(['refuse', 'ask'])),
  /** How much of its budget is spent when it is warned. */
  budget_warning_percent: optional(percentage),
  /** A ceiling over the trust level of whoever asks. */
  trust_level: optional(oneOf(TRUST_LEVELS)),
};

/** `arguments` is any value, required in one shape and optional in the other; written as `{}` when missing. */
export const toolInvoke = z.object({
  tool: text,
  arguments: optionalValue.transform((given): unknown => (given === undefined ? {} : given)),
  cost_budget: optional(costBudget),
  lease_request: optional(anyObject),
  /** An addition: the worker profile to run under, or a role. */
  profile: optionalValue,
  ...terms,
  max_runtime_ms: optional(maxRuntime),
  /** An addition: how often the job was handed over from one runtime to another on its way. */
  handoff_hops: optional(counter),
  /** Only where a runtime sends it. */
  job: optional(jobBrief),
});

export const toolResult = z.object({ value: optionalValue, result_ref: optional(artifactReference) });

export const toolError = errorPayload;

const credential = z.object({
  id: text,
  scheme: text,
  value: text,
  endpoint: text,
  profile: optional(text),
  constraints: optionalValue,
});

export const jobAccepted = z.object({
  job_id: id('job'),
  credentials: optional(list(credential)),
  /** The lease as it was requested, key by key. */
  lease: optional(anyObject),
  agent: optional(text),
  parent_job_id: optional(id('job')),
  delegate_id: optional(text),
  trace_id: optional(nonEmptyText),
  accepted_at: optional(timestamp),
  /** Additions: the job that its tree began with, and how many generations below it this one is. */
  root_job_id: optional(id('job')),
  depth: optional(counter),
  /** Additions: the schedule that the job is an occurrence of, and when that was due. */
  schedule_id: optional(id('schedule')),
  scheduled_for: optional(timestamp),
});

export const jobStarted = z.object({
  description: optional(text),
  job_id: optional(id('job')),
  started_at: optional(timestamp),
});

/**
 * The seed has `percent`, its successor a required `current` with `total` and `units`; written with `current` always,
 * and with `percent` wherever it is known (decision 9).
 */
export const jobProgress = z
  .object({
    percent: optional(percentage),
    current: optional(amount),
    total: optional(amount),
    units: optional(text),
    message: optional(text),
  })
  .refine(({ current, total }) => current === undefined || total === undefined || current <= total, {
    path: ['current'],
    error: 'expected no more than total',
  })
  .transform(canonicalProgress);

export interface Progress {
  percent?: number | undefined;
  current?: number | undefined;
  total?: number | undefined;
  units?: string | undefined;
  message?: string | undefined;
}

function canonicalProgress({
  percent,
  current,
  total,
  units,
  message,
}: Progress): Progress & { current: number } {
  return {
    current: current ?? currentOf(percent ?? 0, total),
    percent: percent ?? percentOf(current, total),
    total,
    units,
    message,
  };
}

function currentOf(percent: number, total: number | undefined): number {
  return total === undefined ? percent : Math.min(total, (percent / 100) * total);
}

function percentOf(current: number | undefined, total: number | undefined): number | undefined {
  return current === undefined || total === undefined || total === 0 ? undefined : (100 * current) / total;
}

export const jobHeartbeat = z.object({
  sequence: counter,
  /** When the next one is due, in milliseconds from this one. */
  deadline_ms: optional(counter),
  state: oneOf(JOB_STATES),
});

/** `data` in one shape, an optional `snapshot` in the other; written as `data`. */
export const jobCheckpoint = z
  .object({ checkpoint_id: nonEmptyText, data: optionalValue, snapshot: optionalValue })
  .transform(({ checkpoint_id, data, snapshot }) => ({
    checkpoint_id,
    data: firstPresent(data, snapshot, null),
  }));

export const jobResultChunk = z.object({
  result_id: text,
  chunk_seq: counter,
  data: text,
  encoding: oneOf(['utf8', 'base64']),
  more: bool,
});

/** The value is `value` in one shape and `result` in the other; written as `value`. */
export const jobCompleted = z
  .object({
    value: optionalValue,
    result: optionalValue,
    result_ref: optional(artifactReference),
    result_id: optional(text),
    result_size: optional(counter),
    summary: optional(text),
  })
  .transform(({ result, ...rest }): typeof rest =>
    rest.value === undefined && result !== undefined ? { ...rest, value: result } : rest,
  );

export const jobFailed = errorPayload;

export const jobCancelled = z.object({
  reason: optional(text),
  source: optional(oneOf(['client', 'runtime', 'policy', 'timeout'])),
});

/** An instant, an RFC 5545 recurrence rule, or seconds from acceptance: exactly one of them (RFC 0001 §10.6). */
export const scheduleTime = z
  .object({ at: optional(timestamp), every: optional(nonEmptyText), after: optional(amount) })
  .refine(
    (when) => [when.at, when.every, when.after].filter((one) => one !== undefined).length === 1,
    'expected exactly one of at, every, after',
  );

const command = z.custom<{ readonly type: string; readonly payload: JsonObject }>(
  (value) => isJsonObject(value) && typeof value['type'] === 'string' && isJsonObject(value['payload']),
  'expected a command with a type and a payload',
);

export const jobSchedule = z.object({ job: command, when: scheduleTime });

/**
 * `arguments` in one shape, `inputs` in the other; written as `arguments`. The rest are additions, as in `tool.invoke`:
 * RFC 0001 §26 leaves the payloads of workflows open.
 */
export const workflowStart = z
  .object({
    workflow: nonEmptyText,
    arguments: optionalValue,
    inputs: optionalValue,
    cost_budget: optional(costBudget),
    lease_request: optional(anyObject),
    profile: optionalValue,
    ...terms,
    max_runtime_ms: optional(maxRuntime),
  })
  .transform(({ inputs, ...rest }): typeof rest =>
    rest.arguments === undefined && inputs !== undefined ? { ...rest, arguments: inputs } : rest,
  );

/** `value` in one shape, `outputs` in the other; written as `value`. The rest are additions: what `job.completed` says. */
export const workflowComplete = z
  .object({
    value: optionalValue,
    outputs: optionalValue,
    result_ref: optional(artifactReference),
    result_id: optional(text),
    result_size: optional(counter),
    summary: optional(text),
  })
  .transform(({ outputs, ...rest }): typeof rest =>
    rest.value === undefined && outputs !== undefined ? { ...rest, value: outputs } : rest,
  );

/** What becomes of a child when its parent ends: it is cancelled before, or lives on. */
export const ON_PARENT_END = ['cancel', 'detach'] as const;
export type OnParentEnd = (typeof ON_PARENT_END)[number];

/**
 * `lease_request`, `cost_budget`, `max_runtime_ms`, `profile`, the terms, `on_parent_end`, `again` and `delegate_id` are
 * additions to RFC 0001 §14 (decision 5).
 */
export const agentDelegate = z.object({
  target: text,
  task: text,
  context: optionalValue,
  lease_request: optional(anyObject),
  cost_budget: optional(costBudget),
  ...terms,
  max_runtime_ms: optional(maxRuntime),
  profile: optionalValue,
  on_parent_end: optional(oneOf(ON_PARENT_END)),
  /** Of an agent: whether a child that failed under the key is begun anew. Default true. */
  again: optional(bool),
  delegate_id: optional(text),
});

/**
 * The receiving runtime's identity is `runtime` in one shape and `to_runtime` in the other; written as both. `agent` and
 * what follows it are additions: RFC 0001 §14 leaves open what goes over.
 */
export const agentHandoff = z
  .object({
    runtime: optional(anyObject),
    to_runtime: optional(anyObject),
    job_id: optional(id('job')),
    session_id: optional(id('session')),
    reason: optional(text),
    agent: optional(text),
    arguments: optionalValue,
    cost_budget: optional(costBudget),
    lease_request: optional(anyObject),
    profile: optionalValue,
    max_runtime_ms: optional(maxRuntime),
    trust_level: optional(oneOf(TRUST_LEVELS)),
    handoff_hops: optional(counter),
    /** The artifact that is the job's context: ours in a request, the other runtime's in the event. */
    shared_memory_ref: optional(text),
    handoff_id: optional(text),
  })
  .transform(({ runtime, to_runtime, ...rest }, ctx) => {
    const identity = runtime ?? to_runtime;
    if (identity === undefined) {
      ctx.issues.push({ code: 'custom', path: ['runtime'], message: 'expected an object', input: undefined });
      return z.NEVER;
    }
    return { ...rest, runtime: identity, to_runtime: identity };
  });

export const jobSubscribe = z.object({
  job_id: id('job'),
  from_event_seq: optional(counter),
  history: defaulted(bool, () => false),
  /** Of an agent that reads the events of its child: so many, and no more until it asks again. */
  limit: optional(counter),
});

export const jobSubscribed = z.object({
  job_id: id('job'),
  current_status: oneOf(JOB_STATES),
  agent: text,
  parent_job_id: optional(id('job')),
  /** Additions, as in `job.accepted`. */
  delegate_id: optional(text),
  root_job_id: optional(id('job')),
  depth: optional(counter),
  trace_id: optional(nonEmptyText),
  subscribed_from: counter,
  replayed: defaulted(bool, () => false),
});

export const jobUnsubscribe = z.object({ job_id: id('job') });
