/** From what an agent asks to the question that goes on the wire. What is wrong with it is thrown to the agent. */
import type {
  AskOptions,
  BudgetRequest,
  Choice,
  ChooseOptions,
  PermissionLease,
  PermissionRequest,
  QuestionOptions,
} from '../../agents/questions.js';
import { formatAmount, isCurrency, parseAmount } from '../../protocol/cost-budget.js';
import { ArcpError } from '../../protocol/errors.js';
import { capabilityOf, targetKind } from '../../protocol/lease-capability.js';
import type { Payload } from '../../protocol/messages.js';
import { BUDGET_OPERATION, BUDGET_PERMISSION } from '../../protocol/payloads/permissions.js';
import {
  ELEVATION,
  elevationTo,
  exceedsTrust,
  TRUST_LEVELS,
  type TrustLevel,
} from '../../protocol/trust-level.js';
import { TargetPatterns } from '../../protocol/target-patterns.js';
import { checkName, checkText } from '../agent-output.js';
import type { EngineContext } from '../engine-context.js';
import type { JobRun } from '../job-run.js';

/** The value that somebody answered with. */
export async function ask(
  run: JobRun,
  context: EngineContext,
  prompt: string,
  options: AskOptions,
): Promise<unknown> {
  run.refuseQuestions();
  const { schema = {}, default: standsIn } = options;
  const payload = {
    ...common(prompt, options, context),
    response_schema: schema,
    ...(standsIn === undefined ? {} : { default: standsIn }),
  };
  const answer = await run.questions.ask({ type: 'human.input.request', payload }, keyOf(options));
  return answer.type === 'human.input.response' ? answer.payload.value : undefined;
}

/** The id of the option that somebody chose. */
export async function choose(
  run: JobRun,
  context: EngineContext,
  prompt: string,
  choices: readonly Choice[],
  options: ChooseOptions,
): Promise<string> {
  run.refuseQuestions();
  const { default: standsIn } = options;
  const payload = {
    ...common(prompt, options, context),
    options: checkedChoices(choices),
    ...(standsIn === undefined ? {} : { default: standsIn }),
  };
  const answer = await run.questions.ask({ type: 'human.choice.request', payload }, keyOf(options));
  return answer.type === 'human.choice.response' ? answer.payload.choice_id : '';
}

/** The lease that somebody granted. */
export async function requestPermission(
  run: JobRun,
  context: EngineContext,
  request: PermissionRequest,
): Promise<PermissionLease> {
  run.refuseQuestions();
  const { permission, resource, operation = '', leaseSeconds } = request;
  if (permission === BUDGET_PERMISSION) {
    throw new ArcpError('INVALID_ARGUMENT', `permission: ${BUDGET_PERMISSION} is asked for by requestBudget`);
  }
  refuseNoPattern(permission, resource);
  const payload = permissionPayload({ permission, resource, operation, leaseSeconds }, request, context);
  const { lease_id: leaseId = '', expires_at: expires = '' } = await grantOf(run, payload, request, () => {
    if (permission.startsWith(ELEVATION)) checkElevation(permission, run.job.trust.at(context.clock.now()));
  });
  return { leaseId, permission, resource, operation, expiresAt: expires };
}

/** Asks for one act of the job that its lease does not cover; `key` is a name that no agent can give. */
export async function askForAct(
  run: JobRun,
  context: EngineContext,
  permission: string,
  resource: string,
  key: string,
): Promise<void> {
  run.refuseQuestions();
  const asked = { permission, resource, operation: '', leaseSeconds: undefined };
  const payload = permissionPayload(asked, { reason: 'its lease does not cover it' }, context);
  await run.questions.ask({ type: 'permission.request', payload }, key);
}

/** Throws INVALID_ARGUMENT for what is no level, FAILED_PRECONDITION for one that the job has. */
function checkElevation(permission: string, present: TrustLevel): void {
  const level = elevationTo(permission);
  if (level === undefined) {
    const levels = TRUST_LEVELS.map((one) => `${ELEVATION}${one}`).join(', ');
    throw new ArcpError('INVALID_ARGUMENT', `permission: expected one of ${levels}`);
  }
  if (!exceedsTrust(level, present)) {
    throw new ArcpError('FAILED_PRECONDITION', `the job is ${present} already: there is nothing to lift`);
  }
}

