/**
 * Checks the text of a task-spec file: all of its mistakes at once, each with its place.
 *
 * (C1) What is read without an error can be run, as far as the file alone can tell.
 * (C2) A mistake in one task or worker hides none in another.
 * (C3) Never throws, whatever the text; the time it takes is linear in the text's length, and what it says is bounded.
 */
import type { z } from 'zod';
import {
  DEFAULT_SECURITY_POLICY,
  type FleetTaskSpec,
  type FleetWorkerSpec,
} from '../../protocol/fleet/index.js';
import { unknownKeys } from '../../protocol/fleet/shapes.js';
import { fleetTaskSpec } from '../../protocol/fleet/task.js';
import { fleetWorkerSpec } from '../../protocol/fleet/worker.js';
import { nestsDeeperThan } from '../../protocol/nesting.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { alertRules } from './alert-rules.js';
import { closest } from '../../documents/closest.js';
import { divide, documentHead, type Division, type FleetSpec, type Part } from './document.js';
import { valueOf, type Reading } from '../../documents/located.js';
import { nameFault } from './naming.js';
import { Problems, type Problem } from '../../documents/problems.js';
import { readJson } from '../../documents/read-json.js';
import { readToml } from './read-toml.js';
import { readYaml } from './read-yaml.js';
import { taskRules } from './task-rules.js';
import { policyRules, workerRules } from './worker-rules.js';

export type SpecFormat = 'json' | 'toml' | 'yaml';

export interface Checked {
  /** What the file says, where it has no error. */
  readonly spec: FleetSpec | undefined;
  /** Errors and warnings, by place. */
  readonly problems: readonly Problem[];
}

/** @param fallbackName the run's name where the file gives none */
export function checkSpec(text: string, format: SpecFormat, fallbackName: string): Checked {
  const reading = readValue(text.replace(/^\uFEFF/, ''), format);
  if (!reading.ok) {
    const problems = reading.faults
      .slice(0, DEFAULT_FLEET_LIMITS.maxProblems)
      .map(({ at, message }): Problem => ({ severity: 'error', ...at, path: '', message }));
    return { spec: undefined, problems };
  }
  const problems = new Problems(reading.root, DEFAULT_FLEET_LIMITS.maxProblems);
  const spec = checkRoot(reading.value, fallbackName, problems);
  const all = problems.all;
  return { spec: all.some(({ severity }) => severity === 'error') ? undefined : spec, problems: all };
}

type ValueReading =
  (Extract<Reading, { ok: true }> & { readonly value: unknown }) | Extract<Reading, { ok: false }>;

function readValue(text: string, format: SpecFormat): ValueReading {
  const { maxSpecNesting } = DEFAULT_FLEET_LIMITS;
  try {
    if (format === 'json' && nestsDeeperThan(text, maxSpecNesting)) throw new RangeError();
    const reading = READERS[format](text);
    return reading.ok ? { ...reading, value: valueOf(reading.root, maxSpecNesting) } : reading;
  } catch (error) {
    // The parsers call themselves for each level.
    if (!(error instanceof RangeError)) throw error;
    return { ok: false, faults: [{ at: { line: 1, column: 1 }, message: 'nested too deeply' }] };
  }
}

const READERS = { json: readJson, toml: readToml, yaml: readYaml };

function checkRoot(root: unknown, fallbackName: string, problems: Problems): FleetSpec | undefined {
  const division = divide(root);
  if (division === undefined) {
    problems.error([], 'expected a task, a list of tasks, or a document with tasks');
    return undefined;
  }
  const head = checkHead(division, problems);
  const policy = head?.security_policy ?? DEFAULT_SECURITY_POLICY;
  const tasks = checkEach(division.eachTask, fleetTaskSpec, problems, (task, path) => {
    taskRules(task, path, problems);
  });
  const workers = checkEach(division.eachWorker, fleetWorkerSpec, problems, (worker, path) => {
    workerRules(worker, path, policy, problems);
  });
  checkCounts(division, problems);
  checkIds(division.eachTask, 'task', problems);
  checkIds(division.eachWorker, 'worker', problems);
  if (workers.length > 0 && workers.length === division.eachWorker.length) {
    checkCapabilities(tasks, workers, problems);
  }
  if (division.head !== undefined && head === undefined) return undefined;
  return {
    name: head?.name ?? fallbackName,
    labels: head?.labels ?? {},
    security_policy: head?.security_policy,
    alert_policy: head?.alert_policy,
    tasks: tasks.map(({ value }) => value),
    workers: workers.map(({ value }) => value),
  };
}

