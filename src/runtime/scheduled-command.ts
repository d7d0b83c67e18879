/** The command of a schedule: what a command that starts work asks for, given again at each occurrence. */
import type * as z from 'zod';
import { parseAgentRef } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import { describeIssues } from '../protocol/issues.js';
import { requestedLease } from '../protocol/lease.js';
import { MESSAGES, type Payload } from '../protocol/messages.js';
import { requestedProfile } from '../protocol/worker-profile-json.js';
import type { Priority } from '../protocol/priority.js';
import { askedIn, type JobTerms } from './job-terms.js';
import { childArguments, type Submission } from './submission.js';

/** What the envelope of `job.schedule` says, of which each occurrence has its share. */
interface Circumstances {
  readonly priority: Priority;
  readonly traceId: string | undefined;
  readonly correlationId: string;
}

/** As it is kept. */
export interface ScheduledCommand extends Circumstances {
  readonly type: 'tool.invoke' | 'workflow.start' | 'agent.delegate';
  readonly agent: string;
  readonly arguments: unknown;
  readonly leaseRequest?: Readonly<Record<string, unknown>> | undefined;
  readonly costBudget?: readonly string[] | undefined;
  readonly maxRuntimeMs?: number | undefined;
  readonly profile?: unknown;
  readonly terms?: JobTerms | undefined;
}

/**
 * Checks the command as it is checked when it is given. Throws INVALID_ARGUMENT for what is wrong with it, and
 * UNIMPLEMENTED for a command that cannot be scheduled.
 */
export function readCommand(
  { type, payload }: Payload<'job.schedule'>['job'],
  circumstances: Circumstances,
): ScheduledCommand {
  const command = { ...circumstances, ...asked(type, payload) };
  parseAgentRef(command.agent);
  if (command.profile !== undefined && command.profile !== null) requestedProfile(command.profile);
  requestedLease({ lease_request: command.leaseRequest, cost_budget: command.costBudget });
  return command;
}

function asked(type: string, payload: unknown): Omit<ScheduledCommand, keyof Circumstances> {
  if (type === 'tool.invoke') {
    const { tool, arguments: args, ...rest } = read(MESSAGES['tool.invoke'].schema, payload);
    return { type, agent: tool, arguments: args, ...askedIn(rest) };
  }
  if (type === 'workflow.start') {
    const { workflow, arguments: args = {}, ...rest } = read(MESSAGES['workflow.start'].schema, payload);
    return { type, agent: workflow, arguments: args, ...askedIn(rest) };
  }
  if (type === 'agent.delegate') {
    const { target, task, context, ...rest } = read(MESSAGES['agent.delegate'].schema, payload);
    return { type, agent: target, arguments: childArguments(task, context), ...askedIn(rest) };
  }
  const known = 'tool.invoke, workflow.start and agent.delegate';
  throw new ArcpError('UNIMPLEMENTED', `job.type: ${known} can be scheduled`);
}

/** Throws INVALID_ARGUMENT and says where in `job` it is. */
function read<Schema extends z.ZodType>(schema: Schema, payload: unknown): z.output<Schema> {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  throw new ArcpError('INVALID_ARGUMENT', `job.${describeIssues(result.error.issues, payload)}`);
}

export function submissionOf({ type, ...command }: ScheduledCommand): Submission {
  const { leaseRequest, costBudget, maxRuntimeMs, profile, traceId } = command;
  return {
    ...command,
    asWorkflow: type === 'workflow.start',
    leaseRequest,
    costBudget,
    maxRuntimeMs,
    profile,
    traceId,
    causationId: undefined,
    parent: undefined,
    delegateId: undefined,
  };
}