/** Resolves when the budget was raised. */
export async function requestBudget(
  run: JobRun,
  context: EngineContext,
  currency: string,
  amount: string,
  request: BudgetRequest,
): Promise<void> {
  run.refuseQuestions();
  if (!isCurrency(currency)) throw new ArcpError('INVALID_ARGUMENT', 'that is not a currency');
  const units = parseAmount(amount);
  if (units === 0n) throw new ArcpError('INVALID_ARGUMENT', 'an amount of nothing raises no budget');
  if (!run.job.origin.budget.remainders().has(currency)) {
    throw new ArcpError('FAILED_PRECONDITION', `nothing bounds ${currency}: there is no budget to raise`);
  }
  const asked = {
    permission: BUDGET_PERMISSION,
    resource: `${currency}:${formatAmount(units)}`,
    operation: BUDGET_OPERATION,
    leaseSeconds: undefined,
  };
  await grantOf(run, permissionPayload(asked, request, context), request);
}

/** What could not be granted is not asked for. */
function refuseNoPattern(permission: string, resource: string): void {
  try {
    new TargetPatterns(targetKind(capabilityOf(permission) ?? permission), [resource]);
  } catch (error) {
    throw new ArcpError('INVALID_ARGUMENT', `resource: ${ArcpError.from(error).message}`);
  }
}

interface Asked {
  readonly permission: string;
  readonly resource: string;
  readonly operation: string;
  readonly leaseSeconds: number | undefined;
}

function permissionPayload(
  { permission, resource, operation, leaseSeconds }: Asked,
  { reason, expiresInMs }: BudgetRequest,
  context: EngineContext,
): Payload<'permission.request'> {
  checkName('permission', permission);
  checkText('resource', resource);
  checkText('operation', operation);
  if (reason !== undefined) checkText('reason', reason);
  if (leaseSeconds !== undefined && !(Number.isSafeInteger(leaseSeconds) && leaseSeconds > 0)) {
    throw new ArcpError('INVALID_ARGUMENT', 'leaseSeconds: expected whole seconds, at least one');
  }
  return {
    permission,
    resource,
    operation,
    expires_at: expiresAt(expiresInMs, context),
    ...(reason === undefined ? {} : { reason }),
    ...(leaseSeconds === undefined ? {} : { requested_lease_seconds: leaseSeconds }),
  };
}

async function grantOf(
  run: JobRun,
  payload: Payload<'permission.request'>,
  request: Pick<QuestionOptions, 'key'>,
  refuseNew?: () => void,
): Promise<Payload<'permission.grant'>> {
  const answer = await run.questions.ask({ type: 'permission.request', payload }, keyOf(request), refuseNew);
  if (answer.type === 'permission.grant') return answer.payload;
  throw new ArcpError('INTERNAL', 'the permission was answered by something else');
}

function common(prompt: string, { destination, expiresInMs }: QuestionOptions, context: EngineContext) {
  checkText('prompt', prompt);
  return {
    prompt,
    expires_at: expiresAt(expiresInMs, context),
    ...(destination === undefined ? {} : { destination }),
  };
}

/** Throws INVALID_ARGUMENT for what is no time within `maxQuestionExpiryMs`. */
export function expiresAt(ms: number | undefined, { clock, limits }: EngineContext): string {
  const { questionExpiryMs, maxQuestionExpiryMs } = limits;
  const after = ms ?? questionExpiryMs;
  if (!(Number.isFinite(after) && after > 0 && after <= maxQuestionExpiryMs)) {
    throw new ArcpError('INVALID_ARGUMENT', `expiresInMs: expected up to ${maxQuestionExpiryMs} ms`);
  }
  return new Date(clock.now() + after).toISOString();
}

const MAX_KEY_LENGTH = 256;

export function keyOf({ key }: Pick<QuestionOptions, 'key'>): string | undefined {
  if (key === undefined) return undefined;
  checkName('key', key);
  if (key.startsWith('#') || key.length > MAX_KEY_LENGTH) {
    throw new ArcpError(
      'INVALID_ARGUMENT',
      `key: expected up to ${MAX_KEY_LENGTH} characters, the first of them no #`,
    );
  }
  return key;
}

function checkedChoices(choices: unknown): Choice[] {
  if (!Array.isArray(choices)) throw new ArcpError('INVALID_ARGUMENT', 'options: expected a list');
  return choices.map((choice: unknown, at) => {
    const { id, label } = (choice ?? {}) as Partial<Choice>;
    checkName(`options.${at}.id`, id);
    checkText(`options.${at}.label`, label);
    return { id: id as string, label: label as string };
  });
}
