/**
 * Jobs that their agent hands over (`ctx.handoff`): `agent.handoff` within a job is answered by `tool.result` with the value
 * that it has there, once it has ended there, or by `nack`. The runtime that is meant is named by `runtime.name`, as its
 * operator did, or by its fingerprint.
 */
import type { Envelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { HandoffOptions, HandoffRef } from '../agent.js';
import type { JobConversation } from './conversation.js';

export function handOver(job: JobConversation, envelope: Envelope<'agent.handoff'>): void {
  const { runtime, agent } = envelope.payload;
  if (agent === undefined) throw new ArcpError('INVALID_ARGUMENT', 'agent: missing');
  const options = optionsOf(envelope);
  job.act(envelope, {
    kind: 'long',
    work: () => job.ctx.handoff(targetOf(runtime), agent, options),
    done: (value) => {
      job.say('tool.result', { value }, { correlationId: envelope.id });
    },
  });
}

function targetOf(runtime: Readonly<Record<string, unknown>>): string | HandoffRef {
  const { name, fingerprint } = runtime;
  return typeof name === 'string' && fingerprint === undefined ? name : runtime;
}

/** The key, under which the handoff is found again, is the envelope's `idempotency_key`. */
function optionsOf({ payload, idempotency_key: key }: Envelope<'agent.handoff'>): HandoffOptions {
  const { arguments: args, shared_memory_ref: artifact, lease_request, cost_budget, reason } = payload;
  return {
    ...(args === undefined ? {} : { arguments: args }),
    ...(artifact === undefined ? {} : { artifact }),
    ...(lease_request === undefined ? {} : { leaseRequest: lease_request }),
    ...(cost_budget === undefined ? {} : { budget: cost_budget }),
    ...(reason === undefined ? {} : { reason }),
    ...(key === undefined ? {} : { key }),
  };
}
