/** What a task must be beyond its type, so that it can be run and does what its author means. */
import type { FleetRetryPolicy, FleetScorerSpec, FleetTaskSpec } from '../../protocol/fleet/index.js';
import { parseAgentRef } from '../../protocol/agent-ref.js';
import { ArcpError } from '../../protocol/errors.js';
import { FLEET_TRUST_LEVELS, fleetTrustLevel } from '../../protocol/fleet/trust.js';
import { isJsonObject } from '../../protocol/scalars.js';
import { compileJsonPath, compileRegex } from '../scoring/patterns.js';
import { TOOL_PROFILE_NAMES, toolProfile } from '../trust/tool-profiles.js';
import { WORKER_ROLES } from '../../protocol/worker-profile.js';
import { isVariableName, looksSecret } from '../workspace/environment.js';
import { pathFault } from '../workspace/relative-path.js';
import { alertRules } from './alert-rules.js';
import { closest } from '../../documents/closest.js';
import { isBlank, nameRules, repeated } from './naming.js';
import type { Problems } from '../../documents/problems.js';

type Path = readonly PropertyKey[];

/** The built-in agent that runs `metadata.command`. */
export const COMMAND_AGENT = 'command';

export function taskRules(task: FleetTaskSpec, path: Path, problems: Problems): void {
  nameRules(task, path, problems);
  if (isBlank(task.instructions))
    problems.error([...path, 'instructions'], 'expected instructions, not blank');
  if (task.objective !== undefined && isBlank(task.objective)) {
    problems.error([...path, 'objective'], 'expected an objective, not blank');
  }
  for (const index of repeated(task.tags ?? []))
    problems.error([...path, 'tags', index], 'this tag is given twice');
  if (task.timeout_seconds === 0) {
    problems.warning([...path, 'timeout_seconds'], 'the task is over before it begins');
  }
  workerRules(task, [...path, 'worker'], problems);
  workspaceRules(task, [...path, 'workspace'], problems);
  pathRules(task.input_files, [...path, 'input_files'], problems);
  if (task.scorer !== undefined) scorerRules(task.scorer, [...path, 'scorer'], problems);
  if (task.retry_policy !== undefined) retryRules(task.retry_policy, [...path, 'retry_policy'], problems);
  if (task.alert_policy !== undefined) alertRules(task.alert_policy, [...path, 'alert_policy'], problems);
  metadataRules(task.metadata, [...path, 'metadata'], problems);
}

function workerRules({ worker }: FleetTaskSpec, path: Path, problems: Problems): void {
  if (worker === undefined) return;
  const { role, tool_profile: profile, tools = [] } = worker;
  const roles: readonly string[] = WORKER_ROLES;
  if (role !== undefined && !roles.includes(role)) {
    problems.error([...path, 'role'], unknownWord('role', role, roles));
  }
  if (profile !== undefined && toolProfile(profile) === undefined) {
    problems.error([...path, 'tool_profile'], unknownWord('tool profile', profile, TOOL_PROFILE_NAMES));
  }
  for (const [index, tool] of tools.entries()) {
    if (!/^[\w.:/-]{1,128}$/.test(tool))
      problems.error([...path, 'tools', index], 'expected the name of a tool');
  }
  for (const index of repeated(tools)) problems.error([...path, 'tools', index], 'this tool is given twice');
}

/** `unknown role, did you mean "review"?`; otherwise all that there are. */
export function unknownWord(what: string, given: string, known: readonly string[]): string {
  const meant = closest(given, known);
  return meant === undefined
    ? `unknown ${what}; there are ${known.join(', ')}`
    : `unknown ${what}, did you mean ${JSON.stringify(meant)}?`;
}

function workspaceRules({ workspace }: FleetTaskSpec, path: Path, problems: Problems): void {
  if (workspace === undefined) return;
  const { root, environment } = workspace;
  if (root !== undefined && (root === '' || root.includes('\0'))) {
    problems.error([...path, 'root'], 'expected a path');
  }
  pathRules(workspace.required_files, [...path, 'required_files'], problems);
  pathRules(workspace.writable_paths, [...path, 'writable_paths'], problems);
  for (const list of ['required', 'allowlist'] as const) {
    for (const [index, name] of (environment?.[list] ?? []).entries()) {
      variableRule(name, [...path, 'environment', list, index], list === 'allowlist', problems);
    }
  }
}