function checkHead(
  { head, workers }: Division,
  problems: Problems,
): z.output<typeof documentHead> | undefined {
  if (head === undefined) return undefined;
  tellUnknownKeys(documentHead, head, problems);
  const given = head.value as object;
  if (workers !== undefined && Object.hasOwn(given, 'workers') && Object.hasOwn(given, 'worker_specs')) {
    problems.error(['worker_specs'], 'the same as workers, which is given too');
  }
  const result = documentHead.safeParse(head.value);
  if (!result.success) {
    problems.issues([], head.value, result.error);
    return undefined;
  }
  const { name, security_policy: policy, alert_policy: alerts } = result.data;
  const fault = name === undefined ? undefined : nameFault(name);
  if (fault !== undefined) problems.error(['name'], fault);
  if (policy !== undefined) policyRules(policy, ['security_policy'], problems);
  if (alerts !== undefined) alertRules(alerts, ['alert_policy'], problems);
  return result.data;
}

interface Read<Value> {
  readonly path: readonly PropertyKey[];
  readonly value: Value;
}

function checkEach<Value>(
  parts: readonly Part[],
  schema: z.ZodType<Value>,
  problems: Problems,
  rules: (value: Value, path: readonly PropertyKey[]) => void,
): Read<Value>[] {
  const found: Read<Value>[] = [];
  for (const { path, value } of parts) {
    if (problems.isFull) break;
    tellUnknownKeys(schema, { path, value }, problems);
    const result = schema.safeParse(value);
    if (!result.success) {
      problems.issues(path, value, result.error);
      continue;
    }
    rules(result.data, path);
    found.push({ path, value: result.data });
  }
  return found;
}

function tellUnknownKeys(schema: z.ZodType, { path, value }: Part, problems: Problems): void {
  for (const { path: inner, known } of unknownKeys(schema, value)) {
    const meant = closest(String(inner.at(-1)), known);
    const advice = meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`;
    problems.warnOfKey([...path, ...inner], `unknown key, it is ignored${advice}`);
  }
}

function checkCounts({ tasks, eachTask, workers, eachWorker }: Division, problems: Problems): void {
  const { maxTasks, maxWorkers } = DEFAULT_FLEET_LIMITS;
  if (tasks.value === undefined) problems.error(['tasks'], 'missing, expected a list of tasks');
  else if (tasks.path.length > 0 && !Array.isArray(tasks.value)) {
    problems.error(tasks.path, 'expected a list of tasks');
  } else if (eachTask.length === 0) problems.error(tasks.path, 'expected at least one task');
  if (eachTask.length > maxTasks) problems.error(tasks.path, `expected at most ${maxTasks} tasks`);
  if (workers !== undefined && !Array.isArray(workers.value)) {
    problems.error(workers.path, 'expected a list of workers');
  }
  if (eachWorker.length > maxWorkers) {
    problems.error(workers?.path ?? [], `expected at most ${maxWorkers} workers`);
  }
}

/** Also of tasks that have other mistakes. */
function checkIds(parts: readonly Part[], what: string, problems: Problems): void {
  const seen = new Set<string>();
  for (const { path, value } of parts) {
    const id = (value as { readonly id?: unknown } | null | undefined)?.id;
    if (typeof id !== 'string') continue;
    if (seen.has(id)) problems.error([...path, 'id'], `another ${what} has this id`);
    seen.add(id);
  }
}

/** A task that needs what no worker has would wait for ever. */
function checkCapabilities(
  tasks: readonly Read<FleetTaskSpec>[],
  workers: readonly Read<FleetWorkerSpec>[],
  problems: Problems,
): void {
  const each = workers.map(({ value }) => new Set(value.capabilities));
  const offered = new Set(workers.flatMap(({ value }) => value.capabilities));
  // Tasks by the thousand need the same few things.
  const known = new Map<string, boolean>();
  const someHasAll = (needed: readonly string[]): boolean => {
    const key = JSON.stringify(needed);
    const answer = known.get(key) ?? each.some((one) => needed.every((capability) => one.has(capability)));
    known.set(key, answer);
    return answer;
  };
  for (const { path, value } of tasks) {
    const needed = value.worker?.capabilities ?? [];
    for (const [index, capability] of needed.entries()) {
      if (offered.has(capability)) continue;
      problems.error([...path, 'worker', 'capabilities', index], 'no worker here has this capability');
    }
    if (needed.every((one) => offered.has(one)) && !someHasAll(needed)) {
      problems.error([...path, 'worker', 'capabilities'], 'no worker here has all of these');
    }
  }
}
