/** One unit of work of a run, as its author describes it (fleet.rs `FleetTaskSpec` and its parts). */
import * as z from 'zod';
import { counter, counter32, text } from '../scalars.js';
import { fleetAlertPolicy } from './alert.js';
import { fleetArtifactKind } from './artifact.js';
import { bare, freeMap, listOf, listOrNone, maybe, orNull, otherwise, tagged } from './shapes.js';

/** What the worker of a task must be and may use. */
export const fleetTaskWorkerProfile = z.object({
  role: maybe(text),
  tool_profile: maybe(text),
  tools: listOrNone(text),
  capabilities: listOrNone(text),
});

export type FleetTaskWorkerProfile = z.output<typeof fleetTaskWorkerProfile>;

export const fleetEnvironmentRequirements = z.object({
  /** Variables that must be set. */
  required: listOrNone(text),
  /** Variables that may be passed on. */
  allowlist: listOrNone(text),
});

export type FleetEnvironmentRequirements = z.output<typeof fleetEnvironmentRequirements>;

/** What must be there before a task starts, and what it may write. */
export const fleetWorkspaceRequirements = z.object({
  root: maybe(text),
  required_files: listOrNone(text),
  writable_paths: listOrNone(text),
  environment: maybe(fleetEnvironmentRequirements),
});

export type FleetWorkspaceRequirements = z.output<typeof fleetWorkspaceRequirements>;

export const fleetTaskBudget = z.object({
  max_tokens: maybe(counter),
  max_tool_calls: maybe(counter32),
  max_seconds: maybe(counter),
});

export type FleetTaskBudget = z.output<typeof fleetTaskBudget>;

/** How a task's result is verified. */
export const fleetScorerSpec = tagged('kind', {
  exit_code: bare,
  file_exists: z.object({ path: text }),
  regex_match: z.object({ path: text, pattern: text }),
  json_path: z.object({ path: text, expression: text }),
  command: z.object({ command: text, args: listOf(text) }),
  code_whale_verifier_prompt: z.object({ prompt: text }),
  manual: bare,
});

export type FleetScorerSpec = z.output<typeof fleetScorerSpec>;

export const fleetRetryPolicy = z.object({
  /** The first attempt counts. */
  max_attempts: otherwise(counter32, () => 3),
  initial_backoff_seconds: otherwise(counter, () => 5),
  max_backoff_seconds: otherwise(counter, () => 300),
  backoff_multiplier: otherwise(counter32, () => 2),
});

export type FleetRetryPolicy = z.output<typeof fleetRetryPolicy>;

/** The policy of a task that names none. */
export const DEFAULT_RETRY_POLICY: FleetRetryPolicy = fleetRetryPolicy.parse({});

export const fleetTaskSpec = z.object({
  id: text,
  name: text,
  description: maybe(text),
  objective: maybe(text),
  instructions: text,
  worker: maybe(fleetTaskWorkerProfile),
  workspace: maybe(fleetWorkspaceRequirements),
  input_files: listOrNone(text),
  context: listOrNone(text),
  budget: maybe(fleetTaskBudget),
  tags: listOrNone(text),
  expected_artifacts: listOf(fleetArtifactKind),
  scorer: maybe(fleetScorerSpec),
  retry_policy: maybe(fleetRetryPolicy),
  alert_policy: maybe(fleetAlertPolicy),
  timeout_seconds: orNull(counter),
  metadata: otherwise(freeMap, () => ({})),
});

export type FleetTaskSpec = z.output<typeof fleetTaskSpec>;
