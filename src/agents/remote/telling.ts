/** What an agent tells of its work: progress, signs of life, chunks of its result, measurements, spending, checkpoints. */
import { amountFromNumber, isCurrency } from '../../protocol/cost-budget.js';
import { COST, OF_BUDGETS } from '../../protocol/cost-names.js';
import type { Envelope } from '../../protocol/envelope.js';
import { ArcpError } from '../../protocol/errors.js';
import type { Json } from '../agent.js';
import type { JobConversation } from './conversation.js';
import { acknowledge } from './link.js';

export function beat(job: JobConversation, { payload }: Envelope<'job.heartbeat'>): void {
  const { sequence, deadline_ms: deadlineMs } = payload;
  if (sequence <= job.lastHeartbeat) {
    const message = `sequence: expected more than ${job.lastHeartbeat}, not ${sequence}`;
    throw new ArcpError('OUT_OF_RANGE', message);
  }
  job.lastHeartbeat = sequence;
  job.ctx.heartbeat(deadlineMs === undefined ? {} : { deadlineMs });
}

export function progress(job: JobConversation, { payload }: Envelope<'job.progress'>): void {
  const { percent, message, current, total, units } = payload;
  job.ctx.progress({
    ...(percent === undefined ? {} : { percent }),
    ...(message === undefined ? {} : { message }),
    current,
    ...(total === undefined ? {} : { total }),
    ...(units === undefined ? {} : { units }),
  });
}

export function passChunk(job: JobConversation, { payload }: Envelope<'job.result_chunk'>): void {
  job.ctx.resultChunk(payload);
  job.resultId = payload.result_id;
}

/** The runtime names checkpoints; the agent is told the name once it is kept. */
export function keepCheckpoint(job: JobConversation, envelope: Envelope<'job.checkpoint'>): void {
  job.act(envelope, {
    kind: 'brief',
    work: () => job.ctx.checkpoint(envelope.payload.data as Json),
    done: (checkpoint_id) => {
      acknowledge(job, envelope, { checkpoint_id });
    },
  });
}

export function tell(job: JobConversation, { payload }: Envelope<'log'>): void {
  const { level, message, attributes } = payload;
  job.ctx.log(level, message, attributes as Readonly<Record<string, Json>> | undefined);
}

/** A measurement, or a charge: that is a guarded act, so that it is answered, with `ack` or with what refuses it. */
export function note(job: JobConversation, envelope: Envelope<'metric'>): void {
  const { name, value, unit, dims, amount } = envelope.payload;
  if (name.startsWith(OF_BUDGETS))
    throw new ArcpError('INVALID_ARGUMENT', `metric ${name}: only the runtime tells what is left of budgets`);
  if (!name.startsWith(COST)) {
    const more = dims === undefined ? {} : { dims: dims as Readonly<Record<string, string>> };
    job.ctx.metric(name, value, { unit, ...more });
    return;
  }
  if (!isCurrency(unit))
    throw new ArcpError('INVALID_ARGUMENT', `metric ${name}: a charge has a currency as its unit`);
  const exact = amount ?? amountFromNumber(value);
  job.act(envelope, {
    kind: 'brief',
    work: () => job.ctx.charge(name, exact, unit),
    done: () => {
      acknowledge(job, envelope);
    },
  });
}

/** `ping` within a job is answered once all that the agent said before it is committed. */
export function settleSoFar(job: JobConversation, envelope: Envelope<'ping'>): void {
  job.act(envelope, {
    kind: 'brief',
    work: () => job.ctx.flushed(),
    done: () => {
      const { nonce } = envelope.payload;
      job.say(
        'pong',
        { ...(nonce === undefined ? {} : { nonce }), ack_for: envelope.id },
        { correlationId: envelope.id },
      );
    },
  });
}
