/** What a host says of its agents, as `capabilities.agents` of its session. */
import * as z from 'zod';
import type { Agent } from '../agents/agent.js';
import type { Capabilities } from '../protocol/capabilities.js';
import { ArcpError } from '../protocol/errors.js';

type Offers = NonNullable<Capabilities['agents']>;

/**
 * One entry for each version, under names that begin with `scope`. Throws UNIMPLEMENTED for what a runtime cannot be told of an agent elsewhere, ALREADY_EXISTS
 * for an agent that is there twice.
 */
export function offersOf(agents: readonly Agent[], maxJobs: number | undefined, scope: string): Offers {
  const refs = new Set<string>();
  return agents.map((agent) => {
    const { name, version, description, recovery, takesInput, profile, uncoveredActs } = agent;
    const ref = `${name}@${version}`;
    if (refs.has(ref)) throw new ArcpError('ALREADY_EXISTS', `${ref} is there twice`);
    refs.add(ref);
    if (agent.process !== undefined)
      throw new ArcpError('UNIMPLEMENTED', `${ref} is a process: the runtime itself has to host it`);
    const schema = inputSchemaOf(agent);
    return {
      name: `${scope}${name}`,
      versions: [version],
      ...(agent.default ? { default: version } : {}),
      ...(description === undefined ? {} : { description }),
      ...(schema === undefined ? {} : { input_schema: schema }),
      ...(maxJobs === undefined ? {} : { max_concurrent_jobs: maxJobs }),
      recovery,
      takes_input: takesInput,
      ...(agent.isWorkflow === true ? { kind: 'workflow' as const } : {}),
      ...(uncoveredActs === undefined ? {} : { uncovered_acts: uncoveredActs }),
      ...(profile === undefined ? {} : { profile }),
    };
  });
}

/** For listings; what JSON Schema cannot say is left out. */
function inputSchemaOf({ input, inputSchema }: Agent): unknown {
  if (input === undefined) return inputSchema;
  try {
    return z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' });
  } catch {
    return undefined;
  }
}
