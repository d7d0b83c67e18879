/** What a session says of the agents that it hosts (`capabilities.agents`, in the rich form), checked. */
import type { RecoveryPolicy } from '../../agents/agent.js';
import { formatAgentRef, parseAgentRef } from '../../protocol/agent-ref.js';
import type { Capabilities } from '../../protocol/capabilities.js';
import { ArcpError } from '../../protocol/errors.js';
import type { WorkerProfile } from '../../protocol/worker-profile.js';
import { requestedProfile } from '../../protocol/worker-profile-json.js';
import type { Limits } from '../limits.js';

export type AdvertisedAgents = NonNullable<Capabilities['agents']>;

/** What all providers of one version of an agent have to say alike: a job may go from one to another. */
export interface ProvidedTerms {
  readonly recovery: RecoveryPolicy;
  readonly takesInput: boolean;
  readonly profile?: WorkerProfile | undefined;
  readonly isWorkflow?: true | undefined;
  readonly uncoveredActs?: 'refuse' | 'ask' | undefined;
}

/** One version of an agent, as one session offers it. */
export interface Offer {
  readonly name: string;
  readonly version: string;
  readonly default: boolean;
  readonly description: string | undefined;
  readonly inputSchema: unknown;
  /** Jobs of it that the provider does at once. */
  readonly maxJobs: number;
  readonly terms: ProvidedTerms;
}

/** Why a session does not host something that it offered. */
export interface RefusedOffer {
  readonly agent: string;
  readonly code: string;
  readonly message: string;
}

/** Jobs at once of an agent whose provider does not say. */
const DEFAULT_MAX_JOBS = 16;

export function readOffers(
  advertised: AdvertisedAgents,
  { maxAgentsPerProvider, maxJobsPerProvider }: Limits,
): { readonly offers: readonly Offer[]; readonly refused: readonly RefusedOffer[] } {
  const offers = new Map<string, Offer>();
  const refused: RefusedOffer[] = [];
  for (const entry of advertised) {
    const name = typeof entry === 'string' ? entry : entry.name;
    try {
      if (typeof entry === 'string' || entry.versions.length === 0)
        throw new ArcpError('INVALID_ARGUMENT', 'name its versions: {"name": …, "versions": ["1.0.0"]}');
      const { recovery = 'fail', takes_input = false, profile, max_concurrent_jobs: maxJobs } = entry;
      const terms: ProvidedTerms = {
        recovery,
        takesInput: takes_input,
        profile: profile === undefined || profile === null ? undefined : requestedProfile(profile),
        isWorkflow: entry.kind === 'workflow' ? true : undefined,
        uncoveredActs: entry.uncovered_acts,
      };
      for (const version of entry.versions) {
        const ref = `${name}@${version}`;
        if (formatAgentRef(parseAgentRef(ref)) !== ref || offers.has(ref))
          throw new ArcpError('INVALID_ARGUMENT', 'not a name and a version, or offered twice');
        if (offers.size >= maxAgentsPerProvider) {
          const message = `one session hosts ${maxAgentsPerProvider} versions of agents at most`;
          throw new ArcpError('RESOURCE_EXHAUSTED', message, { retryable: false });
        }
        offers.set(ref, {
          name,
          version,
          default: entry.default === version,
          description: entry.description,
          inputSchema: entry.input_schema,
          maxJobs: Math.min(maxJobs ?? DEFAULT_MAX_JOBS, maxJobsPerProvider),
          terms,
        });
      }
    } catch (error) {
      const { code, message } = ArcpError.from(error);
      refused.push({ agent: name, code, message });
    }
  }
  return { offers: [...offers.values()], refused };
}
