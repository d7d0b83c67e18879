/** What an agent outside of the runtime is told of a job: `tool.invoke`, with what an agent in process has in its context. */
import type { JobId } from '../../protocol/ids.js';
import type { Payload } from '../../protocol/messages.js';
import type { JobContext } from '../agent.js';
import type { ResultSoFar } from '../replayed-result.js';

export async function briefOf(input: unknown, ctx: JobContext): Promise<Payload<'tool.invoke'>> {
  const { lease, resumedFrom, resultSoFar, attempt, agent, principal, parentJobId, heartbeatMs } = ctx;
  const remaining = Object.entries(await lease.remaining());
  return {
    tool: agent,
    arguments: input,
    lease_request: {
      ...lease.capabilities,
      ...(lease.expiresAt === undefined ? {} : { expires_at: lease.expiresAt }),
      ...(remaining.length === 0
        ? {}
        : { cost_budget: remaining.map(([currency, amount]) => `${currency}:${amount}`) }),
    },
    profile: ctx.profile,
    job: {
      agent,
      principal,
      ...(parentJobId === undefined ? {} : { parent_job_id: parentJobId as JobId }),
      attempt,
      heartbeat_interval_ms: heartbeatMs,
      closed: lease.closed,
      ...(resumedFrom === undefined
        ? {}
        : { resumed_from: { checkpoint_id: resumedFrom.checkpointId, data: resumedFrom.data } }),
      ...(resultSoFar === undefined ? {} : { result_so_far: soFarOnWire(resultSoFar) }),
    },
  };
}

type Brief = NonNullable<Payload<'tool.invoke'>['job']>;
type SoFar = NonNullable<Brief['result_so_far']>;

function soFarOnWire({ resultId, encoding, nextChunk, size, isFinished, replay }: ResultSoFar): SoFar {
  return {
    result_id: resultId,
    encoding,
    next_chunk: nextChunk,
    size,
    is_finished: isFinished,
    replay: { ...replay },
  };
}

/** The same on the agent's side. */
export function resultSoFarOf(soFar: Brief['result_so_far']): ResultSoFar | undefined {
  if (soFar === undefined) return undefined;
  const { result_id, encoding, next_chunk, size, is_finished, replay } = soFar;
  return {
    resultId: result_id,
    encoding,
    nextChunk: next_chunk,
    size,
    isFinished: is_finished,
    replay: { bytes: replay.bytes, sha256: replay.sha256 },
  };
}
