/** What `fleet.run` is started with: a task-spec file's document, list or task, and under `options` how to run it. */
import * as z from 'zod';
import type { JobContext } from '../../agents/agent.js';
import { ArcpError } from '../../protocol/errors.js';
import type { FleetTrustLevel, FleetWorkerSpec } from '../../protocol/fleet/index.js';
import { fleetTrustLevel } from '../../protocol/fleet/trust.js';
import { isJsonObject } from '../../protocol/scalars.js';
import { DEFAULT_FLEET_LIMITS } from '../limits.js';
import { checkSpec } from '../spec/check.js';
import type { FleetSpec } from '../spec/document.js';
import { DEFAULT_CAPS, type Caps } from '../scheduling/placement.js';

const count = z.int().min(1).max(10_000);

const optionsSchema = z.strictObject({
  /** For tasks that name none. Default `command`. */
  agent: z.string().optional(),
  /** Who judges where a scorer is a prompt. */
  verifier: z.string().optional(),
  /** Local workers, where the spec has none. Default 1. */
  workers: count.optional(),
  /** How far those are trusted. Default: the policy's. */
  trust: fleetTrustLevel.optional(),
  /** Tasks at once. Default 4, or as many as there are such workers. */
  max_running: count.optional(),
});

export type RunOptions = z.output<typeof optionsSchema>;

export interface RunPlan {
  readonly spec: FleetSpec;
  readonly workers: readonly FleetWorkerSpec[];
  /** Whether they are processes on hosts (`worker-pool.ts`, Q1). */
  readonly isHosted: boolean;
  readonly options: RunOptions;
  readonly caps: Caps;
}

/** The arguments, with the spec in its place where it is an artifact: `{artifact, options}`. */
export async function wholeArguments(
  given: unknown,
  ctx: Pick<JobContext, 'fetchArtifact'>,
): Promise<unknown> {
  const artifact = isJsonObject(given) ? given['artifact'] : undefined;
  if (typeof artifact !== 'string') return given;
  const reader = await ctx.fetchArtifact(artifact);
  if (reader.ref.size > DEFAULT_FLEET_LIMITS.maxSpecBytes) {
    const { maxSpecBytes } = DEFAULT_FLEET_LIMITS;
    throw new ArcpError('INVALID_ARGUMENT', `the spec is longer than ${maxSpecBytes} bytes`);
  }
  let spec: unknown;
  try {
    spec = JSON.parse(await reader.text());
  } catch (error) {
    if (error instanceof ArcpError) throw error;
    throw new ArcpError('INVALID_ARGUMENT', 'the spec in the artifact is no JSON');
  }
  const { options } = given as { readonly options?: unknown };
  return { ...(isJsonObject(spec) ? spec : { tasks: spec }), ...(options === undefined ? {} : { options }) };
}

/** Mistakes that the refusal tells of. */
const MAX_TOLD = 5;

/** Throws INVALID_ARGUMENT with the mistakes that `arcp fleet check` tells of. */
export function planOf(given: unknown): RunPlan {
  const { options = {}, ...document } = isJsonObject(given) ? given : { tasks: given };
  const read = optionsSchema.safeParse(options);
  if (!read.success) throw new ArcpError('INVALID_ARGUMENT', `options: ${z.prettifyError(read.error)}`);
  const { spec, problems } = checkSpec(JSON.stringify(document), 'json', 'fleet');
  if (spec === undefined) {
    const errors = problems.filter(({ severity }) => severity === 'error');
    const told = errors.slice(0, MAX_TOLD).map(({ path, message }) => `${path}: ${message}`);
    throw new ArcpError('INVALID_ARGUMENT', told.join('; '));
  }
  const isDescribed = spec.workers.length > 0;
  return {
    spec,
    workers: isDescribed ? spec.workers : localWorkers(spec, read.data),
    isHosted: isDescribed || (spec.security_policy?.allowed_secrets ?? []).length > 0,
    options: read.data,
    caps: capsOf(read.data),
  };
}

/** Workers that nobody describes are of this machine, and have whatever the tasks ask for. */
function localWorkers({ tasks }: FleetSpec, { workers = 1, trust }: RunOptions): FleetWorkerSpec[] {
  const capabilities = [...new Set(tasks.flatMap(({ worker }) => worker?.capabilities ?? []))];
  const trusted: { readonly trust_level?: FleetTrustLevel } =
    trust === undefined ? {} : { trust_level: trust };
  return Array.from({ length: workers }, (_, index) => ({
    id: `local-${index + 1}`,
    name: `Local worker ${index + 1}`,
    host: { kind: 'local' },
    labels: {},
    capabilities,
    ...trusted,
  }));
}

function capsOf({ workers = 0, max_running }: RunOptions): Caps {
  const most = max_running ?? Math.max(DEFAULT_CAPS.perRun, workers);
  return { perRun: most, perHost: most, perClass: most };
}
