import type { ZodType } from 'zod';
import { formatAgentRef, parseAgentRef } from '../protocol/agent-ref.js';
import { ArcpError } from '../protocol/errors.js';
import type { WorkerProfile, WorkerRole } from '../protocol/worker-profile.js';
import { requestedProfile } from '../protocol/worker-profile-json.js';
import type { Agent, JobContext, RecoveryPolicy } from './agent.js';

/** What `defineAgent` takes. */
export type AgentDefinition<Input> = InProcessDefinition<Input> | WorkerDefinition<Input>;

interface CommonDefinition<Input> {
  /** `[a-z0-9][a-z0-9._-]*` (draft-1.1 §7.5). */
  readonly name: string;
  /** `[a-zA-Z0-9.+_-]+` (draft-1.1 §7.5). */
  readonly version: string;
  /** Whether the bare name means this version. Without any, the highest version is meant (decision 3). */
  readonly default?: boolean;
  readonly description?: string;
  /**
   * `workflow`: it composes others, so that `workflow.start` starts it, `tool.invoke` and a delegation do too, and its jobs
   * say `workflow.complete`, with their value, before they complete. Default `agent`.
   */
  readonly kind?: 'agent' | 'workflow';
  /** Checks and shapes the arguments of an invocation. */
  readonly input?: ZodType<Input>;
  /** Default `auto`: the runtime sends heartbeats while `run` is pending (decision 23). */
  readonly heartbeat?: 'auto' | 'manual';
  /**
   * What becomes of a job that was running when the runtime ended (with a durable store): `fail` with ABORTED, the
   * default; `restart` from its arguments, for agents that can do their work twice; or `resume` from its latest
   * `ctx.checkpoint`. Attempts are bounded by `maxAttempts`.
   */
  readonly recovery?: RecoveryPolicy;
  /** How many attempts at its jobs there are at most, where that is not the runtime’s `maxAttempts`. */
  readonly maxAttempts?: number;
  /** Whether clients may open streams into its jobs, which it reads from `ctx.input`. Default false. */
  readonly takesInput?: boolean;
  /**
   * What its jobs may do at most, as a role (see `profileForRole`) or with fields of its own. Default: `general`, which
   * may do everything that its lease allows.
   */
  readonly profile?: WorkerRole | Partial<WorkerProfile>;
  /**
   * What becomes of acts that the leases of its jobs do not cover: `refuse`, or `ask`, which asks the owner of the job,
   * who may grant a lease, and blocks the job meanwhile. A request may say otherwise. Default: as the runtime says.
   */
  readonly uncoveredActs?: 'refuse' | 'ask';
  /** What it returns is the job's inline result: JSON, or nothing after `ctx.openResult()`. */
  run(input: Input, ctx: JobContext): unknown;
}

interface InProcessDefinition<Input> extends CommonDefinition<Input> {
  readonly worker?: false;
}

interface WorkerDefinition<Input> extends CommonDefinition<Input> {
  /** Each job runs in a thread of its own, so that computing does not stop the runtime. */
  readonly worker: true;
  /** The module that exports this agent, loaded again in the thread: `import.meta.url`. */
  readonly module: string;
}

/**
 * Defines an agent. Throws INVALID_ARGUMENT when the name or version is malformed.
 *
 * @example
 * ```ts
 * const greeter = defineAgent({
 *   name: 'greeter',
 *   version: '1.0.0',
 *   input: z.object({ name: z.string() }),
 *   run: ({ name }) => `Hello, ${name}`,
 * });
 * ```
 */
export function defineAgent<Input = unknown>(definition: AgentDefinition<Input>): Agent<Input> {
  const { name, version } = definition;
  const ref = parseAgentRef(`${name}@${version}`);
  if (formatAgentRef(ref) !== `${name}@${version}` || ref.name !== name) {
    throw new ArcpError('INVALID_ARGUMENT', `${JSON.stringify(name)} is not an agent name`);
  }
  return {
    name,
    version,
    default: definition.default ?? false,
    description: definition.description,
    isWorkflow: definition.kind === 'workflow',
    input: definition.input,
    heartbeat: definition.heartbeat ?? 'auto',
    recovery: definition.recovery ?? 'fail',
    maxAttempts: definition.maxAttempts,
    takesInput: definition.takesInput ?? false,
    profile: definition.profile === undefined ? undefined : requestedProfile(definition.profile),
    uncoveredActs: definition.uncoveredActs,
    worker: definition.worker === true ? definition.module : undefined,
    run: (input, ctx) => definition.run(input, ctx),
  };
}
