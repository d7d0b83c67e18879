/** Which model a job uses: by the route of its profile, from the model of its parent (worker_profile.rs `ModelRoute`). */
import type { ModelChoice } from '../agents/agent.js';
import { ArcpError } from '../protocol/errors.js';
import type { EngineContext } from './engine-context.js';
import type { JobAuthority } from './job-authority.js';
import type { JobRun } from './job-run.js';
import { authorized } from './uncovered-acts.js';

/** What a runtime knows of models. */
export interface Models {
  /** The model of jobs that nobody gave one. */
  readonly default?: string | undefined;
  /** The smaller sibling of a model, for the route `faster`. */
  readonly faster?: Readonly<Record<string, string>> | undefined;
}

/** The model that a job uses, or would use: its children inherit it. */
export function modelOf(
  { profile, model, inheritedModel }: JobAuthority,
  models: Models,
): string | undefined {
  if (model !== undefined) return model;
  const inherited = inheritedModel ?? models.default;
  const { model: route } = profile;
  switch (route) {
    case 'inherit':
      return inherited;
    case 'faster':
    case 'auto':
      // Without a sibling that is known, the parent's.
      return inherited !== undefined && Object.hasOwn(models.faster ?? {}, inherited)
        ? models.faster?.[inherited]
        : inherited;
    default:
      return route.fixed;
  }
}

/**
 * Lets a job use a model: the one that it names, or the one of its route. The lease is asked about `provider/model`
 * where the profile names a provider, else about the model.
 * Rejects with PERMISSION_DENIED, or FAILED_PRECONDITION where no model is known.
 */
export async function useModel(
  run: JobRun,
  context: EngineContext,
  asked: string | undefined,
): Promise<ModelChoice> {
  const { authority } = run.job.origin;
  const model = asked ?? modelOf(authority, context.models);
  if (model === undefined)
    throw new ArcpError('FAILED_PRECONDITION', 'no model is named, and this runtime has no default');
  const { provider } = authority.profile;
  const isFull = provider === null || model.startsWith(`${provider}/`);
  await authorized(run, context, 'model.use', isFull ? model : `${provider}/${model}`);
  authority.model = model;
  return { model, provider };
}