export function variableRule(name: string, path: Path, travels: boolean, problems: Problems): void {
  if (!isVariableName(name)) {
    problems.error(path, 'expected the name of an environment variable');
  } else if (travels && looksSecret(name)) {
    problems.warning(path, 'a name like that of a secret never travels to a remote: use a secret reference');
  }
}

function pathRules(paths: readonly string[] | undefined, path: Path, problems: Problems): void {
  for (const [index, each] of (paths ?? []).entries()) {
    const fault = pathFault(each);
    if (fault !== undefined) problems.error([...path, index], fault);
  }
}

function scorerRules(scorer: FleetScorerSpec, path: Path, problems: Problems): void {
  if ('path' in scorer) {
    const fault = pathFault(scorer.path);
    if (fault !== undefined) problems.error([...path, 'path'], fault);
  }
  switch (scorer.kind) {
    case 'regex_match': {
      const read = compileRegex(scorer.pattern);
      if (!read.ok) problems.error([...path, 'pattern'], read.fault);
      return;
    }
    case 'json_path': {
      const read = compileJsonPath(scorer.expression);
      if (!read.ok) problems.error([...path, 'expression'], read.fault);
      return;
    }
    case 'command':
      if (isBlank(scorer.command)) problems.error([...path, 'command'], 'expected a command, not blank');
      return;
    case 'code_whale_verifier_prompt':
      if (isBlank(scorer.prompt)) problems.error([...path, 'prompt'], 'expected a prompt, not blank');
      return;
    case 'exit_code':
    case 'file_exists':
    case 'manual':
      return;
  }
}

function retryRules(policy: FleetRetryPolicy, path: Path, problems: Problems): void {
  if (policy.max_attempts === 0) {
    problems.warning([...path, 'max_attempts'], 'the first attempt counts: 0 is the same as 1');
  }
  if (policy.initial_backoff_seconds > policy.max_backoff_seconds) {
    problems.warning(
      [...path, 'initial_backoff_seconds'],
      'more than max_backoff_seconds, which is the bound',
    );
  }
}

function metadataRules(metadata: Readonly<Record<string, unknown>>, path: Path, problems: Problems): void {
  const { agent, command, priority, class: named, worker_labels: wanted, min_trust: trust } = metadata;
  if (agent !== undefined) agentRule(agent, [...path, 'agent'], problems);
  const isArgv =
    Array.isArray(command) && command.length > 0 && command.every((one) => typeof one === 'string');
  if (command !== undefined && (!isArgv || command[0] === '')) {
    problems.error([...path, 'command'], 'expected a command and its arguments, as a list of strings');
  } else if (agent === COMMAND_AGENT && command === undefined) {
    problems.error([...path, 'command'], `missing, the agent ${COMMAND_AGENT} runs it`);
  }
  if (priority !== undefined && (!Number.isInteger(priority) || Math.abs(Number(priority)) > 0x7fff_ffff)) {
    problems.error([...path, 'priority'], 'expected an integer from -2147483647 to 2147483647');
  }
  if (named !== undefined && typeof named !== 'string') problems.error([...path, 'class'], 'expected a name');
  const isLabels = isJsonObject(wanted) && Object.values(wanted).every((one) => typeof one === 'string');
  if (wanted !== undefined && !isLabels) {
    problems.error([...path, 'worker_labels'], 'expected the labels that a worker must have, as texts');
  }
  if (trust !== undefined && !fleetTrustLevel.safeParse(trust).success) {
    problems.error([...path, 'min_trust'], `expected one of ${FLEET_TRUST_LEVELS.join(', ')}`);
  }
}

function agentRule(agent: unknown, path: Path, problems: Problems): void {
  if (typeof agent !== 'string') {
    problems.error(path, 'expected the name of an agent, or name@version');
    return;
  }
  try {
    parseAgentRef(agent);
  } catch (error) {
    problems.error(path, error instanceof ArcpError ? error.message : String(error));
  }
}
